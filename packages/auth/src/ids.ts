import { randomBytes } from "node:crypto";

/** The only module here that makes random values. */

/** A secret that cannot be guessed: 256 bits in 43 characters of the URL-safe base64 alphabet (RFC 7636 wants no fewer). */
export function newSecret(): string {
  return randomBytes(32).toString("base64url");
}

/** A name that no other process makes: 96 bits in hexadecimal digits. */
export function newId(): string {
  return randomBytes(12).toString("hex");
}
