import { AuthError } from "../errors.js";

/** What such files hold: their text, a key, their text in base64 or a signed token, and Google's tokens. */
const CONTENT = /^\s*\{\s*["}]|-----BEGIN |[\r\n]|^\s*eyJ[\w+/=.-]{32,}\s*$|^\s*(?:ya29\.|1\/\/0|GOCSPX-)/;

/**
 * Throws `invalid_argument` where a path is what a file holds, as it happens with variables of build servers: errors name paths, and would
 * show it.
 */
export function assertIsPath(path: string): void {
  if (!CONTENT.test(path)) return;
  throw new AuthError(
    "invalid_argument",
    "expected the path of a file, and this looks like what is in one: write it into a file that only you can read, and give its path",
  );
}
