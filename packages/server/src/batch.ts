import { setImmediate as othersTurn } from "node:timers/promises";
import { newRequestId, QueueError } from "@pullqueue/core";
import { type BatchedAnswer, batchResponse } from "./batch-answer.js";
import { readBoundary, splitParts } from "./batch-multipart.js";
import { type BatchedCall, readPart } from "./batch-part.js";
import { readBody } from "./body.js";
import type { BodyShare } from "./body-memory.js";
import { BATCH_ANSWER_BYTES_MAX, BATCH_BODY_BYTES_MAX, BATCH_CALLS_AT_ONCE } from "./limits.js";
import { REQUEST_ID_HEADER } from "./request-id.js";
import { errorAnswer, responseOf } from "./responses.js";

/**
 * Google's batch endpoint: many calls in one request, each a part of a `multipart/mixed` body. Each call goes the whole
 * way of a request of its own (authentication, log, limits) and fails by itself. (Not to be confused with
 * `tasks.batchInsert` and its like, which are one call.)
 */

/** The path that the discovery document names, and the one shared by all APIs that older clients have built in. */
export const BATCH_PATHS = ["/batch/taskqueue/v1beta2", "/batch"] as const;

/** Headers of the batch that say something about it alone, beside all that begin with `content-`. */
const OWN_HEADERS = new Set([
  "accept-encoding",
  "connection",
  "expect",
  "host",
  "keep-alive",
  "te",
  "trailer",
  "transfer-encoding",
  "upgrade",
  "x-http-method-override",
  "x-request-id",
]);

/** Headers of a call that say something about a connection or a length, which it has not. */
const IGNORED_HEADERS = [
  "accept-encoding",
  "connection",
  "content-length",
  "expect",
  "host",
  "transfer-encoding",
];

/**
 * Runs a batch through `serveCall`, in groups of `BATCH_CALLS_AT_ONCE`, one after the other in the order of the request. The
 * whole body is read and proved before the first call is made. Throws `invalid_argument` for a malformed one, `too_large`
 * past `BATCH_BODY_BYTES_MAX`, and the reason of the request's signal.
 */
export async function serveBatch(
  request: Request,
  share: BodyShare,
  serveCall: (call: Request) => Promise<Response>,
): Promise<Response> {
  const calls = await readCalls(request, share);
  const batch: Batch = {
    origin: new URL(request.url).origin,
    inherited: inheritedHeaders(request.headers),
    signal: request.signal,
  };
  const answers: BatchedAnswer[] = [];
  let answerBytes = 0;
  for (let next = 0; next < calls.length; next += BATCH_CALLS_AT_ONCE) {
    request.signal.throwIfAborted();
    const isFull = answerBytes > BATCH_ANSWER_BYTES_MAX;
    const group = calls.slice(next, next + BATCH_CALLS_AT_ONCE).map(async (call) => {
      const response = isFull ? refuseRest() : await serveCall(requestOf(call, batch));
      return readAnswer(call, response);
    });
    for (const answer of await Promise.all(group)) {
      answers.push(answer);
      answerBytes += answer.body.byteLength;
    }
    // A store in memory would otherwise answer a thousand calls before anybody else is heard.
    await othersTurn();
  }
  return batchResponse(answers);
}

/** What calls take over from their batch. */
interface Batch {
  readonly origin: string;
  readonly inherited: readonly (readonly [name: string, value: string])[];
  readonly signal: AbortSignal;
}

async function readCalls(request: Request, share: BodyShare): Promise<readonly BatchedCall[]> {
  const boundary = readBoundary(request.headers.get("content-type"));
  const { buffer, byteOffset, byteLength } = await readBody(request, BATCH_BODY_BYTES_MAX, share);
  const parts = splitParts(Buffer.from(buffer, byteOffset, byteLength), boundary);
  const calls: BatchedCall[] = [];
  for (const part of parts) {
    calls.push(readPart(part, calls.length + 1));
    if (calls.length % BATCH_CALLS_AT_ONCE === 0) await othersTurn();
  }
  return calls;
}

function inheritedHeaders(outer: Headers): Batch["inherited"] {
  return [...outer].filter(([name]) => !name.startsWith("content-") && !OWN_HEADERS.has(name));
}

function requestOf({ method, target, headers, body }: BatchedCall, batch: Batch): Request {
  for (const name of IGNORED_HEADERS) headers.delete(name);
  for (const [name, value] of batch.inherited) if (!headers.has(name)) headers.set(name, value);
  const hasBody = body.byteLength > 0 && method !== "GET" && method !== "HEAD";
  if (hasBody) headers.set("content-length", String(body.byteLength));
  return new Request(batch.origin + target, {
    method,
    headers,
    signal: batch.signal,
    ...(hasBody ? { body: body as Uint8Array<ArrayBuffer> } : {}),
  });
}

async function readAnswer({ contentId }: BatchedCall, response: Response): Promise<BatchedAnswer> {
  const body = Buffer.from(await response.arrayBuffer());
  return { contentId, status: response.status, headers: response.headers, body };
}

function refuseRest(): Response {
  return responseOf(
    errorAnswer(
      new QueueError(
        "resource_exhausted",
        `this call was not made, because the answers before it have more than ${BATCH_ANSWER_BYTES_MAX} bytes; repeat it in another batch`,
      ),
      { headers: { [REQUEST_ID_HEADER]: newRequestId() } },
    ),
  );
}
