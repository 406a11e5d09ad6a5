import { promisify } from "node:util";
import { gunzip, inflate, type ZlibOptions } from "node:zlib";
import { QueueError } from "@pullqueue/core";
import { DECOMPRESSION_CHUNK_BYTES } from "./limits.js";
import { errorResponse } from "./responses.js";

/** Bodies of requests that came compressed. Unpacking runs on other threads and stops at the limit of the body. */

type Unpack = (bytes: Uint8Array, options: ZlibOptions) => Promise<Uint8Array>;

const DECODERS: Readonly<Record<string, Unpack>> = {
  gzip: promisify<Uint8Array, ZlibOptions, Uint8Array>(gunzip),
  "x-gzip": promisify<Uint8Array, ZlibOptions, Uint8Array>(gunzip),
  deflate: promisify<Uint8Array, ZlibOptions, Uint8Array>(inflate),
};

/** The encodings that are understood, as a header lists them. */
const ACCEPTED_ENCODINGS = "gzip, deflate, identity";

/** Whether a body in the encoding of these headers can be read. One encoding, not several on top of each other. */
export function isAcceptedEncoding(headers: Headers): boolean {
  const encoding = encodingOf(headers);
  return encoding === undefined || Object.hasOwn(DECODERS, encoding);
}

/** 415, which says what is understood. */
export function refuseEncoding(headers: Headers): Response {
  const got = JSON.stringify(headers.get("content-encoding")?.slice(0, 60));
  return errorResponse(
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
 * The bytes behind their encoding, which `isAcceptedEncoding` accepts; at most `bytesMax`. Throws `too_large` past it,
 * and `invalid_argument` for what is not in that encoding.
 */
export async function unpack(bytes: Uint8Array, headers: Headers, bytesMax: number): Promise<Uint8Array> {
  const encoding = encodingOf(headers);
  const decode = encoding === undefined ? undefined : DECODERS[encoding];
  if (decode === undefined || bytes.byteLength === 0) return bytes;
  try {
    return await decode(bytes, { maxOutputLength: bytesMax, chunkSize: DECOMPRESSION_CHUNK_BYTES });
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === "ERR_BUFFER_TOO_LARGE") {
      throw new QueueError("too_large", `the request's body must have at most ${bytesMax} bytes, unpacked`);
    }
    throw new QueueError(
      "invalid_argument",
      `the request's body must be in ${encoding}, as its header says`,
      {
        cause,
        reason: "parseError",
      },
    );
  }
}

/** Undefined for none, which is also called identity. */
function encodingOf(headers: Headers): string | undefined {
  const encoding = headers.get("content-encoding")?.trim().toLowerCase();
  return encoding === "" || encoding === "identity" ? undefined : encoding;
}
