import { fileURLToPath } from "node:url";
import { openHttpStore } from "@pullqueue/core/stores/http";
import { openSqliteStore } from "@pullqueue/core/stores/sqlite";
import { expect, test } from "vitest";
import { startChild } from "../src/child.js";
import { freshSeed, prng } from "../src/prng.js";
import { startServerProcess } from "../src/server-process.js";
import { temporaryFolder } from "../src/temp.js";

const COMMAND = fileURLToPath(new URL("../../cli/bin/pullqueue.js", import.meta.url));
const MIGRATION_MS = 60_000;
const TASKS = 3000;

/** Large enough that a step of the migration is a few hundred tasks, and takes a while. */
const PAYLOAD_BYTES = 16_384;

/** About as long as a step takes. */
const STEP_MS = 60;
const queue = { project: "p", queue: "jobs" };
const payload = (name: string) => new TextEncoder().encode(name.padEnd(PAYLOAD_BYTES));

/** Finishes what there is, until nothing comes or it has had enough; counts how often each name came. */
async function consume(
  store: Pick<Awaited<ReturnType<typeof openSqliteStore>>, "lease" | "delete">,
  finished: Map<string, number>,
  batchesMax: number,
): Promise<void> {
  for (let batch = 0; batch < batchesMax; batch++) {
    const tasks = await store.lease([queue], { maxTasks: 20, leaseMs: 60_000 });
    if (tasks.length === 0) return;
    const results = await store.delete(
      queue,
      tasks.map(({ id, retryCount }) => ({ id, retryCount })),
    );
    for (const [index, task] of tasks.entries()) {
      const name = new TextDecoder().decode(task.payload).trimEnd();
      if (results[index]!.ok) finished.set(name, (finished.get(name) ?? 0) + 1);
    }
  }
}

/** Resolves when a migration has begun to take tasks away. */
async function somethingMoved(
  store: Pick<Awaited<ReturnType<typeof openSqliteStore>>, "getQueue">,
): Promise<void> {
  const count = async () => (await store.getQueue(queue, { stats: true })).stats?.totalTasks ?? 0;
  const before = await count();
  await expect.poll(count, { timeout: MIGRATION_MS, interval: 2 }).toBeLessThan(before);
}

test("migrate that is killed again and again, beside a server with producers and a consumer, loses and doubles nothing", {
  timeout: 2 * MIGRATION_MS,
}, async () => {
  const seed = Number(process.env.MIGRATE_SEED ?? freshSeed());
  const chance = prng(seed);
  using folder = temporaryFolder();
  const source = `sqlite:${folder.file("source.db")}`;
  const target = `sqlite:${folder.file("target.db")}`;
  const finished = new Map<string, number>();
  const sent = new Set<string>();
  await using server = await startServerProcess({ store: source });
  await using client = openHttpStore({ endpoint: server.url });
  const send = async (names: readonly string[]) => {
    const results = await client.insert(
      queue,
      names.map((name, index) => ({
        payload: payload(name),
        ...(index % 3 === 0 ? { id: `task-${name}` } : {}),
      })),
    );
    for (const [index, name] of names.entries()) if (results[index]!.ok) sent.add(name);
  };
  for (let at = 0; at < TASKS; at += 500) {
    await send(Array.from({ length: 500 }, (_, index) => `first-${at + index}`));
  }
  const migrate = () =>
    startChild(process.execPath, [COMMAND, "migrate", "--from", source, "--to", target, "--leave-paused"]);
  for (let round = 0; round < 5; round++) {
    await using child = migrate();
    const working = Promise.all([
      consume(client, finished, 5),
      send([`during-${round}-a`, `during-${round}-b`]),
    ]);
    await working;
    await somethingMoved(client);
    // Chance decides where in the next step.
    await new Promise((resolve) => setTimeout(resolve, chance.integer(0, STEP_MS)));
    child.signal("SIGKILL");
    await child.exited(MIGRATION_MS);
  }
  await using last = migrate();
  expect({ seed, ...(await last.exited(MIGRATION_MS)), stderr: last.stderr() }).toMatchObject({
    code: 0,
    stderr: "",
  });
  expect((await client.getQueue(queue, { stats: true })).stats?.totalTasks).toBe(0);
  await using moved = await openSqliteStore({ path: folder.file("target.db") });
  const { stats } = await moved.getQueue(queue, { stats: true });
  expect(stats?.totalTasks).toBeGreaterThan(TASKS / 4);
  await moved.resumeQueue(queue);
  await consume(moved, finished, Number.POSITIVE_INFINITY);
  expect({ seed, lost: [...sent].filter((name) => !finished.has(name)) }).toEqual({ seed, lost: [] });
  expect({ seed, doubled: [...finished].filter(([, times]) => times > 1) }).toEqual({ seed, doubled: [] });
});
