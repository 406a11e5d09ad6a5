/**
 * A worker of the tests: leases from a queue of a server until it is told to stop, and prints `leased ID` for each task.
 * Usage: lease-worker URL PROJECT QUEUE. Prints `ready`, starts at the first line of standard input, stops at its end.
 */
import { once } from "node:events";
import { openHttpStore } from "@pullqueue/core";

const [endpoint = "", project = "", queue = ""] = process.argv.slice(2);

/** Longer than any test runs, in milliseconds: no task may be handed out twice. */
const LEASE_MS = 600_000;

async function main(): Promise<void> {
  const stop = new AbortController();
  await using store = openHttpStore({ endpoint });
  process.stdin.on("end", () => stop.abort());
  process.stdout.write("ready\n");
  await once(process.stdin, "data");
  for (;;) {
    const request = { maxTasks: 2, leaseMs: LEASE_MS, waitMs: 10_000 };
    const tasks = await store.lease([{ project, queue }], request, { signal: stop.signal });
    process.stdout.write(tasks.map(({ id }) => `leased ${id}\n`).join(""));
  }
}

main().catch((error: unknown) => {
  if (error instanceof Error && error.name === "AbortError") return;
  process.stderr.write(`${String(error)}\n`);
  process.exitCode = 1;
});
