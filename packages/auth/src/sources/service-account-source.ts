import { createPrivateKey, type KeyObject } from "node:crypto";
import { type JWTPayload, SignJWT } from "jose";
import type { Clock } from "../clock.js";
import { AuthError } from "../errors.js";
import {
  ASSERTION_BACKDATE_MS,
  ASSERTION_LIFE_MS,
  CLOCK_DIFFERENCE_MS,
  SIGNED_TOKEN_LIFE_MS,
} from "../limits.js";
import type { ServiceAccountKey } from "../stored-credentials.js";
import { postForm, type TokenRequest } from "../token-endpoint.js";
import type { AccessToken, Demand, TokenMaker } from "./access-token.js";
import { serverTimeMs } from "./server-time.js";
import { readAnswer, refusalError } from "./token-answer.js";

/** How a service account's key is used. */
export interface ServiceAccountOptions {
  readonly key: ServiceAccountKey;
  readonly clock: Clock;
  /** What an access token is asked for. */
  readonly scopes: readonly string[];
  /** Then the account signs the token itself; nobody else is asked. */
  readonly audience: { readonly url: string; readonly scopes: readonly string[] | undefined } | undefined;
  /** What the file is, for messages: its path in quotation marks. */
  readonly name: string;
}

/** RFC 7523. */
const GRANT_TYPE = "urn:ietf:params:oauth:grant-type:jwt-bearer";

/**
 * Tokens of a service account: access tokens for an assertion that its key signs (RFC 7523), or, with an audience, a JWT that it signs for
 * the server itself. Both hold times, so a wrong clock makes them useless: where a server refuses, and its time differs from the one
 * that was written by more than a minute, its time is believed from then on.
 */
export class ServiceAccountSource implements TokenMaker {
  readonly #options: ServiceAccountOptions;
  #key: KeyObject | undefined;
  /** What is added to our clock, in milliseconds. */
  #offsetMs = 0;

  constructor(options: ServiceAccountOptions) {
    this.#options = options;
  }

  async renew({ rejected, signal }: Demand): Promise<AccessToken> {
    const { audience, clock } = this.#options;
    if (audience === undefined) return this.#fetch(signal);
    // Why it was refused nobody says. If our clock was the reason, the server's own time mends it.
    if (rejected !== undefined) this.#believe(await serverTimeMs(audience.url, clock, signal));
    return this.#signFor(audience.url, audience.scopes);
  }

  async #fetch(signal: AbortSignal): Promise<AccessToken> {
    const { clock, key, name } = this.#options;
    const advice = `Is the key of ${name} still listed for ${key.clientEmail}, and does this machine's clock show the right time?`;
    for (let attempt = 1; ; attempt++) {
      const nowMs = clock.nowUs() / 1000;
      const form = { grant_type: GRANT_TYPE, assertion: await this.#assertion(nowMs) };
      const sent: TokenRequest = { tokenUri: key.tokenUri, form, clock, signal };
      const answer = await postForm(sent);
      const read = readAnswer(answer, sent);
      if ("grant" in read) {
        const { accessToken, lifeMs } = read.grant;
        return { token: accessToken, expiresAtMs: nowMs + lifeMs, lifeMs };
      }
      if (attempt > 1 || !this.#believe(answer.serverMs)) {
        throw refusalError(read.refusal, sent, { code: "refused", advice });
      }
    }
  }

  #assertion(nowMs: number): Promise<string> {
    const { key, scopes } = this.#options;
    const fromMs = nowMs + this.#offsetMs - ASSERTION_BACKDATE_MS;
    const claims = { iss: key.clientEmail, aud: key.tokenUri, scope: scopes.join(" ") };
    return this.#sign(claims, fromMs, ASSERTION_LIFE_MS);
  }

  async #signFor(aud: string, scopes: readonly string[] | undefined): Promise<AccessToken> {
    const { clock, key } = this.#options;
    const nowMs = clock.nowUs() / 1000;
    const scope = scopes === undefined ? {} : { scope: scopes.join(" ") };
    const claims = { iss: key.clientEmail, sub: key.clientEmail, aud, ...scope };
    const token = await this.#sign(claims, nowMs + this.#offsetMs, SIGNED_TOKEN_LIFE_MS);
    return { token, expiresAtMs: nowMs + SIGNED_TOKEN_LIFE_MS, lifeMs: SIGNED_TOKEN_LIFE_MS };
  }

  async #sign(claims: JWTPayload, fromMs: number, lifeMs: number): Promise<string> {
    const { privateKeyId } = this.#options.key;
    this.#key ??= this.#readKey();
    const iat = Math.floor(fromMs / 1000);
    const kid = privateKeyId === undefined ? {} : { kid: privateKeyId };
    try {
      return await new SignJWT(claims)
        .setProtectedHeader({ alg: "RS256", typ: "JWT", ...kid })
        .setIssuedAt(iat)
        .setExpirationTime(iat + Math.floor(lifeMs / 1000))
        .sign(this.#key);
    } catch {
      // OpenSSL's words may quote the key.
      throw this.#badKey("which nothing can be signed with; RS256 needs 2048 bits at least");
    }
  }

  #readKey(): KeyObject {
    let key: KeyObject;
    try {
      key = createPrivateKey(this.#options.key.privateKey);
    } catch {
      throw this.#badKey("which is no key in PEM");
    }
    if (key.asymmetricKeyType === "rsa") return key;
    throw this.#badKey(`which is not an RSA key but ${String(key.asymmetricKeyType)}`);
  }

  #badKey(what: string): AuthError {
    return new AuthError(
      "invalid_file",
      `${this.#options.name} has a private_key ${what}: download a new key of the service account`,
    );
  }

  /** Takes over a server's time if it differs from the one that was written; says whether it does. */
  #believe(serverMs: number | undefined): boolean {
    if (serverMs === undefined) return false;
    const offsetMs = serverMs - this.#options.clock.nowUs() / 1000;
    if (Math.abs(offsetMs - this.#offsetMs) <= CLOCK_DIFFERENCE_MS) return false;
    this.#offsetMs = offsetMs;
    return true;
  }
}
