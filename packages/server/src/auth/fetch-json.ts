import { type Clock, type JsonObject, QueueError } from "@pullqueue/core";
import { AUTH_ANSWER_BYTES_MAX, AUTH_TIMEOUT_MS } from "../limits.js";

/** What is asked of somebody else's server. */
export interface JsonQuestion {
  readonly url: string;
  readonly method?: "GET" | "POST";
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
  readonly clock: Clock;
}

/** A status and a JSON object; whatever else came is no answer. */
export interface JsonAnswer {
  readonly status: number;
  readonly json: JsonObject;
}

/**
 * Asks another server about a token or for keys. Rejects with `unavailable` when no JSON object came in `AUTH_TIMEOUT_MS`,
 * or too much of it; redirects are not followed, because they would carry credentials to where nobody meant them to go.
 */
export async function fetchJson({ url, clock, ...question }: JsonQuestion): Promise<JsonAnswer> {
  const late = new AbortController();
  const cancel = clock.timer(AUTH_TIMEOUT_MS, () =>
    late.abort(new Error(`no answer in ${AUTH_TIMEOUT_MS} ms`)),
  );
  try {
    const response = await fetch(url, { ...question, redirect: "error", signal: late.signal });
    const json: unknown = JSON.parse(await boundedText(response));
    if (typeof json === "object" && json !== null && !Array.isArray(json)) {
      return { status: response.status, json: json as JsonObject };
    }
    throw new Error(`the answer, of status ${response.status}, is no JSON object`);
  } catch (cause) {
    throw authUnavailable(`${new URL(url).origin} gave no usable answer`, cause);
  } finally {
    cancel();
  }
}

/** 503: whether a token is good cannot be found out now. What is in `why` is for the log alone. */
export function authUnavailable(why: string, cause?: unknown): QueueError {
  return new QueueError(
    "unavailable",
    "the service that knows whether the token is good cannot be asked now; try again later",
    { cause: new Error(why, { cause }) },
  );
}

async function boundedText(response: Response): Promise<string> {
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of response.body ?? []) {
    bytes += chunk.byteLength;
    if (bytes > AUTH_ANSWER_BYTES_MAX)
      throw new Error(`the answer has more than ${AUTH_ANSWER_BYTES_MAX} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString("utf8");
}
