/**
 * The closed set of codes. They never change within a major version; messages may. docs/errors.md has a section for
 * each, and a test compares the two.
 */
export const QUEUE_ERROR_CODES = [
  "invalid_argument",
  "not_found",
  "already_exists",
  "lease_lost",
  "wrong_mode",
  "too_large",
  "resource_exhausted",
  "unauthenticated",
  "permission_denied",
  "not_supported",
  "unavailable",
  "timeout",
  "closed",
  "internal",
] as const;

/** Why a call on a store failed. */
export type QueueErrorCode = (typeof QUEUE_ERROR_CODES)[number];

/** What else is known about a failure. */
export interface QueueErrorDetails {
  /** The error underneath; for logs, never sent to a client. */
  readonly cause?: unknown;
  /** The argument or field that was wrong, by its name on the wire. */
  readonly location?: string;
  /** How long to wait before trying again, in milliseconds. */
  readonly retryAfterMs?: number;
  /** Google's word for the failure, where that of the code (`http-status.ts`) is not exact enough. */
  readonly reason?: "required" | "parseError" | "invalidParameter" | "insufficientPermissions";
}

/** The one error of this package. Tell failures apart by `code`; the message says what was expected, what came, what to do. */
export class QueueError extends Error {
  override readonly name = "QueueError";
  readonly code: QueueErrorCode;
  /** The argument or field that was wrong, by its name on the wire. */
  readonly location: string | undefined;
  /** How long to wait before trying again, in milliseconds. */
  readonly retryAfterMs: number | undefined;
  /** Google's word for the failure, where that of the code is not exact enough. */
  readonly reason: string | undefined;

  constructor(code: QueueErrorCode, message: string, details: QueueErrorDetails = {}) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause });
    this.code = code;
    this.location = details.location;
    this.retryAfterMs = details.retryAfterMs;
    this.reason = details.reason;
  }

  /** Any thrown value as a QueueError: itself, or `internal` with the value as its cause. */
  static from(error: unknown): QueueError {
    if (isQueueError(error)) return error;
    return new QueueError("internal", "an unexpected error occurred", { cause: error });
  }
}

/** Whether a value is a QueueError, with this code if one is given. Works across two installed copies of the package. */
export function isQueueError(value: unknown, code?: QueueErrorCode): value is QueueError {
  return (
    value instanceof Error &&
    value.name === "QueueError" &&
    "code" in value &&
    (code === undefined || value.code === code)
  );
}
