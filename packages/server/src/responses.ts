import { errorToWire, type QueueError, type WireErrorOverride } from "@pullqueue/core";
import { RETRY_AFTER_SECONDS } from "./limits.js";

/** Answers, as plain data: whoever answers over sockets writes them as they are, and others make a `Response` of them. */

/** What the API answers. */
export interface Answer {
  readonly status: number;
  /** Its own, so that more can be put in. */
  readonly headers: Record<string, string>;
  readonly body: string | Uint8Array<ArrayBuffer> | null;
  /** The body is a text of ASCII characters alone, so that nobody has to look; absent where that is not known. */
  readonly isAscii?: boolean;
}

/** An answer for whoever speaks Fetch. */
export function responseOf({ status, headers, body }: Answer): Response {
  return new Response(body, { status, headers });
}

const JSON_TYPE = "application/json; charset=UTF-8";

/** A JSON answer with status 200; `pretty` indents by one space, as Google did. */
export function jsonAnswer(value: object, pretty: boolean): Answer {
  return { status: 200, headers: jsonHeaders(), body: stringify(value, pretty) };
}

/** The same of JSON that is written already, all but its end. */
export function textAnswer(text: string, pretty: boolean, isAscii: boolean): Answer {
  return { status: 200, headers: jsonHeaders(), body: pretty ? `${text}\n` : text, isAscii };
}

/** Status 200 without a body: a successful delete. */
export function emptyAnswer(): Answer {
  return { status: 200, headers: {}, body: null };
}

/** Google's error envelope. A client may try again after `Retry-After`, which 429 and 503 carry. */
export function errorAnswer(
  error: QueueError,
  options: {
    readonly override?: WireErrorOverride;
    readonly headers?: Readonly<Record<string, string>>;
    readonly pretty?: boolean;
  } = {},
): Answer {
  const wire = errorToWire(error, options.override);
  const retry = wire.code === 503 || wire.code === 429 ? { "retry-after": retryAfter(error) } : {};
  return {
    status: wire.code,
    headers: { ...jsonHeaders(), ...retry, ...options.headers },
    body: stringify({ error: wire }, options.pretty ?? true),
  };
}

/** Whoever keeps an answer must know that it may come packed or not. */
function jsonHeaders(): Record<string, string> {
  return { "content-type": JSON_TYPE, vary: "accept-encoding" };
}

function stringify(value: object, pretty: boolean): string {
  return pretty ? `${JSON.stringify(value, null, 1)}\n` : JSON.stringify(value);
}

function retryAfter(error: QueueError): string {
  const seconds = error.retryAfterMs === undefined ? 0 : Math.ceil(error.retryAfterMs / 1000);
  return String(Math.max(RETRY_AFTER_SECONDS, seconds));
}
