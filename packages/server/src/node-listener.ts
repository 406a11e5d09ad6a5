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
import { errorToWire, newRequestId, QueueError } from "@pullqueue/core";
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
export interface RefusedInput {
  /** As in the answer's `x-request-id`. */
  readonly id: string;
  readonly status: number;
  /** What the answer says. */
  readonly message: string;
}

/** A server that is not listening yet. Calls of the API go by their own door where they can. When `closing` aborts, each answer closes its connection. */
export function createHttpServer(
  doors: Doors,
  limits: SocketLimits,
  closing: AbortSignal,
  onRefused: (refused: RefusedInput) => void = () => {},
): Server {
  const listener = getRequestListener(
    (request, env) => {
      const { incoming, outgoing } = env as { incoming: IncomingMessage; outgoing: ServerResponse };
      rememberIncoming(request, incoming);
      return doors.handle(request).finally(() => {
        if (closing.aborted) outgoing.shouldKeepAlive = false;
      });
    },
    { errorHandler: () => refuseTarget(onRefused) },
  );
  const options = {
    // Node refuses a limit for headers above that of the whole request.
    headersTimeout: Math.min(limits.headersTimeoutMs, limits.requestTimeoutMs),
    requestTimeout: limits.requestTimeoutMs,
    keepAliveTimeout: limits.keepAliveMs,
    connectionsCheckingInterval: TIMEOUT_CHECK_MS,
    maxHeaderSize: HEADER_BYTES_MAX,
    // Ours to refuse: Node would, without a word.
    requireHostHeader: false,
  };
  const { call } = doors;
  const onRequest = (incoming: IncomingMessage, outgoing: ServerResponse) => {
    const request = call === undefined ? undefined : nodeRequest(incoming, outgoing);
    if (call === undefined || request === undefined) return void listener(incoming, outgoing);
    const write = (answer: Answer) => {
      if (closing.aborted) outgoing.shouldKeepAlive = false;
      writeAnswer(answer, outgoing);
    };
    // A door never rejects; were it to, its caller would not wait for ever.
    call(request).then(write, () => outgoing.destroy());
  };
  const server: Server =
    limits.tls === undefined
      ? createServer(options, onRequest)
      : createTlsServer({ ...options, ...limits.tls, handshakeTimeout: limits.headersTimeoutMs }, onRequest);
  server.timeout = limits.silenceMs ?? SILENCE_MS;
  server.maxConnections = limits.connectionsMax;
  // An expectation that nobody knows may be passed over (RFC 9110, 10.1.1); Node would refuse it without a word.
  server.on("checkExpectation", onRequest);
  server.on("clientError", (error: NodeJS.ErrnoException, socket: Duplex) => {
    answerClientError(error, socket, onRefused);
  });
  return server;
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

/** A request line or Host header that names no URL. */
function refuseTarget(onRefused: (refused: RefusedInput) => void): Response {
  const message = "the request's path and Host header must form a valid URL";
  const id = newRequestId();
  onRefused({ id, status: 400, message });
  const headers = { [REQUEST_ID_HEADER]: id };
  return responseOf(errorAnswer(new QueueError("invalid_argument", message), { headers }));
}

const CLIENT_ERRORS: Readonly<Record<string, readonly [status: number, reason: string, message: string]>> = {
  HPE_HEADER_OVERFLOW: [
    431,
    "headersTooLarge",
    `the request's headers must have at most ${HEADER_BYTES_MAX} bytes`,
  ],
  ERR_HTTP_REQUEST_TIMEOUT: [408, "requestTimeout", "the request did not arrive in time"],
};

/** What Node could not read as a request: an answer if the socket still takes one, and the end of the connection. */
function answerClientError(
  error: NodeJS.ErrnoException,
  socket: Duplex,
  onRefused: (refused: RefusedInput) => void,
): void {
  if (error.code === "ECONNRESET" || !socket.writable || answerHasBegun(socket)) {
    socket.destroy();
    return;
  }
  const [status, reason, message] = CLIENT_ERRORS[error.code ?? ""] ?? [
    400,
    "badRequest",
    "this is not an HTTP/1.1 request",
  ];
  const wire = errorToWire(new QueueError("invalid_argument", message), { httpStatus: status, reason });
  const body = JSON.stringify({ error: wire });
  const id = newRequestId();
  onRefused({ id, status, message });
  socket.end(
    `HTTP/1.1 ${status} ${STATUS_CODES[status]}\r\nContent-Type: application/json; charset=UTF-8\r\n` +
      `X-Request-Id: ${id}\r\nContent-Length: ${Buffer.byteLength(body)}\r\nConnection: close\r\n\r\n${body}`,
    // Half-open garbage would keep the descriptor: the answer is out, so the socket goes.
    () => socket.destroy(),
  );
}

/** Node keeps the answer in progress on its sockets; bytes written into one would corrupt it. */
function answerHasBegun(socket: Duplex): boolean {
  return "_httpMessage" in socket && (socket._httpMessage as ServerResponse | null)?.headersSent === true;
}
