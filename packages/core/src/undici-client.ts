import { createRequire } from "node:module";
import type { Dispatcher, Pool } from "undici";
import { type Clock, systemClock } from "./clock.js";
import { type Endpoint, parseEndpoint } from "./endpoint.js";
import { QueueError } from "./errors.js";
import type { HttpClient, HttpRequest, HttpResponse } from "./http-client.js";
import {
  CLIENT_CLOSE_MS,
  CLIENT_CONNECT_TIMEOUT_MS,
  CLIENT_CONNECTIONS,
  CLIENT_WAITING_CONNECTIONS,
  RESPONSE_BYTES_MAX,
} from "./limits.js";

/** OpenSSL's and Node's words for certificates that do not pass. Trying again does not help. */
const UNTRUSTED = /CERT|UNABLE_TO_VERIFY|HOSTNAME_MISMATCH/;

/** What undici says of an answer that does not begin as one of HTTP. Trying again does not help either. */
const NO_HTTP = /Expected HTTP\//;

/** What can be chosen about a client over sockets. */
export interface UndiciClientOptions {
  /** Where the server is: `http://127.0.0.1:8085`, perhaps with a path that stands before every other. */
  readonly endpoint: string;
  /** Most connections for requests that do not wait. Default `CLIENT_CONNECTIONS`. */
  readonly connections?: number | undefined;
  /** Most connections for requests that wait. Default `CLIENT_WAITING_CONNECTIONS`. */
  readonly waitingConnections?: number | undefined;
  /** Largest answer, in bytes. Default `RESPONSE_BYTES_MAX`. */
  readonly responseBytesMax?: number | undefined;
  /** For time limits. Default: the system's. */
  readonly clock?: Clock | undefined;
}

/**
 * An HTTP/1.1 client over keep-alive connections. Requests that wait have connections of their own, so that renewals
 * and acknowledgements never stand behind them. Throws `invalid_argument` for an endpoint that is none.
 */
export function undiciClient(options: UndiciClientOptions): HttpClient {
  return new UndiciClient(options);
}

class UndiciClient implements HttpClient {
  readonly #endpoint: Endpoint;
  readonly #calls: Pool;
  readonly #waits: Pool;
  readonly #clock: Clock;
  readonly #bytesMax: number;
  #closing: Promise<void> | undefined;

  constructor(options: UndiciClientOptions) {
    this.#endpoint = parseEndpoint(options.endpoint);
    this.#calls = openPool(this.#endpoint, options.connections ?? CLIENT_CONNECTIONS);
    this.#waits = openPool(this.#endpoint, options.waitingConnections ?? CLIENT_WAITING_CONNECTIONS);
    this.#clock = options.clock ?? systemClock();
    this.#bytesMax = options.responseBytesMax ?? RESPONSE_BYTES_MAX;
  }

  send(request: HttpRequest): Promise<HttpResponse> {
    if (request.signal?.aborted === true) return Promise.reject(request.signal.reason);
    const { origin, basePath } = this.#endpoint;
    const exchange = new Exchange(request, { origin, bytesMax: this.#bytesMax, clock: this.#clock });
    const pool = request.waiting === true ? this.#waits : this.#calls;
    pool.dispatch(
      {
        path: basePath + request.path,
        method: request.method as Dispatcher.HttpMethod,
        headers: { ...request.headers },
        body: request.body ?? null,
      },
      exchange,
    );
    return exchange.answer;
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  /** Requests that are under way are those that nobody waits for any more. */
  async #close(): Promise<void> {
    const pools = [this.#calls, this.#waits];
    let cancel = () => {};
    const late = new Promise<void>((resolve) => {
      cancel = this.#clock.timer(CLIENT_CLOSE_MS, resolve, { keepAlive: true });
    });
    await Promise.race([late, Promise.all(pools.map((pool) => pool.close()))]).finally(cancel);
    await Promise.all(pools.map((pool) => pool.destroy()));
  }
}

/** Loaded by the first client: it takes longer than all of this package, and most programs and threads never call a server. */
const undici = () => createRequire(import.meta.url)("undici") as typeof import("undici");

function openPool({ origin }: Endpoint, connections: number): Pool {
  return new (undici().Pool)(origin, {
    connections,
    pipelining: 1,
    connect: { timeout: CLIENT_CONNECT_TIMEOUT_MS },
    // Each request brings its own limit, which counts from when it was asked for.
    headersTimeout: 0,
    bodyTimeout: 0,
  });
}

/**
 * One request and its answer. It hangs on undici's callbacks and not on `Pool.request`, because only these tell when a
 * request leaves the queue of the pool.
 */
class Exchange implements Dispatcher.DispatchHandler {
  readonly answer: Promise<HttpResponse>;
  readonly #request: HttpRequest;
  readonly #origin: string;
  readonly #bytesMax: number;
  readonly #chunks: Buffer[] = [];
  #bytes = 0;
  #status = 0;
  #headers: Readonly<Record<string, string>> = {};
  #controller: Dispatcher.DispatchController | undefined;
  /** Why this ended before its answer came, in case it has not even begun. */
  #ended: Error | undefined;
  #settle: (settled: { answer: HttpResponse } | { error: unknown }) => void = () => undefined;

  constructor(
    request: HttpRequest,
    { origin, bytesMax, clock }: { origin: string; bytesMax: number; clock: Clock },
  ) {
    this.#request = request;
    this.#origin = origin;
    this.#bytesMax = bytesMax;
    this.answer = new Promise((resolve, reject) => {
      const { signal } = request;
      const abort = () => this.#end(signal?.reason);
      const cancelTimer = clock.timer(request.timeoutMs, () => this.#end(this.#timeout()));
      signal?.addEventListener("abort", abort, { once: true });
      this.#settle = (settled) => {
        cancelTimer();
        signal?.removeEventListener("abort", abort);
        if ("error" in settled) reject(settled.error);
        else resolve(settled.answer);
      };
    });
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.#controller = controller;
    if (this.#ended === undefined) this.#request.onSent?.();
    else controller.abort(this.#ended);
  }

  onResponseStart(
    _: Dispatcher.DispatchController,
    status: number,
    headers: Readonly<Record<string, string | string[] | undefined>>,
  ): void {
    this.#status = status;
    this.#headers = Object.fromEntries(
      Object.entries(headers).map(([name, value]) => [
        name,
        Array.isArray(value) ? value.join(", ") : (value ?? ""),
      ]),
    );
  }

  onResponseData(_: Dispatcher.DispatchController, chunk: Buffer): void {
    this.#bytes += chunk.byteLength;
    if (this.#bytes <= this.#bytesMax) this.#chunks.push(chunk);
    else this.#end(this.#tooLarge());
  }

  onResponseEnd(): void {
    const body = this.#chunks.length === 1 ? this.#chunks[0]! : Buffer.concat(this.#chunks, this.#bytes);
    this.#settle({ answer: { status: this.#status, headers: this.#headers, body } });
  }

  onResponseError(_: Dispatcher.DispatchController, error: Error): void {
    this.#settle({ error: this.#translate(error) });
  }

  /** Tells the caller first: undici's own error, which follows, then finds the promise settled. */
  #end(error: unknown): void {
    this.#ended = error instanceof Error ? error : new Error("aborted", { cause: error });
    this.#settle({ error });
    this.#controller?.abort(this.#ended);
  }

  #timeout(): QueueError {
    return new QueueError(
      "timeout",
      `${this.#origin} did not answer within ${this.#request.timeoutMs} ms; it is overloaded, or the network is`,
    );
  }

  #tooLarge(): QueueError {
    return new QueueError(
      "too_large",
      `an answer may have at most ${this.#bytesMax} bytes, that of ${this.#origin} has more; ask for fewer tasks at once`,
    );
  }

  /** The door where undici throws. */
  #translate(error: Error): QueueError {
    const code = "code" in error ? String(error.code) : error.name;
    if (code === "UND_ERR_CLOSED" || code === "UND_ERR_DESTROYED") {
      return new QueueError("closed", "the HTTP client is closed; open a new one", { cause: error });
    }
    if (UNTRUSTED.test(code)) {
      return new QueueError(
        "invalid_argument",
        `${this.#origin} has a certificate that this machine does not trust (${code}); if it is yours, name its issuer's file in NODE_EXTRA_CA_CERTS`,
        { cause: error, location: "endpoint" },
      );
    }
    if (error.name === "HTTPParserError" && NO_HTTP.test(error.message)) {
      return new QueueError(
        "invalid_argument",
        `what answers at ${this.#origin} does not speak HTTP; is this the right port?`,
        { cause: error, location: "endpoint" },
      );
    }
    return new QueueError(
      "unavailable",
      `${this.#origin} cannot be reached (${code}): is \`pullqueue serve\` running, and is this its endpoint?`,
      { cause: error },
    );
  }
}
