import { type AddressInfo, connect, createServer, type Socket } from "node:net";

/** Stands before servers as a load balancer does: passes connections on, byte for byte. */
export interface Balancer extends AsyncDisposable {
  /** `http://127.0.0.1:PORT`. */
  readonly url: string;
  readonly port: number;
  /** From now on nothing passes and nobody is told, as when a cable is pulled. New connections are taken, and are silent. */
  silence(): void;
  /** What was held up passes, and so does all that follows. */
  heal(): void;
}

/**
 * Starts one on a free port. A new connection goes to the first of `ports()` that takes it, beginning one further with
 * each connection; it is closed when none does.
 */
export async function startBalancer(ports: () => readonly number[]): Promise<Balancer> {
  const sockets = new Set<Socket>();
  let isSilent = false;
  let turn = 0;
  const keep = (socket: Socket) => {
    sockets.add(socket);
    socket.once("close", () => sockets.delete(socket));
    // Whatever breaks on one side ends the other; whose fault it was is for the ends to say.
    socket.on("error", () => {});
    if (isSilent) socket.pause();
  };
  const server = createServer({ pauseOnConnect: true }, async (near) => {
    keep(near);
    const choices = ports();
    turn += 1;
    const far = await connectToFirst(choices.map((_, index) => choices[(turn + index) % choices.length]!));
    if (far === undefined || near.destroyed) {
      near.destroy();
      far?.destroy();
      return;
    }
    keep(far);
    join(near, far);
    join(far, near);
    if (!isSilent) near.resume();
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}`,
    port,
    silence: () => {
      isSilent = true;
      for (const socket of sockets) socket.pause();
    },
    heal: () => {
      isSilent = false;
      // One that is not joined yet would lose what it reads.
      for (const socket of sockets) if (socket.listenerCount("data") > 0) socket.resume();
    },
    async [Symbol.asyncDispose]() {
      const closed = new Promise((resolve) => server.close(resolve));
      for (const socket of sockets) socket.destroy();
      await closed;
    },
  };
}

/** Not `pipe`, which resumes by itself what was paused. Slow readers fill memory here, which a test can afford. */
function join(from: Socket, to: Socket): void {
  from.on("data", (bytes: Buffer) => to.write(bytes));
  from.once("end", () => to.end());
  from.once("close", () => to.destroy());
}

async function connectToFirst(ports: readonly number[]): Promise<Socket | undefined> {
  for (const port of ports) {
    const socket = await tryToConnect(port);
    if (socket !== undefined) return socket;
  }
  return undefined;
}

function tryToConnect(port: number): Promise<Socket | undefined> {
  return new Promise((resolve) => {
    const socket = connect(port, "127.0.0.1");
    socket.once("connect", () => resolve(socket));
    socket.once("error", () => resolve(undefined));
  });
}
