import { type Clock, systemClock } from "./clock.js";
import { QueueError } from "./errors.js";
import type { HttpClient, HttpRequest, HttpResponse } from "./http-client.js";

/** A server as a function, such as `createHandler` of the server's package makes. It obeys its request's signal. */
export type RequestHandler = (request: Request) => Promise<Response>;

/** Requests need an absolute URL; this one never leaves the process. */
const ORIGIN = "http://in-process.localhost";

/**
 * A client that calls a server in the same process, without a port: for tests, and for programs that bring their server
 * with them. `clock` is for time limits. Default: the system's.
 */
export function handlerClient(handler: RequestHandler, options: { readonly clock?: Clock } = {}): HttpClient {
  const clock = options.clock ?? systemClock();
  let closed = false;
  return {
    async send(request) {
      if (closed) throw new QueueError("closed", "the HTTP client is closed; open a new one");
      request.signal?.throwIfAborted();
      return exchange(handler, request, clock);
    },
    async close() {
      closed = true;
    },
  };
}

/** Whichever comes first: the answer, the end of time, or the caller's abort. The handler hears of the latter two. */
async function exchange(handler: RequestHandler, request: HttpRequest, clock: Clock): Promise<HttpResponse> {
  const { signal, timeoutMs } = request;
  const connection = new AbortController();
  const timeout = new QueueError("timeout", `the server in process did not answer within ${timeoutMs} ms`);
  const cancelTimer = clock.timer(timeoutMs, () => connection.abort(timeout));
  const abort = () => connection.abort(signal?.reason);
  signal?.addEventListener("abort", abort, { once: true });
  const ended = new Promise<never>((_, reject) => {
    connection.signal.addEventListener("abort", () => reject(connection.signal.reason), { once: true });
  });
  try {
    request.onSent?.();
    return await Promise.race([call(handler, request, connection.signal), ended]);
  } finally {
    cancelTimer();
    signal?.removeEventListener("abort", abort);
  }
}

async function call(
  handler: RequestHandler,
  request: HttpRequest,
  signal: AbortSignal,
): Promise<HttpResponse> {
  const response = await handler(
    new Request(ORIGIN + request.path, {
      method: request.method,
      headers: { ...request.headers },
      body: request.body ?? null,
      signal,
    }),
  );
  return {
    status: response.status,
    headers: Object.fromEntries(response.headers),
    body: new Uint8Array(await response.arrayBuffer()),
  };
}
