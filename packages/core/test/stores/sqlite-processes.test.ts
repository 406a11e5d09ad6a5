import { execFile } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { expect, test } from "vitest";
import { openSqliteStore } from "../../src/stores/sqlite.js";

const run = promisify(execFile);
const consumer = fileURLToPath(new URL("../support/consume.ts", import.meta.url));
const queue = { project: "p", queue: "q" };
const BATCHES = 200;
const BATCH = 5;

test("openSqliteStore() lets processes share a file: every task is taken once, and by whoever waits", async () => {
  const folder = await mkdtemp(join(tmpdir(), "pullqueue-"));
  const path = join(folder, "tasks.db");
  const store = await openSqliteStore({ path });
  const consumers = [1, 2].map(() =>
    run(process.execPath, ["--import", "tsx", consumer, `sqlite://${path}`]),
  );
  const inserted: string[] = [];
  for (let batch = 0; batch < BATCHES; batch++) {
    const tasks = Array.from({ length: BATCH }, () => ({ payload: new Uint8Array(100) }));
    for (const result of await store.insert(queue, tasks)) if (result.ok) inserted.push(result.value.id);
  }
  const outputs = await Promise.all(consumers);
  const taken = outputs.flatMap(({ stdout }) => JSON.parse(stdout) as string[]);
  expect(inserted).toHaveLength(BATCHES * BATCH);
  expect(taken.sort()).toEqual(inserted.sort());
  expect((await store.getQueue(queue, { stats: true })).stats).toMatchObject({ totalTasks: 0 });
  await store.close();
  await rm(folder, { recursive: true });
}, 60_000);
