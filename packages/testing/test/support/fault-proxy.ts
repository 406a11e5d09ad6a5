import { createServer, type IncomingMessage, request, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { DISCOVERY_PATH, matchRoute, type RouteName } from "@pullqueue/core";

/** What goes wrong on the way, seen from the client. */
export type Fault =
  /** None. */
  | "none"
  /** 403 with an envelope; the server hears nothing. */
  | "forbidden"
  /** The connection breaks before the server hears of it. */
  | "reset"
  /** The server does its work; its answer is lost. */
  | "drop"
  /** The server does its work; half of its answer arrives. */
  | "half"
  /** The server does its work; its answer is not JSON. */
  | "garbage"
  /** 503 with `Retry-After: 3`; the server hears nothing. */
  | "busy"
  /** 502 with a page of HTML; the server has done its work. */
  | "gateway"
  /** No answer at all; the server hears nothing. */
  | "silent";

/** What passed the proxy. */
export interface Passed {
  readonly route: RouteName | "discovery" | "other";
  readonly path: string;
  readonly fault: Fault;
  readonly authorization: string | undefined;
  readonly query: URLSearchParams;
}

/** A proxy in front of a server, on a socket of its own. */
export interface FaultProxy extends AsyncDisposable {
  readonly url: string;
  /** Everything that arrived, in order. */
  readonly passed: readonly Passed[];
  /** The number of requests of a route. */
  count(route: Passed["route"]): number;
  /** The next requests of a route meet these faults, one each. */
  next(route: Passed["route"], ...faults: readonly Fault[]): void;
}

/** The eight methods that every server has. */
export const PLAIN_METHODS: ReadonlySet<Passed["route"]> = new Set([
  "taskqueues.get",
  "tasks.list",
  "tasks.insert",
  "tasks.lease",
  "tasks.get",
  "tasks.update",
  "tasks.patch",
  "tasks.delete",
]);

/**
 * Starts a proxy to `target`, on a free port or a given one. A `plain` one hides the discovery document and all
 * additions.
 */
export async function startFaultProxy(
  target: string,
  { port = 0, plain = false }: { readonly port?: number; readonly plain?: boolean } = {},
): Promise<FaultProxy> {
  const passed: Passed[] = [];
  const plan = new Map<Passed["route"], Fault[]>();
  const server = createServer((incoming, outgoing) => {
    const { pathname, searchParams } = new URL(incoming.url ?? "/", target);
    const route = routeOf(incoming.method ?? "", pathname);
    const fault = plan.get(route)?.shift() ?? "none";
    passed.push({
      route,
      path: pathname,
      fault,
      authorization: incoming.headers.authorization,
      query: searchParams,
    });
    if (plain && !PLAIN_METHODS.has(route)) outgoing.writeHead(404).end("Not Found");
    // The server, or the client, has gone in the middle.
    else serve(incoming, outgoing, target, fault).catch(() => outgoing.destroy());
  });
  await new Promise<void>((resolve) => server.listen(port, "127.0.0.1", resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    passed,
    count: (route) => passed.filter((one) => one.route === route).length,
    next: (route, ...faults) => void plan.set(route, [...(plan.get(route) ?? []), ...faults]),
    async [Symbol.asyncDispose]() {
      const closed = new Promise((resolve) => server.close(resolve));
      server.closeAllConnections();
      await closed;
    },
  };
}

function routeOf(method: string, pathname: string): Passed["route"] {
  if (pathname === DISCOVERY_PATH) return "discovery";
  const match = matchRoute(method, pathname);
  return match.kind === "route" ? match.name : "other";
}

async function serve(
  incoming: IncomingMessage,
  outgoing: ServerResponse,
  target: string,
  fault: Fault,
): Promise<void> {
  if (fault === "reset") return void incoming.socket.destroy();
  if (fault === "silent") return;
  if (fault === "busy") return void outgoing.writeHead(503, { "retry-after": "3" }).end();
  if (fault === "forbidden") {
    const error = { code: 403, message: "no", errors: [{ domain: "global", reason: "forbidden" }] };
    return void outgoing.writeHead(403).end(JSON.stringify({ error }));
  }
  const { status, headers, body } = await forward(incoming, outgoing, target);
  if (fault === "none") return void outgoing.writeHead(status, headers).end(body);
  if (fault === "drop") return void incoming.socket.destroy();
  if (fault === "garbage") return void outgoing.writeHead(200).end("<html>Welcome!</html>");
  if (fault === "gateway") return void outgoing.writeHead(502).end("<html>Bad gateway</html>");
  outgoing.writeHead(status, { ...headers, "content-length": String(body.byteLength) });
  outgoing.write(body.subarray(0, body.byteLength / 2), () => incoming.socket.destroy());
}

function forward(incoming: IncomingMessage, outgoing: ServerResponse, target: string) {
  return new Promise<{ status: number; headers: Record<string, string>; body: Buffer }>((resolve, reject) => {
    const call = request(new URL(incoming.url ?? "/", target), {
      method: incoming.method ?? "GET",
      headers: incoming.headers,
      agent: false,
    });
    call.on("response", async (response) => {
      const chunks: Buffer[] = [];
      for await (const chunk of response) chunks.push(chunk as Buffer);
      const { "content-type": type = "", date = "" } = response.headers;
      resolve({
        status: response.statusCode ?? 0,
        headers: { "content-type": type, date },
        body: Buffer.concat(chunks),
      });
    });
    call.on("error", reject);
    outgoing.on("close", () => {
      if (!outgoing.writableFinished) call.destroy();
    });
    incoming.pipe(call);
  });
}
