/**
 * The closed set of codes. They never change within a major version; messages may. docs/errors.md has a section for
 * each, and a test compares the two.
 */
export const AUTH_ERROR_CODES = [
  "invalid_argument",
  "invalid_file",
  "not_found",
  "not_permitted",
  "sign_in_failed",
  "sign_in_needed",
  "refused",
  "not_supported",
  "unavailable",
  "timeout",
  "closed",
] as const;

/** Why a call failed. */
export type AuthErrorCode = (typeof AUTH_ERROR_CODES)[number];

/** The one error of this package. Tell failures apart by `code`; the message says what was expected, what came, what to do, and no secret. */
export class AuthError extends Error {
  override readonly name = "AuthError";
  readonly code: AuthErrorCode;

  /** `cause` is the error underneath; it must hold no secret either. */
  constructor(code: AuthErrorCode, message: string, details: { readonly cause?: unknown } = {}) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause });
    this.code = code;
  }
}

/** Whether a value is an AuthError, with this code if one is given. Works across two installed copies of the package. */
export function isAuthError(value: unknown, code?: AuthErrorCode): value is AuthError {
  return (
    value instanceof Error &&
    value.name === "AuthError" &&
    "code" in value &&
    (code === undefined || value.code === code)
  );
}
