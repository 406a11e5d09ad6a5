import type { Clock } from "@pullqueue/core";
import { errors, type JWTPayload, type JWTVerifyGetKey, type JWTVerifyOptions, jwtVerify } from "jose";
import type { TokenVerifier } from "./authenticate.js";
import { invalidCredentials } from "./bearer.js";
import type { Claims } from "./claims.js";
import type { KeySet } from "./key-set.js";
import type { Principal } from "./principal.js";
import type { TokenShape } from "./token-shape.js";
import { VerifiedTokens } from "./verified-tokens.js";

/** Tokens that an issuer signed (RFC 7519). Nobody is asked: the signature says all. */

/** What makes a JWT good. */
export interface JwtRules {
  readonly issuers: readonly string[];
  readonly audiences: readonly string[];
  /** Asymmetric ones only: keys that are public must not be taken for shared secrets. */
  readonly algorithms: readonly string[];
  /** How far the issuer's clock may differ, in milliseconds. */
  readonly clockToleranceMs: number;
}

/** Verifies JWTs of one issuer. */
export class JwtVerifier implements TokenVerifier {
  readonly name: string;
  readonly #rules: JwtRules;
  readonly #keys: KeySet;
  readonly #clock: Clock;
  readonly #principalOf: (claims: Claims) => Principal;
  readonly #verified = new VerifiedTokens();

  constructor(options: {
    readonly name: string;
    readonly rules: JwtRules;
    readonly keys: KeySet;
    readonly clock: Clock;
    readonly principalOf: (claims: Claims) => Principal;
  }) {
    this.name = options.name;
    this.#rules = options.rules;
    this.#keys = options.keys;
    this.#clock = options.clock;
    this.#principalOf = options.principalOf;
  }

  accepts(shape: TokenShape): boolean {
    return shape.kind === "jwt" && this.#rules.issuers.some((issuer) => issuer === shape.issuer);
  }

  verify(token: string): Promise<Principal> {
    return this.#verified.get(token, this.#clock.nowUs(), async () => {
      const find: JWTVerifyGetKey = (header, input) => this.#keys.find(header, input);
      const { payload } = await verifyJwt(token, find, this.#rules, this.#clock);
      return { principal: this.#principalOf(payload), exp: payload.exp };
    });
  }

  /** Reads keys again that are in a file. */
  async refresh(): Promise<void> {
    await this.#keys.refresh?.();
    this.#verified.forget();
  }
}

/** Verifies signature, issuer, audience and times. Rejects with `unauthenticated`, saying what does not hold, or with what `key` rejects with. */
export async function verifyJwt(
  token: string,
  key: JWTVerifyGetKey,
  { issuers, audiences, algorithms, clockToleranceMs }: JwtRules,
  clock: Clock,
): Promise<{ readonly payload: JWTPayload }> {
  const options: JWTVerifyOptions = {
    issuer: [...issuers],
    audience: [...audiences],
    algorithms: [...algorithms],
    clockTolerance: clockToleranceMs / 1000,
    currentDate: new Date(clock.nowUs() / 1000),
    requiredClaims: ["exp"],
  };
  try {
    return await jwtVerify(token, key, options);
  } catch (error) {
    if (!(error instanceof errors.JOSEError)) throw error;
    throw invalidCredentials(whyNot(error, audiences));
  }
}

function whyNot(error: errors.JOSEError, audiences: readonly string[]): string {
  if (error instanceof errors.JWTExpired) return "the token has expired; get a new one";
  if (error instanceof errors.JWTClaimValidationFailed) {
    return error.claim === "aud"
      ? `the token is for another audience; it must be for ${audiences.join(" or ")}`
      : `the token's claim ${JSON.stringify(error.claim)} does not hold or is missing`;
  }
  if (error instanceof errors.JOSEAlgNotAllowed)
    return "the token is signed by an algorithm that is not accepted here";
  if (error instanceof errors.JWSSignatureVerificationFailed)
    return "the token's signature does not fit its issuer's key";
  if (error instanceof errors.JWKSNoMatchingKey || error instanceof errors.JWKSMultipleMatchingKeys) {
    return "the token names no key that its issuer has";
  }
  return "the token is no JWT that can be read";
}
