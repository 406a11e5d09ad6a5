import { promisify } from "node:util";
import { gzip } from "node:zlib";
import { parseAccept } from "hono/utils/accept";
import type { ApiRequest } from "./api-request.js";
import { COMPRESSION_BYTES_MIN, COMPRESSION_LEVEL } from "./limits.js";
import type { Answer } from "./responses.js";

/** Answers in gzip for those who ask for it. Packing runs on other threads. */

const pack = promisify(gzip);

/** The answer, packed when its request allows that and it is worth it. */
export async function compressAnswer(request: Request, response: Response): Promise<Response> {
  const accepted = request.headers.get("accept-encoding");
  if (accepted === null || request.method === "HEAD" || !response.headers.has("content-type"))
    return response;
  if (!prefersGzip(accepted)) return response;
  const { status, headers } = response;
  const body = new Uint8Array(await response.arrayBuffer());
  if (body.byteLength < COMPRESSION_BYTES_MIN) return new Response(body, { status, headers });
  headers.set("content-encoding", "gzip");
  const packed = await pack(body, { level: COMPRESSION_LEVEL });
  return new Response(new Uint8Array(packed), { status, headers });
}

/** The same for an answer that is plain data. */
export function compressPlain(request: ApiRequest, answer: Answer): Answer | Promise<Answer> {
  const accepted = request.headers.get("accept-encoding");
  if (accepted === null || answer.body === null || !prefersGzip(accepted)) return answer;
  if (Buffer.byteLength(answer.body) < COMPRESSION_BYTES_MIN) return answer;
  answer.headers["content-encoding"] = "gzip";
  return pack(answer.body, { level: COMPRESSION_LEVEL }).then((body) => ({ ...answer, body }));
}

/** Whether gzip is acceptable (RFC 9110, 12.5.3), and at least as welcome as no compression. */
function prefersGzip(accepted: string): boolean {
  const encodings = parseAccept(accepted);
  const quality = (name: string) => encodings.find(({ type }) => type.toLowerCase() === name)?.q;
  const gzipQuality = quality("gzip") ?? quality("x-gzip") ?? quality("*") ?? 0;
  return gzipQuality > 0 && gzipQuality >= (quality("identity") ?? 0);
}
