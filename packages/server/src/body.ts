import { isUtf8 } from "node:buffer";
import { isQueueError, type JsonObject, parseTakingPayloads, QueueError } from "@pullqueue/core";
import type { ApiRequest } from "./api-request.js";
import type { BodyShare } from "./body-memory.js";
import { unpack } from "./decompression.js";
import { findShapeFault } from "./json-shape.js";
import { UNCOUNTED_BODY_BYTES_MAX } from "./limits.js";
import { bodyPieces } from "./node-body.js";

/** Bodies of requests: never more in memory than allowed, and UTF-8 JSON objects or a refusal. */

/**
 * The bytes of a body, unpacked; large ones are taken from the memory for bodies. Throws `too_large` past `bytesMax`, packed
 * or unpacked: before reading where the length is announced.
 */
export async function readBody(request: ApiRequest, bytesMax: number, share: BodyShare): Promise<Uint8Array> {
  const sent = await readSent(request, bytesMax, share);
  return unpack(sent, request.headers, counter(bytesMax, share));
}

async function readSent(request: ApiRequest, bytesMax: number, share: BodyShare): Promise<Uint8Array> {
  const announced = request.headers.get("content-length");
  if (announced !== null && Number(announced) > bytesMax) throw tooLarge(bytesMax);
  if (announced === null || Number(announced) > UNCOUNTED_BODY_BYTES_MAX) {
    return readCounting(request, bytesMax, share);
  }
  const whole = await request.arrayBuffer().catch(endedEarly);
  const bytes = whole instanceof Uint8Array ? whole : new Uint8Array(whole);
  // Node's parser never gives more than was announced; a Request made in process can hold anything.
  if (bytes.byteLength > bytesMax) throw tooLarge(bytesMax);
  return bytes;
}

/** Whether a body's headers announce one. Requests made in process announce none, and then it is left unread. */
export function announcesBody(request: ApiRequest): boolean {
  const length = request.headers.get("content-length");
  return length === null ? request.headers.has("transfer-encoding") : length !== "0";
}

/** The JSON object in a body; payloads of a large batch's items are bytes already. Throws `invalid_argument` with Google's reason `parseError` when it is not one. */
export function parseBody(bytes: Uint8Array): JsonObject {
  if (bytes.byteLength === 0) throw parseError("got no body");
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const value = parseTakingPayloads(buffer, parseText) ?? parseText(textOf(buffer));
  if (typeof value === "object" && value !== null && !Array.isArray(value)) return value as JsonObject;
  throw parseError(Array.isArray(value) ? "got an array" : `got ${value === null ? "null" : typeof value}`);
}

function textOf(bytes: Buffer): string {
  if (!isUtf8(bytes)) throw parseError("got bytes that are not UTF-8 (is the body compressed?)");
  return bytes.toString("utf8");
}

function parseText(text: string): unknown {
  const fault = findShapeFault(text);
  if (fault !== undefined) throw parseError(fault);
  return parseJson(text);
}

/** A body that is large, or without an announced length, read piece by piece. */
async function readCounting(request: ApiRequest, bytesMax: number, share: BodyShare): Promise<Uint8Array> {
  // GET and HEAD have none; asking for one would cost a conversion of the request.
  if (request.method === "GET" || request.method === "HEAD") return new Uint8Array();
  const pieces: Uint8Array[] = [];
  const count = counter(bytesMax, share);
  try {
    for await (const piece of bodyPieces(request)) {
      count(piece.byteLength);
      pieces.push(piece);
    }
  } catch (cause) {
    if (isQueueError(cause)) throw cause;
    endedEarly(cause);
  }
  return pieces.length === 1 ? pieces[0]! : Buffer.concat(pieces);
}

/** Told of each piece that comes. Throws when the body, or all bodies together, become too large. */
function counter(bytesMax: number, share: BodyShare): (bytes: number) => void {
  let total = 0;
  return (bytes) => {
    total += bytes;
    if (total > bytesMax) throw tooLarge(bytesMax);
    share.take(bytes);
  };
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    // V8's sentence quotes the place, which is the sender's own text.
    throw parseError(error instanceof Error ? error.message.slice(0, 200) : "got something else");
  }
}

/** Nobody is left to read this answer, unless the length was announced wrongly. */
function endedEarly(cause: unknown): never {
  throw new QueueError("invalid_argument", "the request's body ended before it was complete", {
    cause,
    reason: "parseError",
  });
}

function parseError(what: string): QueueError {
  return new QueueError("invalid_argument", `the request's body must be a JSON object in UTF-8; ${what}`, {
    reason: "parseError",
  });
}

function tooLarge(bytesMax: number): QueueError {
  return new QueueError(
    "too_large",
    `the request's body must have at most ${bytesMax} bytes, packed and unpacked`,
  );
}
