import { QUEUE_ERROR_CODES, QueueError, type QueueErrorCode } from "./errors.js";

/** One row of the table between codes and HTTP. */
interface StatusRow {
  readonly code: QueueErrorCode;
  readonly status: number;
  /** Google's word for it, in `error.errors[0].reason`. */
  readonly reason: string;
  /** The sentence that servers without our `error.status` are known to send. */
  readonly sentence?: RegExp;
}

/** Read from left to right by the server, from right to left by the client; the first matching row wins. */
const STATUS_TABLE: readonly StatusRow[] = [
  { code: "lease_lost", status: 400, reason: "invalid", sentence: /task lease has expired/i },
  { code: "not_found", status: 404, reason: "notFound" },
  // Google answered a delete of an unknown task with 400 and this sentence.
  { code: "not_found", status: 400, reason: "invalid", sentence: /task name is invalid/i },
  { code: "wrong_mode", status: 400, reason: "invalid", sentence: /only applicable to pull queues/i },
  { code: "already_exists", status: 409, reason: "duplicate" },
  { code: "already_exists", status: 400, reason: "invalid", sentence: /already (taken|exists)/i },
  { code: "invalid_argument", status: 400, reason: "invalid" },
  { code: "unauthenticated", status: 401, reason: "authError" },
  { code: "permission_denied", status: 403, reason: "forbidden" },
  { code: "too_large", status: 413, reason: "uploadTooLarge" },
  { code: "resource_exhausted", status: 429, reason: "rateLimitExceeded" },
  { code: "not_supported", status: 501, reason: "notImplemented" },
  // Not 503, which says that nothing was done.
  { code: "timeout", status: 504, reason: "backendError" },
  { code: "timeout", status: 408, reason: "requestTimeout" },
  { code: "unavailable", status: 503, reason: "backendError" },
  { code: "closed", status: 503, reason: "backendError" },
  { code: "internal", status: 500, reason: "internalError" },
];

/** Google's error envelope, with our code in `status` beside it. */
export interface WireError {
  readonly errors: readonly {
    readonly domain: string;
    readonly reason: string;
    readonly message: string;
    readonly locationType?: string;
    readonly location?: string;
  }[];
  readonly code: number;
  readonly message: string;
  /** Addition: the code of docs/errors.md. Servers without it are understood by status, reason and sentence. */
  readonly status?: string;
}

/** What a route may say more exactly than the table. */
export interface WireErrorOverride {
  readonly httpStatus?: number;
  readonly reason?: string;
  readonly message?: string;
}

/** An error as it is sent: no stack, no cause, and `internal` without any detail. */
export function errorToWire(error: QueueError, override: WireErrorOverride = {}): WireError {
  const row = STATUS_TABLE.find((candidate) => candidate.code === error.code) ?? STATUS_TABLE.at(-1)!;
  const code = override.httpStatus ?? row.status;
  const message =
    override.message ??
    (error.code === "internal" ? "Internal error: the server's log says more." : error.message);
  const location =
    error.location === undefined ? {} : { locationType: locationType(code), location: error.location };
  return {
    errors: [
      { domain: "global", reason: override.reason ?? error.reason ?? row.reason, message, ...location },
    ],
    code,
    message,
    status: error.code,
  };
}

/**
 * The error that an answer of `httpStatus` with this body (parsed JSON or undefined) stands for. `retryAfterMs` is what
 * the answer's headers ask for.
 */
export function errorFromWire(httpStatus: number, body: unknown, retryAfterMs?: number): QueueError {
  const wire = wireErrorOf(body);
  const message =
    typeof wire?.message === "string"
      ? wire.message
      : `the server answered with status ${httpStatus} and no reason; is something else at this endpoint, or in between?`;
  const location = wire?.errors?.[0]?.location;
  const code = codeOf(wire?.status) ?? codeFor(httpStatus, message);
  return new QueueError(code, message, {
    ...(typeof location === "string" ? { location } : {}),
    ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
  });
}

function codeFor(httpStatus: number, message: string): QueueErrorCode {
  const row = STATUS_TABLE.find(
    ({ status, sentence }) => status === httpStatus && (sentence === undefined || sentence.test(message)),
  );
  if (row !== undefined) return row.code === "closed" ? "unavailable" : row.code;
  if (httpStatus === 404 || httpStatus === 410) return "not_found";
  return httpStatus >= 500 ? "unavailable" : "invalid_argument";
}

function codeOf(status: unknown): QueueErrorCode | undefined {
  // A server that is closing is, to its client, one that may be back: `closed` is the client's own state.
  if (status === "closed") return "unavailable";
  return QUEUE_ERROR_CODES.find((code) => code === status);
}

function wireErrorOf(body: unknown): Partial<WireError> | undefined {
  if (typeof body !== "object" || body === null) return undefined;
  const error = "error" in body ? body.error : body;
  return typeof error === "object" && error !== null ? error : undefined;
}

function locationType(httpStatus: number): string {
  return httpStatus === 401 ? "header" : "parameter";
}
