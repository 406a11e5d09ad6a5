import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { isMissing } from "@pullqueue/testing";
import { temporarySchema } from "@pullqueue/testing/postgres-schema";
import pg from "pg";
import { describe, expect, test } from "vitest";
import { type Clock, systemClock } from "../../src/clock.js";
import { openPostgresStore } from "../../src/stores/postgres.js";
import { SCHEMA_STEPS } from "../../src/stores/postgres-schema.js";
import { DEFAULT_QUEUE_SETTINGS } from "../../src/task.js";

const run = promisify(execFile);
const consumer = fileURLToPath(new URL("../support/consume.ts", import.meta.url));
const queue = { project: "p", queue: "q" };
const payload = new Uint8Array(100);
const lease = { maxTasks: 1, leaseMs: 60_000 };
const BATCHES = 200;
const BATCH = 5;

/** The address without what only our stores understand. */
function databaseOf(storeUrl: string): string {
  const url = new URL(storeUrl);
  url.searchParams.delete("schema");
  return url.href;
}

/** A schema with the stores that were opened in it, which are closed first. */
function openedSchema() {
  const schema = temporarySchema();
  const stores: Awaited<ReturnType<typeof openPostgresStore>>[] = [];
  return {
    ...schema,
    async open(clock?: Clock) {
      const store = await openPostgresStore({ url: schema.url, connectionsMax: 5, clock });
      stores.push(store);
      return store;
    },
    async [Symbol.asyncDispose]() {
      await Promise.all(stores.map((store) => store.close()));
      await schema[Symbol.asyncDispose]();
    },
  };
}

describe.skipIf(isMissing("postgres"))("openPostgresStore() in several processes", () => {
  test("every task is taken once, and by whoever waits", async () => {
    await using schema = openedSchema();
    const store = await schema.open();
    const consumers = [1, 2].map(() => run(process.execPath, ["--import", "tsx", consumer, schema.url]));
    const inserted: string[] = [];
    for (let batch = 0; batch < BATCHES; batch++) {
      const tasks = Array.from({ length: BATCH }, () => ({ payload }));
      for (const result of await store.insert(queue, tasks)) if (result.ok) inserted.push(result.value.id);
    }
    const outputs = await Promise.all(consumers);
    const taken = outputs.flatMap(({ stdout }) => JSON.parse(stdout) as string[]);
    expect(inserted).toHaveLength(BATCHES * BATCH);
    expect(taken.sort()).toEqual(inserted.sort());
    expect((await store.getQueue(queue, { stats: true })).stats).toMatchObject({
      totalTasks: 0,
      payloadBytes: 0,
    });
  }, 60_000);

  test("lease() that waits hears of another process's insert, release and resume", async () => {
    await using schema = openedSchema();
    // Nothing but what it hears wakes it: its timers never fire.
    const { nowUs, timer } = systemClock();
    const deaf: Clock = {
      nowUs,
      timer: (ms, callback, options) =>
        options?.keepAlive === true ? timer(ms, callback, options) : () => {},
    };
    const [store, other] = [await schema.open(deaf), await schema.open()];
    const waiting = async (change: () => Promise<unknown>) => {
      const call = store.lease([queue], { ...lease, waitMs: 30_000 });
      while ((await schema.sql("SELECT FROM waiters")).length === 0) await new Promise(setImmediate);
      await change();
      return (await call)[0]!;
    };
    const { id } = await waiting(() => other.insert(queue, [{ payload }]));
    const again = await waiting(() => other.extend(queue, [{ id, retryCount: 1, leaseMs: 0 }]));
    expect(again).toMatchObject({ id, retryCount: 2 });
    await other.delete(queue, [{ id }]);
    await other.pauseQueue(queue);
    await other.insert(queue, [{ payload, id: "paused" }]);
    expect(await waiting(() => other.resumeQueue(queue))).toMatchObject({ id: "paused" });
  }, 60_000);

  test("a task that was given back is nobody's, also by a clock that is behind", async () => {
    await using schema = openedSchema();
    const store = await schema.open();
    await store.insert(queue, [{ payload }]);
    const [held] = await store.lease([queue], { maxTasks: 1, leaseMs: 60_000 });
    const fence = { id: held!.id, retryCount: held!.retryCount };
    const release = { ...fence, leaseMs: 0, uncounted: true };
    expect(await store.extend(queue, [release])).toMatchObject([{ ok: true, value: { uncounted: 1 } }]);
    // A transaction that waited for the release has read its time before it.
    await schema.sql(`CREATE OR REPLACE FUNCTION now_us() RETURNS bigint LANGUAGE sql VOLATILE PARALLEL SAFE
      AS 'SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint - 60000000'`);
    expect(await store.extend(queue, [release])).toMatchObject([
      { ok: false, error: { code: "lease_lost" } },
    ]);
    expect(await store.delete(queue, [fence])).toMatchObject([{ ok: false, error: { code: "lease_lost" } }]);
  });

  test("a refused call keeps its connection for the next one", async () => {
    await using schema = openedSchema();
    const pool = new pg.Pool({ connectionString: databaseOf(schema.url), max: 1 });
    let connected = 0;
    pool.on("connect", () => {
      connected += 1;
    });
    {
      await using store = await openPostgresStore({ pool, schema: schema.name, queuesMax: 1 });
      const { settings } = await store.putQueue(queue, DEFAULT_QUEUE_SETTINGS);
      for (const name of ["a", "b", "c"]) {
        const refused = store.putQueue({ project: "p", queue: name }, settings);
        await expect(refused).rejects.toMatchObject({ code: "resource_exhausted" });
      }
    }
    expect(connected).toBe(1);
    await pool.end();
  }, 60_000);

  test("ten stores that start at once make one schema", async () => {
    await using schema = openedSchema();
    const stores = await Promise.all(Array.from({ length: 10 }, () => schema.open()));
    await Promise.all(stores.map((store) => store.insert(queue, [{ payload }])));
    expect((await stores[0]!.getQueue(queue, { stats: true })).stats).toMatchObject({ totalTasks: 10 });
    expect(await schema.sql("SELECT step FROM schema_steps ORDER BY step")).toEqual(
      SCHEMA_STEPS.map((_, index) => ({ step: index + 1 })),
    );
  }, 60_000);

  test("refuses a schema of a newer version, and one that holds another program's tables", async () => {
    await using schema = openedSchema();
    await schema.open();
    await schema.sql("INSERT INTO schema_steps (step) VALUES (1000)");
    await expect(schema.open()).rejects.toMatchObject({
      code: "invalid_argument",
      message: expect.stringContaining("version 1000"),
    });
    await using foreign = openedSchema();
    await foreign.sql(`CREATE SCHEMA ${foreign.name}`);
    await foreign.sql("CREATE TABLE notes (text text)");
    await expect(foreign.open()).rejects.toMatchObject({
      code: "invalid_argument",
      message: expect.stringContaining("another program's tables"),
    });
    expect(await foreign.sql("SELECT tablename FROM pg_tables WHERE schemaname = current_schema()")).toEqual([
      { tablename: "notes" },
    ]);
  }, 60_000);

  test("any number may sweep at once: each expired task goes once", async () => {
    await using schema = openedSchema();
    const stores = await Promise.all([1, 2, 3].map(() => schema.open()));
    const settings =
      (await stores[0]!.insert(queue, [{ payload }])) && (await stores[0]!.getQueue(queue)).settings;
    await stores[0]!.putQueue(queue, { ...settings, retentionMs: 1, deadLetterQueue: "dead" });
    await stores[0]!.insert(
      queue,
      Array.from({ length: 1000 }, () => ({ payload })),
    );
    await schema.sql("UPDATE tasks SET expires_at_us = 1 WHERE expires_at_us IS NOT NULL");
    const swept = await Promise.all(stores.map((store) => store.sweep()));
    expect(swept.reduce((sum, { deadLetteredTasks }) => sum + deadLetteredTasks, 0)).toBe(1000);
    const dead = await stores[1]!.getQueue({ ...queue, queue: "dead" }, { stats: true });
    expect(dead.stats).toMatchObject({ totalTasks: 1000, payloadBytes: 100_000 });
  }, 60_000);
});
