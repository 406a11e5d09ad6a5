import { errorToWire, type QueueError, type WireErrorOverride } from "@pullqueue/core";
import { RETRY_AFTER_SECONDS } from "./limits.js";

/** Answers. Bodies are made once; headers of the common answers are one shared object. */

/** Whoever keeps an answer must know that it may come packed or not. */
const JSON_HEADERS = { "content-type": "application/json; charset=UTF-8", vary: "accept-encoding" };

/** A JSON answer with status 200; `pretty` indents by one space, as Google did. */
export function jsonResponse(value: object, pretty: boolean): Response {
  return new Response(stringify(value, pretty), { status: 200, headers: JSON_HEADERS });
}

/** Status 200 without a body: a successful delete. */
export function emptyResponse(): Response {
  return new Response(null, { status: 200 });
}

/** Google's error envelope. A client may try again after `Retry-After`, which 429 and 503 carry. */
export function errorResponse(
  error: QueueError,
  options: {
    readonly override?: WireErrorOverride;
    readonly headers?: Readonly<Record<string, string>>;
    readonly pretty?: boolean;
  } = {},
): Response {
  const wire = errorToWire(error, options.override);
  const retry = wire.code === 503 || wire.code === 429 ? { "retry-after": retryAfter(error) } : {};
  return new Response(stringify({ error: wire }, options.pretty ?? true), {
    status: wire.code,
    headers: { ...JSON_HEADERS, ...retry, ...options.headers },
  });
}

function stringify(value: object, pretty: boolean): string {
  return pretty ? `${JSON.stringify(value, null, 1)}\n` : JSON.stringify(value);
}

function retryAfter(error: QueueError): string {
  const seconds = error.retryAfterMs === undefined ? 0 : Math.ceil(error.retryAfterMs / 1000);
  return String(Math.max(RETRY_AFTER_SECONDS, seconds));
}
