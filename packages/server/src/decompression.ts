import type { Transform } from "node:stream";
import { createGunzip, createInflate, type ZlibOptions } from "node:zlib";
import { isQueueError, QueueError } from "@pullqueue/core";
import type { ApiRequest } from "./api-request.js";
import { DECOMPRESSION_CHUNK_BYTES } from "./limits.js";
import { type Answer, errorAnswer } from "./responses.js";

/** Bodies of requests that came compressed. Unpacking runs on other threads and stops at the limit of the body. */

const DECODERS: Readonly<Record<string, (options: ZlibOptions) => Transform>> = {
  gzip: createGunzip,
  "x-gzip": createGunzip,
  deflate: createInflate,
};

/** The encodings that are understood, as a header lists them. */
const ACCEPTED_ENCODINGS = "gzip, deflate, identity";

/** Whether a body in the encoding of these headers can be read. One encoding, not several on top of each other. */
export function isAcceptedEncoding(headers: ApiRequest["headers"]): boolean {
  const encoding = encodingOf(headers);
  return encoding === undefined || Object.hasOwn(DECODERS, encoding);
}

/** 415, which says what is understood. */
export function refuseEncoding(headers: ApiRequest["headers"]): Answer {
  const got = JSON.stringify(headers.get("content-encoding")?.slice(0, 60));
  return errorAnswer(
    new QueueError("not_supported", `Content-Encoding must be one of ${ACCEPTED_ENCODINGS}, got ${got}`, {
      location: "Content-Encoding",
    }),
    {
      override: { httpStatus: 415, reason: "unsupportedMediaType" },
      headers: { "accept-encoding": ACCEPTED_ENCODINGS },
    },
  );
}

/**
 * The bytes behind their encoding, which `isAcceptedEncoding` accepts. `count` is told of each piece; unpacking ends with
 * what it throws. Throws `invalid_argument` for what is not in that encoding.
 */
export async function unpack(
  bytes: Uint8Array,
  headers: ApiRequest["headers"],
  count: (bytes: number) => void,
): Promise<Uint8Array> {
  const encoding = encodingOf(headers);
  const createDecoder = encoding === undefined ? undefined : DECODERS[encoding];
  if (createDecoder === undefined || bytes.byteLength === 0) return bytes;
  const decoder = createDecoder({ chunkSize: DECOMPRESSION_CHUNK_BYTES });
  const pieces: Buffer[] = [];
  try {
    decoder.end(bytes);
    for await (const piece of decoder as AsyncIterable<Buffer>) {
      count(piece.byteLength);
      pieces.push(piece);
    }
  } catch (cause) {
    if (isQueueError(cause)) throw cause;
    throw new QueueError(
      "invalid_argument",
      `the request's body must be in ${encoding}, as its header says`,
      {
        cause,
        reason: "parseError",
      },
    );
  }
  return Buffer.concat(pieces);
}

/** Undefined for none, which is also called identity. */
function encodingOf(headers: ApiRequest["headers"]): string | undefined {
  const encoding = headers.get("content-encoding")?.trim().toLowerCase();
  return encoding === "" || encoding === "identity" ? undefined : encoding;
}
