import { startChild, temporaryFolder } from "@pullqueue/testing";
import { freePort } from "@pullqueue/testing/free-port";
import type { Place } from "./place.js";

/** How long NATS may take to be ready, in milliseconds. */
const READY_MS = 20_000;

/** A NATS server with JetStream in a temporary folder, everything else as it comes. */
export async function startJetstreamInstance(): Promise<Place> {
  const folder = temporaryFolder();
  const port = String(await freePort());
  const parameters = ["-a", "127.0.0.1", "-p", port, "-js", "-sd", folder.path];
  // Its log goes to standard error, where nobody waits for lines.
  const child = startChild("/bin/sh", ["-c", 'exec "$0" "$@" 2>&1', "nats-server", ...parameters]);
  const dispose = async () => {
    await child.stop();
    folder[Symbol.dispose]();
  };
  try {
    await child.line(/Server is ready/, READY_MS);
    return { url: `nats://127.0.0.1:${port}`, pid: child.pid, [Symbol.asyncDispose]: dispose };
  } catch (error) {
    await dispose();
    throw error;
  }
}
