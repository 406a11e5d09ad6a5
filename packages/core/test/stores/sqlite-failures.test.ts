import Database from "better-sqlite3";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { manualClock } from "../../src/clock.js";
import { IDEMPOTENCY_MS } from "../../src/limits.js";
import { openSqliteStore } from "../../src/stores/sqlite.js";
import { DEFAULT_QUEUE_SETTINGS } from "../../src/task.js";

const queue = { project: "p", queue: "q" };
const payload = new TextEncoder().encode("hello");

let database: InstanceType<typeof Database>;
beforeEach(() => {
  database = new Database(":memory:");
});
afterEach(() => void database.close());

/** An error as SQLite reports it. */
const diskError = (code: string) => Object.assign(new Error("disk"), { code });

test("insert() whose commit failed is not tried again, and said to be unclear, because it may be on disk", async () => {
  await using store = await openSqliteStore({ database });
  await store.putQueue(queue, DEFAULT_QUEUE_SETTINGS);
  const exec = database.exec.bind(database);
  let failures = 1;
  const spy = vi.spyOn(database, "exec").mockImplementation((sql) => {
    const result = exec(sql);
    if (sql === "COMMIT" && failures-- > 0) throw diskError("SQLITE_IOERR_FSYNC");
    return result;
  });
  const outcomes = await Promise.allSettled([1, 2, 3].map(() => store.insert(queue, [{ payload }])));
  expect(outcomes).toMatchObject(Array(3).fill({ status: "rejected", reason: { code: "timeout" } }));
  spy.mockRestore();
  expect((await store.getQueue(queue, { stats: true })).stats?.totalTasks).toBe(3);
});

test("insert() on a full disk fails at once for all who share the transaction, and stores nothing", async () => {
  await using store = await openSqliteStore({ database });
  await store.insert(queue, [{ payload }]);
  const pages = database.pragma("page_count", { simple: true }) as number;
  database.pragma(`max_page_count = ${pages + 2}`);
  const exec = vi.spyOn(database, "exec");
  const calls = [payload, new Uint8Array(100_000), payload].map((bytes) =>
    store.insert(queue, [{ payload: bytes }]),
  );
  const outcomes = await Promise.allSettled(calls);
  const full = { status: "rejected", reason: { code: "unavailable", retryAfterMs: 1000 } };
  expect(outcomes).toMatchObject([full, full, { status: "fulfilled" }]);
  expect(exec.mock.calls.filter(([sql]) => sql === "BEGIN IMMEDIATE")).toHaveLength(2);
  expect((await store.getQueue(queue, { stats: true })).stats?.totalTasks).toBe(2);
});

test("insert() remembers a key for IDEMPOTENCY_MS, whatever is inserted meanwhile", async () => {
  const clock = manualClock(IDEMPOTENCY_MS * 1000 * 3_000_000 - 1000);
  await using store = await openSqliteStore({ database, clock });
  const [first] = await store.insert(queue, [{ payload, idempotencyKey: "mine" }]);
  for (let step = 0; step < 4; step++) {
    clock.advance(IDEMPOTENCY_MS / 4 - 1);
    await store.insert(queue, [{ payload, idempotencyKey: `other-${step}` }]);
    expect(await store.insert(queue, [{ payload, idempotencyKey: "mine" }])).toEqual([first]);
  }
});
