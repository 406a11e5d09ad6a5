import { isUtf8 } from "node:buffer";
import { type JsonObject, QueueError } from "@pullqueue/core";
import { unpack } from "./decompression.js";
import { findShapeFault } from "./json-shape.js";

/** Bodies of requests: never more in memory than allowed, and UTF-8 JSON objects or a refusal. */

/**
 * The bytes of a body, unpacked. Throws `too_large` past `bytesMax`, packed or unpacked: before reading where the length is
 * announced.
 */
export async function readBody(request: Request, bytesMax: number): Promise<Uint8Array> {
  return unpack(await readSent(request, bytesMax), request.headers, bytesMax);
}

async function readSent(request: Request, bytesMax: number): Promise<Uint8Array> {
  const announced = request.headers.get("content-length");
  if (announced === null) return readCounting(request, bytesMax);
  if (Number(announced) > bytesMax) throw tooLarge(bytesMax);
  const bytes = new Uint8Array(await request.arrayBuffer().catch(endedEarly));
  // Node's parser never gives more than was announced; a Request made in process can hold anything.
  if (bytes.byteLength > bytesMax) throw tooLarge(bytesMax);
  return bytes;
}

/** Whether a body's headers announce one. Requests made in process announce none, and then it is left unread. */
export function announcesBody(request: Request): boolean {
  const length = request.headers.get("content-length");
  return length === null ? request.headers.has("transfer-encoding") : length !== "0";
}

/** The JSON object in a body. Throws `invalid_argument` with Google's reason `parseError` when it is not one. */
export function parseBody(bytes: Uint8Array): JsonObject {
  if (bytes.byteLength === 0) throw parseError("got no body");
  if (!isUtf8(bytes)) throw parseError("got bytes that are not UTF-8 (is the body compressed?)");
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("utf8");
  const fault = findShapeFault(text);
  if (fault !== undefined) throw parseError(fault);
  const value = parseJson(text);
  if (typeof value === "object" && value !== null && !Array.isArray(value)) return value as JsonObject;
  throw parseError(Array.isArray(value) ? "got an array" : `got ${value === null ? "null" : typeof value}`);
}

/** A body without an announced length, read piece by piece. */
async function readCounting(request: Request, bytesMax: number): Promise<Uint8Array> {
  // GET and HEAD have none; asking for one would cost a conversion of the request.
  if (request.method === "GET" || request.method === "HEAD") return new Uint8Array();
  if (request.body === null) return new Uint8Array();
  const reader = request.body.getReader();
  const pieces: Uint8Array[] = [];
  let length = 0;
  for (;;) {
    const { done, value } = await reader.read().catch(endedEarly);
    if (done) return pieces.length === 1 ? pieces[0]! : Buffer.concat(pieces);
    length += value.byteLength;
    if (length > bytesMax) {
      await reader.cancel().catch(endedEarly);
      throw tooLarge(bytesMax);
    }
    pieces.push(value);
  }
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
  return new QueueError("too_large", `the request's body must have at most ${bytesMax} bytes`);
}
