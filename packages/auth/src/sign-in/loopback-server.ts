import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo, Socket } from "node:net";
import type { Clock } from "../clock.js";
import { AuthError } from "../errors.js";
import {
  LOOPBACK_CLOSE_MS,
  LOOPBACK_CONNECTIONS_MAX,
  LOOPBACK_HEAD_BYTES_MAX,
  LOOPBACK_PORTS_TRIED,
  LOOPBACK_REQUEST_MS,
} from "../limits.js";
import { foreignPage, PAGE_HEADERS, type Page, usedPage } from "./pages.js";
import { type RedirectAddress, redirectUri } from "./redirect-address.js";

/** What a server is told when it starts. */
export interface LoopbackOptions {
  /** Tried in this order. */
  readonly addresses: readonly RedirectAddress[];
  /** Whether a redirect answers this sign-in. Others change nothing. */
  isAnswer(parameters: URLSearchParams): boolean;
  readonly clock: Clock;
}

/** A redirect that answers the sign-in. The browser waits for its page until one is shown. */
export interface Arrival {
  readonly parameters: URLSearchParams;
  show(page: Page): void;
}

/**
 * The end of a sign-in's redirect: a server on this machine's loopback alone, for one answer. Whatever else comes - other methods, paths
 * and names of the host, the answers of other sign-ins, the same answer again - is refused with a page, and the answer still waited for.
 */
export interface LoopbackServer {
  readonly address: RedirectAddress;
  readonly redirectUri: string;
  /** Pending until the answer comes; never rejects. */
  readonly arrival: Promise<Arrival>;
  /** How many redirects came that answered something else. */
  readonly foreignCount: number;
  /** The answer came another way: the redirect is used from now on. */
  markUsed(): void;
  /** Lets the last page leave, for LOOPBACK_CLOSE_MS at most, and ends every connection. */
  close(): Promise<void>;
}

/** Listens on the first address that is free. `unavailable` where none is, `not_permitted` where the system forbids it. */
export async function startLoopbackServer(options: LoopbackOptions): Promise<LoopbackServer> {
  const taken: number[] = [];
  for (const address of options.addresses) {
    const bound = await listenOn(address);
    if (bound !== undefined) return new OneAnswerServer(options, bound);
    taken.push(address.port);
  }
  throw new AuthError("unavailable", takenMessage(taken));
}

interface Bound {
  readonly servers: readonly Server[];
  readonly address: RedirectAddress;
}

class OneAnswerServer implements LoopbackServer {
  readonly address: RedirectAddress;
  readonly redirectUri: string;
  readonly arrival: Promise<Arrival>;
  readonly #options: LoopbackOptions;
  readonly #servers: readonly Server[];
  readonly #hosts: ReadonlySet<string>;
  readonly #path: string;
  readonly #sockets = new Set<Socket>();
  readonly #replies = new Set<Promise<void>>();
  #arrive: (arrival: Arrival) => void = () => {};
  #isUsed = false;
  /** The connection that waits for the last page. */
  #answered: Socket | undefined;
  #foreignCount = 0;

  constructor(options: LoopbackOptions, { servers, address }: Bound) {
    this.#options = options;
    this.#servers = servers;
    this.address = address;
    this.redirectUri = redirectUri(address);
    this.#hosts = hostsOf(address.port);
    this.#path = new URL(this.redirectUri).pathname;
    this.arrival = new Promise((resolve) => {
      this.#arrive = resolve;
    });
    for (const server of servers) {
      server.on("connection", (socket) => this.#hold(socket));
      server.on("request", (request, response) => this.#answer(request, response));
    }
  }

  get foreignCount(): number {
    return this.#foreignCount;
  }

  markUsed(): void {
    this.#isUsed = true;
  }

  async close(): Promise<void> {
    const closed = this.#servers.map((server) => new Promise((resolve) => server.close(resolve)));
    let cancel = () => {};
    const late = new Promise<void>((resolve) => {
      cancel = this.#options.clock.timer(LOOPBACK_CLOSE_MS, resolve, { keepAlive: true });
    });
    await Promise.race([Promise.all(this.#replies), late]);
    cancel();
    for (const socket of this.#sockets) socket.destroy();
    await Promise.all(closed);
  }

  /** Who opens connections and says nothing cannot keep the browser out: the oldest one goes. */
  #hold(socket: Socket): void {
    this.#sockets.add(socket);
    socket.once("close", () => this.#sockets.delete(socket));
    if (this.#sockets.size <= LOOPBACK_CONNECTIONS_MAX) return;
    [...this.#sockets].find((held) => held !== this.#answered)?.destroy();
  }

  #answer(request: IncomingMessage, response: ServerResponse): void {
    const gone = new Promise<void>((resolve) => {
      response.once("close", () => {
        this.#replies.delete(gone);
        resolve();
      });
    });
    this.#replies.add(gone);
    const [path, query = ""] = splitTarget(request.url ?? "");
    const refusal = this.#refusal(request, path);
    if (refusal === undefined) this.#redirected(new URLSearchParams(query), request.socket, response);
    else plain(response, refusal);
  }

  #refusal({ headers, method }: IncomingMessage, path: string): keyof typeof PLAIN | undefined {
    // A name that leads here and is not this machine's: a page of somebody else's that asks from within the browser (DNS rebinding).
    if (!this.#hosts.has(headers.host?.toLowerCase() ?? "")) return 421;
    if (path !== this.#path) return 404;
    return method === "GET" ? undefined : 405;
  }

  #redirected(parameters: URLSearchParams, socket: Socket, response: ServerResponse): void {
    if (!this.#options.isAnswer(parameters)) {
      this.#foreignCount++;
      show(response, foreignPage());
    } else if (this.#isUsed) {
      show(response, usedPage());
    } else {
      this.#isUsed = true;
      this.#answered = socket;
      this.#arrive({ parameters, show: (page) => show(response, page) });
    }
  }
}

/** What is no redirect is answered in one line. */
const PLAIN = {
  404: "There is nothing here.\n",
  405: "A sign-in ends with GET alone.\n",
  421: "This address is for this machine's own browser.\n",
};

/** As a browser writes them; 80 it leaves out. */
function hostsOf(port: number): ReadonlySet<string> {
  const names = ["127.0.0.1", "localhost", "[::1]"];
  return new Set(names.flatMap((name) => (port === 80 ? [name, `${name}:80`] : [`${name}:${port}`])));
}

function splitTarget(target: string): [string, string?] {
  const mark = target.indexOf("?");
  return mark < 0 ? [target] : [target.slice(0, mark), target.slice(mark + 1)];
}

function show(response: ServerResponse, { status, body }: Page): void {
  response.writeHead(status, { ...PAGE_HEADERS, connection: "close" }).end(body);
}

function plain(response: ServerResponse, status: keyof typeof PLAIN): void {
  const headers = {
    ...PAGE_HEADERS,
    "content-type": "text/plain; charset=utf-8",
    ...(status === 405 ? { allow: "GET" } : {}),
    connection: "close",
  };
  response.writeHead(status, headers).end(PLAIN[status]);
}

/**
 * `localhost` is two addresses, of which a browser tries either first: both are taken, or somebody else on this machine could take the one
 * that is left and be given the code. Undefined where the port is taken.
 */
async function listenOn(address: RedirectAddress): Promise<Bound | undefined> {
  const tries = address.port === 0 ? LOOPBACK_PORTS_TRIED : 1;
  for (let tried = 0; tried < tries; tried++) {
    const first = await listen(address.host === "[::1]" ? "::1" : "127.0.0.1", address.port);
    if (first === "taken") return undefined;
    if (first === "absent") throw new AuthError("unavailable", `this machine has no address ${address.host}`);
    const { port } = first.address() as AddressInfo;
    const bound = { ...address, port };
    if (address.host !== "localhost") return { servers: [first], address: bound };
    const second = await listen("::1", port);
    if (second === "absent") return { servers: [first], address: bound };
    if (second !== "taken") return { servers: [first, second], address: bound };
    await new Promise((resolve) => first.close(resolve));
  }
  return undefined;
}

function listen(host: string, port: number): Promise<Server | "taken" | "absent"> {
  const server = createServer({
    maxHeaderSize: LOOPBACK_HEAD_BYTES_MAX,
    headersTimeout: LOOPBACK_REQUEST_MS,
    requestTimeout: LOOPBACK_REQUEST_MS,
    connectionsCheckingInterval: LOOPBACK_REQUEST_MS / 10,
  });
  server.maxRequestsPerSocket = 1;
  return new Promise((resolve, reject) => {
    server.on("error", ({ code }: NodeJS.ErrnoException) => {
      if (code === "EADDRINUSE") resolve("taken");
      else if (code === "EADDRNOTAVAIL" || code === "EAFNOSUPPORT") resolve("absent");
      else reject(new AuthError("not_permitted", `port ${port} of this machine may not be used: ${code}`));
    });
    server.listen({ host, port, exclusive: true }, () => resolve(server));
  });
}

function takenMessage(ports: readonly number[]): string {
  if (ports.includes(0)) return "no port of this machine is free on both addresses of localhost";
  const which = ports.length === 1 ? `port ${ports[0]} is` : `ports ${ports.join(", ")} are`;
  return `${which} taken by another program of this machine, so the browser could not be led back here. End that program, or name another port that the client is registered with`;
}
