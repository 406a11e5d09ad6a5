import { isQueueError, type QueueErrorCode } from "@pullqueue/core";

/**
 * The closed set of codes. They never change within a major version; messages may. docs/errors.md has a section for
 * each, and a test compares the two.
 */
export const KOMBU_ERROR_CODES = [
  "invalid_argument",
  "empty",
  "timeout",
  "closed",
  "not_found",
  "already_exists",
  "precondition_failed",
  "unroutable",
  "not_bound",
  "message_state",
  "lease_lost",
  "not_serializable",
  "decode_failed",
  "content_disallowed",
  "schema_mismatch",
  "serializer_unknown",
  "too_large",
  "not_supported",
  "resource_exhausted",
  "unauthenticated",
  "permission_denied",
  "unavailable",
  "internal",
] as const;

/** Why a call failed. */
export type KombuErrorCode = (typeof KOMBU_ERROR_CODES)[number];

/** One thing that a schema found wrong. */
export interface SchemaIssue {
  readonly message: string;
  /** Where, such as `$.items[3].price`; `$` is the payload itself. */
  readonly path: string;
}

/** What else is known about a failure. */
export interface KombuErrorDetails {
  /** The error underneath; for logs. */
  readonly cause?: unknown;
  /** The queues that did not get the message, when a publish reached only some. */
  readonly queues?: readonly string[];
  /** How long to wait before trying again, in milliseconds. */
  readonly retryAfterMs?: number | undefined;
  /** What a schema found wrong with a payload. */
  readonly issues?: readonly SchemaIssue[] | undefined;
}

/** The one error of this package. Tell failures apart by `code`; the message says what was expected, what came, what to do. */
export class KombuError extends Error {
  override readonly name = "KombuError";
  readonly code: KombuErrorCode;
  /** The queues that did not get the message, when a publish reached only some. */
  readonly queues: readonly string[] | undefined;
  /** How long to wait before trying again, in milliseconds. */
  readonly retryAfterMs: number | undefined;
  /** What a schema found wrong with a payload, with `schema_mismatch`. */
  readonly issues: readonly SchemaIssue[] | undefined;

  constructor(code: KombuErrorCode, message: string, details: KombuErrorDetails = {}) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause });
    this.code = code;
    this.queues = details.queues;
    this.retryAfterMs = details.retryAfterMs;
    this.issues = details.issues;
  }
}

/** How a text goes on with what caused it; nothing where nobody knows. */
export function becauseOf(cause: unknown): string {
  return cause instanceof Error ? `: ${cause.message}` : "";
}

/** Whether a value is a KombuError, with this code if one is given. Works across two installed copies of the package. */
export function isKombuError(value: unknown, code?: KombuErrorCode): value is KombuError {
  return (
    value instanceof Error &&
    value.name === "KombuError" &&
    "code" in value &&
    (code === undefined || value.code === code)
  );
}

/** Nothing was in the queue: what `get` and `getNowait` of a SimpleQueue throw. */
export function isEmpty(value: unknown): value is KombuError {
  return isKombuError(value, "empty");
}

/** Time was up before anything happened: what `drainEvents` throws. */
export function isTimeout(value: unknown): value is KombuError {
  return isKombuError(value, "timeout");
}

/** The connection, channel or consumer was closed before or during the call. */
export function isClosed(value: unknown): value is KombuError {
  return isKombuError(value, "closed");
}

/** The message's lease ended, so that somebody else may have it now. */
export function isLeaseLost(value: unknown): value is KombuError {
  return isKombuError(value, "lease_lost");
}

/** The broker, or the way to it, is away: it cannot be reached, or does not answer. */
export function isAway(value: unknown): value is KombuError {
  return isKombuError(value, "unavailable") || isKombuError(value, "timeout");
}

/** What an error is about: the connection, one call on it, or the program alone. */
type ErrorScope = "connection" | "channel" | "program";

/**
 * What may succeed later: the `same call`; only a `new round` of a worker, on a new connection and perhaps after somebody else declared
 * or mended something; or what fails so, `never` by trying again.
 */
type Again = "same call" | "new round" | "never";

/**
 * What each code means for whoever thinks of trying again; AMQP's own classes where it has the error. A connection's error asks for
 * another connection, a channel's only for another try.
 */
const TRAITS: Readonly<Record<KombuErrorCode, { readonly scope: ErrorScope; readonly again: Again }>> = {
  unavailable: { scope: "connection", again: "same call" },
  unauthenticated: { scope: "connection", again: "never" },
  internal: { scope: "connection", again: "new round" },
  resource_exhausted: { scope: "channel", again: "same call" },
  not_found: { scope: "channel", again: "new round" },
  already_exists: { scope: "channel", again: "never" },
  precondition_failed: { scope: "channel", again: "never" },
  permission_denied: { scope: "channel", again: "never" },
  unroutable: { scope: "channel", again: "never" },
  lease_lost: { scope: "channel", again: "new round" },
  too_large: { scope: "channel", again: "never" },
  not_supported: { scope: "channel", again: "never" },
  invalid_argument: { scope: "program", again: "never" },
  empty: { scope: "program", again: "never" },
  timeout: { scope: "program", again: "new round" },
  closed: { scope: "program", again: "new round" },
  not_bound: { scope: "program", again: "never" },
  message_state: { scope: "program", again: "never" },
  not_serializable: { scope: "program", again: "never" },
  decode_failed: { scope: "program", again: "never" },
  content_disallowed: { scope: "program", again: "never" },
  schema_mismatch: { scope: "program", again: "never" },
  serializer_unknown: { scope: "program", again: "never" },
};

/** The connection failed, or could not be made: kombu's `connection_errors`. */
export function isConnectionError(value: unknown): value is KombuError {
  return isKombuError(value) && TRAITS[value.code]?.scope === "connection";
}

/** The broker refused one call, and the connection is well: kombu's `channel_errors`. */
export function isChannelError(value: unknown): value is KombuError {
  return isKombuError(value) && TRAITS[value.code]?.scope === "channel";
}

/** The broker, or the way to it, is the reason, not the program: kombu's `OperationalError`. */
export function isOperational(value: unknown): value is KombuError {
  return isConnectionError(value) || isChannelError(value);
}

/** The same call may succeed later. What `ensure` and `publish` with `retry` try again. */
export function isRecoverable(value: unknown): value is KombuError {
  return isKombuError(value) && TRAITS[value.code]?.again === "same call";
}

/** Beginning anew on another connection may succeed: what a worker survives. */
export function isMendable(value: unknown): value is KombuError {
  return isKombuError(value) && (TRAITS[value.code]?.again ?? "never") !== "never";
}

/** A store's codes in this package's words: where they differ, the reason stands beside. */
const CODE_OF_QUEUE_ERROR: Readonly<Record<QueueErrorCode, KombuErrorCode>> = {
  invalid_argument: "invalid_argument",
  not_found: "not_found",
  already_exists: "already_exists",
  lease_lost: "lease_lost",
  // The queue is there, but it pushes: AMQP's 406.
  wrong_mode: "precondition_failed",
  too_large: "too_large",
  resource_exhausted: "resource_exhausted",
  unauthenticated: "unauthenticated",
  permission_denied: "permission_denied",
  not_supported: "not_supported",
  unavailable: "unavailable",
  timeout: "timeout",
  closed: "closed",
  internal: "internal",
};

/**
 * The door through which a store's errors enter: a QueueError becomes a KombuError with the same message and the store's
 * error as its cause. A KombuError, also one that a store wrapped (our token source's, say), and the reason of an aborted
 * `signal` pass unchanged; anything else is `internal`.
 */
export function fromQueueError(error: unknown, signal?: AbortSignal): unknown {
  if (isKombuError(error) || (signal?.aborted === true && error === signal.reason)) return error;
  if (isQueueError(error)) {
    if (isKombuError(error.cause)) return error.cause;
    const details = { cause: error, retryAfterMs: error.retryAfterMs };
    return new KombuError(CODE_OF_QUEUE_ERROR[error.code], error.message, details);
  }
  return new KombuError("internal", "an unexpected error occurred below the transport", { cause: error });
}
