import { openStore } from "../../src/open-store.js";

/** A process that leases and deletes from the store at the address in its first argument until it has waited in vain; prints the ids. */
const queue = { project: "p", queue: "q" };
await using store = await openStore(process.argv[2]!);
const ids: string[] = [];

async function consume(): Promise<void> {
  for (;;) {
    const tasks = await store.lease([queue], { maxTasks: 5, leaseMs: 600_000, waitMs: 2000 });
    if (tasks.length === 0) return;
    ids.push(...tasks.map(({ id }) => id));
    const results = await store.delete(queue, tasks);
    if (results.some(({ ok }) => !ok)) throw new Error("a lease was lost");
  }
}

await Promise.all([consume(), consume(), consume(), consume()]);
process.stdout.write(JSON.stringify(ids));
