/** What a token looks like, without any trust in it: enough to know who can tell whether it is good. */

/** The shape of a token; `issuer` and `email` are only claimed. */
export type TokenShape =
  | { readonly kind: "own" }
  | { readonly kind: "jwt"; readonly issuer: string | undefined }
  | { readonly kind: "google" }
  | { readonly kind: "opaque" };

/** What the tokens of `pullqueue token create` begin with, so that people and secret scanners recognise them. */
export const OWN_TOKEN_PREFIX = "pq_";

/** Google's access tokens begin so. (Not documented, but true of every one since OAuth 2.0 came there.) */
const GOOGLE_TOKEN_PREFIX = "ya29.";

const JWT_PATTERN = /^[\w-]+\.([\w-]+)\.[\w-]*$/;

/** Looks at a token. */
export function shapeOf(token: string): TokenShape {
  if (token.startsWith(OWN_TOKEN_PREFIX)) return { kind: "own" };
  if (token.startsWith(GOOGLE_TOKEN_PREFIX)) return { kind: "google" };
  const payload = JWT_PATTERN.exec(token)?.[1];
  const claims = payload === undefined ? undefined : claimsOf(payload);
  if (claims === undefined) return { kind: "opaque" };
  return { kind: "jwt", issuer: typeof claims.iss === "string" ? claims.iss : undefined };
}

function claimsOf(payload: string): { readonly iss?: unknown } | undefined {
  try {
    const claims: unknown = JSON.parse(Buffer.from(payload, "base64url").toString());
    return typeof claims === "object" && claims !== null ? claims : undefined;
  } catch {
    // Three words with dots between them, and no JWT.
    return undefined;
  }
}
