import { createServer } from "node:net";
import { randomFraction } from "@pullqueue/core";

/** Ports are tried from here on, below those that Linux gives to outgoing connections: ours must be free after a restart. */
const PORTS = { low: 20_000, count: 10_000 };

/** How many ports are tried. */
const PORT_TRIES = 50;

/** A port that nobody listens on, and that no outgoing connection is given. */
export async function freePort(): Promise<number> {
  for (let attempt = 0; attempt < PORT_TRIES; attempt++) {
    const port = PORTS.low + Math.floor(randomFraction() * PORTS.count);
    if (await isFree(port)) return port;
  }
  throw new Error(`of ${PORT_TRIES} ports from ${PORTS.low} on none is free`);
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once("error", () => resolve(false));
    server.listen(port, "127.0.0.1", () => server.close(() => resolve(true)));
  });
}
