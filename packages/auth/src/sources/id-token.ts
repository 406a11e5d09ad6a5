import { claimsOf } from "../files/id-token-claims.js";

/**
 * What matters of an ID token here. It was had from its issuer over TLS, or lies in a private file, so its signature says nothing more;
 * whoever is shown it verifies it.
 */
export interface IdToken {
  readonly token: string;
  readonly audiences: readonly string[];
  /** By its issuer's clock, in milliseconds since the epoch. */
  readonly expiresAtMs: number | undefined;
  /** From its issue to its end, in milliseconds. */
  readonly lifeMs: number | undefined;
}

/** Reads an ID token; undefined for what is none. */
export function readIdToken(token: string | undefined): IdToken | undefined {
  const claims = token === undefined ? undefined : claimsOf(token);
  if (token === undefined || claims === undefined) return undefined;
  const { aud, exp, iat } = claims;
  return {
    token,
    audiences: [aud].flat().filter((one) => typeof one === "string"),
    expiresAtMs: typeof exp === "number" ? exp * 1000 : undefined,
    lifeMs: typeof exp === "number" && typeof iat === "number" ? (exp - iat) * 1000 : undefined,
  };
}

/** Whether it is for this audience. A slash at the end makes no difference: pullqueue's server takes both. */
export function isFor({ audiences }: IdToken, audience: string): boolean {
  const plain = (text: string) => text.replace(/\/$/, "");
  return audiences.some((one) => plain(one) === plain(audience));
}
