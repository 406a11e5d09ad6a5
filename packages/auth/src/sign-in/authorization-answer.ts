import { createHash, timingSafeEqual } from "node:crypto";
import { AuthError } from "../errors.js";
import { oneLine } from "../one-line.js";

/** Whether the parameters of a redirect answer this sign-in: they carry its state, once. Takes as long for a near miss as for a far one. */
export function isAnswerTo(state: string, parameters: URLSearchParams): boolean {
  const [given, ...more] = parameters.getAll("state");
  if (given === undefined || more.length > 0) return false;
  const digest = (text: string) => createHash("sha256").update(text).digest();
  return timingSafeEqual(digest(given), digest(state));
}

/** The code that an answer carries; `sign_in_failed` where the provider said no, or nothing that can be used. */
export function codeOf(parameters: URLSearchParams): string {
  const error = parameters.get("error");
  if (error !== null) throw refusal(error, parameters.get("error_description") ?? "");
  const [code, ...more] = parameters.getAll("code");
  if (code !== undefined && code !== "" && more.length === 0) return code;
  throw new AuthError(
    "sign_in_failed",
    "the provider's answer carries neither one code nor an error, so nothing was saved; is its address the auth_uri of the client secrets?",
  );
}

function refusal(error: string, description: string): AuthError {
  if (error === "access_denied") {
    return new AuthError(
      "sign_in_failed",
      "access was denied in the browser, so nothing was saved. Sign in again and allow it",
    );
  }
  const said = oneLine(description);
  return new AuthError(
    "sign_in_failed",
    `the provider refused the sign-in, so nothing was saved: ${oneLine(error)}${said === "" ? "" : ` (${said})`}`,
  );
}
