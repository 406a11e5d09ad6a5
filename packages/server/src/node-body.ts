import type { IncomingMessage } from "node:http";
import type { ApiRequest } from "./api-request.js";

/** Where the pieces of a request's body come from. Reading `request.body` would put a web stream between them and the socket. */

const INCOMING = new WeakMap<ApiRequest, IncomingMessage>();

/** Remembers what a request was made of, so that its body can be read from there. */
export function rememberIncoming(request: Request, incoming: IncomingMessage): void {
  INCOMING.set(request, incoming);
}

/** The pieces of a body that nobody has begun to read; none for a request without one. The connection outlives a reader that stops. */
export function bodyPieces(request: ApiRequest): AsyncIterable<Uint8Array> {
  const incoming = INCOMING.get(request);
  if (incoming !== undefined) return incoming.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>;
  return request.body ?? noPieces();
}

async function* noPieces(): AsyncGenerator<Uint8Array> {}
