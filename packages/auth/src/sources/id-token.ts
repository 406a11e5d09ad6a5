import { decodeJwt, type JWTPayload } from "jose";

/**
 * The claims of an ID token that was had from its issuer over TLS, or lies in a private file: its signature says nothing more here, and
 * whoever is shown it verifies it. Undefined for what is no JWT.
 */
export function claimsOf(idToken: string | undefined): JWTPayload | undefined {
  if (idToken === undefined) return undefined;
  try {
    return decodeJwt(idToken);
  } catch {
    return undefined; // Not a JWT: then it says nothing.
  }
}
