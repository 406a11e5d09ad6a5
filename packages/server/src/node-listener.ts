import {
  createServer,
  type IncomingMessage,
  type Server,
  type ServerResponse,
  STATUS_CODES,
} from "node:http";
import { createServer as createTlsServer } from "node:https";
import type { Duplex } from "node:stream";
import { getRequestListener } from "@hono/node-server";
import { type Clock, errorToWire, newRequestId, QueueError, systemClock } from "@pullqueue/core";
import { endBroken, rememberQueued } from "./broken-connection.js";
import type { Doors } from "./handler.js";
import { HEADER_BYTES_MAX, SILENCE_MS, TIMEOUT_CHECK_MS } from "./limits.js";
import { rememberIncoming } from "./node-body.js";
import { nodeRequest } from "./node-request.js";
import { REQUEST_ID_HEADER } from "./request-id.js";
import { type Answer, errorAnswer, responseOf } from "./responses.js";
import type { TlsFiles } from "./tls.js";

/** The handler on Node's HTTP server: limits, and answers for what is not a request at all. */

/** What sockets speak, and their limits. Each limit has its default and its reason in limits.ts. */
export interface SocketLimits {
  readonly headersTimeoutMs: number;
  readonly requestTimeoutMs: number;
  readonly keepAliveMs: number;
  readonly connectionsMax: number;
  /** Default `SILENCE_MS`: waiting leases must fit into it. */
  readonly silenceMs?: number;
  /** Default: plain HTTP. */
  readonly tls?: TlsFiles | undefined;
}

/** What was refused before it was a request: the handler never saw it. */
interface RefusedInput {
  /** As in the answer's `x-request-id`. */
  readonly id: string;
  readonly status: number;
  /** What the answer says. */
  readonly message: string;
}

/** What a listener is told, and tells. */
export interface ListenerOptions {
  /** When it aborts, each answer closes its connection. Default: never. */
  readonly closing?: AbortSignal;
  /** Default: nobody is told. */
  readonly onRefused?: (refused: RefusedInput) => void;
  /** Default: the system's. */
  readonly clock?: Clock;
}

/** A server that is not listening yet. Calls of the API go by their own door where they can. */
export function createHttpServer(doors: Doors, limits: SocketLimits, options: ListenerOptions = {}): Server {
  const { closing, onRefused = () => {}, clock = systemClock() } = options;
  const onRequest = requestListener(doors, closing, onRefused);
  const settings = {
    // Node refuses a limit for headers above that of the whole request.
    headersTimeout: Math.min(limits.headersTimeoutMs, limits.requestTimeoutMs),
    requestTimeout: limits.requestTimeoutMs,
    keepAliveTimeout: limits.keepAliveMs,
    connectionsCheckingInterval: TIMEOUT_CHECK_MS,
    maxHeaderSize: HEADER_BYTES_MAX,
    // Ours to refuse: Node would, without a word.
    requireHostHeader: false,
  };
  const server: Server =
    limits.tls === undefined
      ? createServer(settings, onRequest)
      : createTlsServer({ ...settings, ...limits.tls, handshakeTimeout: limits.headersTimeoutMs }, onRequest);
  server.timeout = limits.silenceMs ?? SILENCE_MS;
  server.maxConnections = limits.connectionsMax;
  // An expectation that nobody knows may be passed over (RFC 9110, 10.1.1); Node would refuse it without a word.
  server.on("checkExpectation", onRequest);
  server.on("clientError", (error: NodeJS.ErrnoException, socket: Duplex) => {
    if (error.code === "ECONNRESET") socket.destroy();
    else endBroken(socket, clock, () => refuseInput(socket, unreadable(error), onRefused));
  });
  server.on("connect", (_incoming: IncomingMessage, socket: Duplex) => {
    releaseTunnel(socket);
    endBroken(socket, clock, () => refuseInput(socket, TUNNEL, onRefused));
  });
  return server;
}

/** Takes what Node has read as a request. */
function requestListener(
  { handle, call }: Doors,
  closing: AbortSignal | undefined,
  onRefused: (refused: RefusedInput) => void,
): (incoming: IncomingMessage, outgoing: ServerResponse) => void {
  const listener = getRequestListener(
    (request, env) => {
      const { incoming, outgoing } = env as { incoming: IncomingMessage; outgoing: ServerResponse };
      rememberIncoming(request, incoming);
      return handle(request).finally(() => {
        if (closing?.aborted === true) outgoing.shouldKeepAlive = false;
      });
    },
    { errorHandler: () => responseOf(refuseTarget(BAD_TARGET, onRefused)) },
  );
  return (incoming, outgoing) => {
    if (outgoing.socket === null) rememberQueued(incoming.socket, outgoing);
    const write = (answer: Answer) => {
      if (closing?.aborted === true) outgoing.shouldKeepAlive = false;
      writeAnswer(answer, outgoing);
    };
    const request = call === undefined ? undefined : nodeRequest(incoming, outgoing);
    if (call !== undefined && request !== undefined) {
      // A door never rejects; were it to, its caller would not wait for ever.
      call(request).then(write, () => outgoing.destroy());
      return;
    }
    // What goes by the short way has no header twice.
    const hosts = countHosts(incoming.rawHeaders);
    if (hosts > 1) write(refuseTarget(`a request has exactly one Host header, got ${hosts}`, onRefused));
    else void listener(incoming, outgoing);
  };
}

/** How often a request names its host. Node shows the first and drops the rest; somebody on the way may have gone by another. */
function countHosts(rawHeaders: readonly string[]): number {
  return rawHeaders.filter((name, index) => index % 2 === 0 && /^host$/i.test(name)).length;
}

/** What Node leaves to whoever opens a tunnel: its own listeners are off the socket. */
function releaseTunnel(socket: Duplex): void {
  socket.on("error", () => socket.destroy());
  socket.on("end", () => socket.end());
  // Unread bytes would hide the client's end.
  socket.resume();
}

/** Writes head and body at once. A client that has gone is written to in vain. */
function writeAnswer(answer: Answer, outgoing: ServerResponse): void {
  const { status, headers, body } = answer;
  const bytes = bytesOf(answer);
  headers["content-length"] = String(bytes);
  outgoing.writeHead(status, headers);
  if (typeof body !== "string") {
    outgoing.end(body);
    return;
  }
  // `end` with a body writes two pieces, body and end, which Node has to gather in memory; the end alone writes nothing.
  const { socket } = outgoing;
  socket?.cork();
  // As many bytes as characters are ASCII, which Node writes in Latin-1 at a fraction of the cost.
  outgoing.write(body, bytes === body.length ? "latin1" : "utf8");
  socket?.uncork();
  outgoing.end();
}

/** To count the bytes of a text, V8 makes one piece of what was put together, and another when its head stands before it. */
function bytesOf({ body, isAscii }: Answer): number {
  if (body === null) return 0;
  return typeof body === "string" && isAscii === true ? body.length : Buffer.byteLength(body);
}

const BAD_TARGET = "the request's path and Host header must form a valid URL";

/** A request line or Host header that names no URL, or more than one. */
function refuseTarget(message: string, onRefused: (refused: RefusedInput) => void): Answer {
  const id = newRequestId();
  onRefused({ id, status: 400, message });
  return errorAnswer(new QueueError("invalid_argument", message), { headers: { [REQUEST_ID_HEADER]: id } });
}

/** An answer to what is no request. */
interface Refused {
  readonly status: number;
  readonly reason: string;
  readonly error: QueueError;
  readonly headers?: string;
}

const TUNNEL: Refused = {
  status: 405,
  reason: "httpMethodNotAllowed",
  error: new QueueError(
    "not_supported",
    "this server opens no tunnels, got CONNECT; send requests to it directly, not through it as a proxy",
  ),
  headers: "Allow: GET, HEAD, POST, PUT, PATCH, DELETE\r\n",
};

const CLIENT_ERRORS: Readonly<Record<string, readonly [status: number, reason: string, message: string]>> = {
  HPE_HEADER_OVERFLOW: [
    431,
    "headersTooLarge",
    `the request's headers must have at most ${HEADER_BYTES_MAX} bytes`,
  ],
  ERR_HTTP_REQUEST_TIMEOUT: [408, "requestTimeout", "the request did not arrive in time"],
};

/** What Node could not read as a request. */
function unreadable({ code = "" }: NodeJS.ErrnoException): Refused {
  const [status, reason, message] = CLIENT_ERRORS[code] ?? [
    400,
    "badRequest",
    "this is not an HTTP/1.1 request",
  ];
  return { status, reason, error: new QueueError("invalid_argument", message) };
}

/** An answer past Node's own, and the end of the connection. */
function refuseInput(
  socket: Duplex,
  { status, reason, error, headers = "" }: Refused,
  onRefused: (refused: RefusedInput) => void,
): void {
  const body = JSON.stringify({ error: errorToWire(error, { httpStatus: status, reason }) });
  const id = newRequestId();
  onRefused({ id, status, message: error.message });
  socket.end(
    `HTTP/1.1 ${status} ${STATUS_CODES[status]}\r\n${headers}Content-Type: application/json; charset=UTF-8\r\n` +
      `X-Request-Id: ${id}\r\nContent-Length: ${Buffer.byteLength(body)}\r\nConnection: close\r\n\r\n${body}`,
    // Half-open garbage would keep the descriptor: the answer is out, so the socket goes.
    () => socket.destroy(),
  );
}
