import { isUtf8 } from "node:buffer";
import { newIdempotencyKey, type Task, type TaskWithPayload } from "@pullqueue/core";
import {
  decodeEnvelope,
  decompress,
  encodeEnvelope,
  isKombuError,
  type StoredMessage,
} from "@pullqueue/kombu";
import { isoTime } from "./time.js";

/** What is in a task, for `put` to write and `get` to show. */

/** The bytes that somebody wants to read, and what is known about them. */
export interface TaskContent {
  readonly body: Uint8Array;
  /** Undefined for a raw task, which says nothing about itself. */
  readonly contentType: string | undefined;
  readonly headers: Readonly<Record<string, unknown>> | undefined;
}

/**
 * The content of a task: the body of kombu's envelope, or with `raw`, and for every other task, the payload itself. A body
 * that cannot be unpacked is no reason to lose the task: `onProblem` hears why, and the payload is the content.
 */
export function contentOf(
  { payload }: TaskWithPayload,
  raw: boolean,
  onProblem: (why: string) => void,
): TaskContent {
  const asStored = { body: payload, contentType: undefined, headers: undefined };
  const message = raw ? undefined : decodeEnvelope(payload);
  if (message === undefined) return asStored;
  try {
    const { contentType, headers } = message.content;
    return { body: unpackedBody(message), contentType, headers };
  } catch (error) {
    if (!isKombuError(error)) throw error;
    onProblem(error.message);
    return asStored;
  }
}

function unpackedBody({ content: { body, headers } }: StoredMessage): Uint8Array {
  const { compression } = headers;
  return typeof compression === "string" ? decompress(body, compression) : body;
}

/** A task as `--json` shows it: the body as a JSON value where its type says JSON, as text, or else as base64. */
export function taskJson(task: TaskWithPayload, content: TaskContent): object {
  const { body, contentType, headers } = content;
  return {
    id: task.id,
    queue: task.queue.queue,
    tag: task.tag,
    enqueuedAt: isoTime(task.enqueuedAtUs),
    retryCount: task.retryCount,
    ...lifeJson(task),
    envelope: headers === undefined ? "raw" : "kombu",
    contentType,
    headers,
    ...bodyJson(body, contentType),
  };
}

/** What `--json` shows of a task's past: its trace context, and where a dead letter came from. */
export function lifeJson({ traceparent, tracestate, deadLetter }: Task): object {
  if (deadLetter === undefined) return { traceparent, tracestate };
  const { queue, id, reason, retryCount, atUs } = deadLetter;
  return { traceparent, tracestate, deadLetter: { queue, id, reason, retryCount, at: isoTime(atUs) } };
}

/** Bytes in kombu's envelope, for a consumer that uses kombu. Without a content type: JSON, else text, else data. */
export function inEnvelope(body: Uint8Array, queue: string, contentType = typeOf(body)): Uint8Array {
  return encodeEnvelope(
    {
      body,
      contentType,
      contentEncoding: isUtf8(body) ? "utf-8" : "binary",
      headers: {},
      properties: {},
      raw: false,
    },
    { exchange: "", routingKey: queue, deliveryTag: newIdempotencyKey() },
  );
}

function typeOf(body: Uint8Array): string {
  if (!isUtf8(body)) return "application/data";
  return parseJson(Buffer.from(body).toString("utf8")) === undefined ? "text/plain" : "application/json";
}

function bodyJson(body: Uint8Array, contentType: string | undefined): object {
  const bytes = Buffer.from(body.buffer, body.byteOffset, body.byteLength);
  if (!isUtf8(bytes)) return { bodyBase64: bytes.toString("base64") };
  const text = bytes.toString("utf8");
  const json = contentType === "application/json" ? parseJson(text) : undefined;
  return { body: json === undefined ? text : json };
}

/** The value, or undefined for a text that is no JSON. */
function parseJson(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined; // What the question was.
  }
}
