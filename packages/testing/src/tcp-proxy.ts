import { connect, createServer, type Server, type Socket } from "node:net";

/** A door in front of a server, on a port of its own, that can be shut in several ways. What passes can be looked at. */
export interface TcpProxy extends AsyncDisposable {
  readonly port: number;
  /** Connections that are open now. */
  readonly connections: number;
  /** Connections that were asked for so far, refused ones included. */
  readonly attempts: number;
  /** Breaks all connections, as when a cable is cut. New ones are taken. */
  cut(): void;
  /** Breaks all connections and takes no new ones until `open`. */
  shut(): void;
  open(): void;
  /** Breaks the clients' side alone: the server goes on with connections that nobody has, until the returned function is called. */
  strand(): () => void;
  /** Lets nothing pass any more, in either direction, without a word, until `cut` or `shut`. */
  freeze(): void;
  /**
   * Lets nothing pass any more of what the server answers, until the returned function ends all connections with these words
   * to the clients: what a pooler does whose server went away.
   */
  withhold(): (lastWords: Uint8Array) => void;
}

/** What can be said about a proxy. */
export interface TcpProxyOptions {
  /** Told about each piece that a client sends. */
  readonly onClientData?: (data: Buffer) => void;
}

/** A client's connection, and the one to the server behind it. */
type Pair = readonly [Socket, Socket];

/** Stands in front of a server on this machine. */
export async function startTcpProxy(
  targetPort: number,
  { onClientData = () => {} }: TcpProxyOptions = {},
): Promise<TcpProxy> {
  const pairs = new Set<Pair>();
  const stranded = new Set<Pair>();
  let [isShut, isFrozen, isWithholding, attempts] = [false, false, false, 0];
  const server = createServer((client) => {
    attempts += 1;
    if (isShut) return client.destroy();
    const target = connect(targetPort, "127.0.0.1");
    const pair = [client, target] as const;
    pairs.add(pair);
    for (const [from, to] of [pair, [target, client] as const]) {
      from.on("error", () => {});
      from.on("close", () => {
        pairs.delete(pair);
        if (!stranded.has(pair)) to.destroy();
      });
      from.on("data", (data) => {
        if (isFrozen || (isWithholding && from === target)) return;
        if (from === client) onClientData(data);
        to.write(data);
      });
    }
  });
  const cut = () => {
    isFrozen = false;
    for (const sockets of [...pairs, ...stranded]) for (const socket of sockets) socket.destroy();
  };
  const port = await listen(server);
  return {
    port,
    get connections() {
      return pairs.size;
    },
    get attempts() {
      return attempts;
    },
    cut,
    shut: () => {
      isShut = true;
      cut();
    },
    open: () => {
      isShut = false;
    },
    strand: () => strandAll([...pairs], stranded),
    freeze: () => {
      isFrozen = true;
    },
    withhold: () => {
      isWithholding = true;
      return (lastWords) => {
        isWithholding = false;
        for (const [client, target] of pairs) {
          target.destroy();
          client.end(lastWords);
        }
      };
    },
    async [Symbol.asyncDispose]() {
      cut();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

/** Breaks the clients' side of pairs, and the servers' when the returned function is called. */
function strandAll(ours: readonly Pair[], stranded: Set<Pair>): () => void {
  for (const pair of ours) stranded.add(pair);
  for (const [client] of ours) client.destroy();
  return () => {
    for (const pair of ours) stranded.delete(pair);
    for (const [, target] of ours) target.destroy();
  };
}

function listen(server: Server): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen(0, "127.0.0.1", () => {
      const address = server.address();
      resolve(typeof address === "object" && address !== null ? address.port : 0);
    });
  });
}
