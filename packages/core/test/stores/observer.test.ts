import { describe, expect, test } from "vitest";
import { type ManualClock, manualClock } from "../../src/clock.js";
import type { QueueAdmin, QueueStore, StoreObserver } from "../../src/store.js";
import { openMemoryStore } from "../../src/stores/memory.js";
import { openSqliteStore } from "../../src/stores/sqlite.js";
import { DEFAULT_QUEUE_SETTINGS, type QueueSettings, type Task } from "../../src/task.js";
import { memoryDatabase } from "../support/memory-database.js";

/** What an embedded store tells its owner. */

const queue = { project: "p", queue: "q" };
const dead = { project: "p", queue: "dead" };
const payload = Uint8Array.from([1]);

interface Observed {
  readonly store: QueueStore & QueueAdmin;
  readonly clock: ManualClock;
  readonly told: unknown[];
}

const STORES: readonly (readonly [
  name: string,
  open: (observer: StoreObserver, clock: ManualClock) => Promise<QueueStore & QueueAdmin>,
])[] = [
  ["memory", async (observer, clock) => openMemoryStore({ observer, clock })],
  ["SQLite", async (observer, clock) => openSqliteStore({ database: memoryDatabase(), observer, clock })],
];

describe.each(STORES)("the %s store's observer", (_, open) => {
  async function observed(settings: Partial<QueueSettings>): Promise<Observed> {
    const told: unknown[] = [];
    const clock = manualClock();
    const name = (what: string) => (task: Task) => {
      const { queue: where, id, deadLetter } = task;
      told.push([what, where.queue, id, ...(deadLetter === undefined ? [] : [deadLetter.reason])]);
    };
    const observer = {
      onExhausted: name("exhausted"),
      onExpired: name("expired"),
      onDeadLettered: name("dead-lettered"),
    };
    const store = await open(observer, clock);
    await store.putQueue(queue, { ...DEFAULT_QUEUE_SETTINGS, ...settings });
    return { store, clock, told };
  }

  const lease = (store: QueueStore, from = queue) => store.lease([from], { maxTasks: 10, leaseMs: 1000 });

  test("hears of tasks that are dropped at their retry limit, once each", async () => {
    const { store, clock, told } = await observed({ maxLeases: 1 });
    await store.insert(queue, [
      { payload, id: "a" },
      { payload, id: "b" },
    ]);
    await lease(store);
    expect(told).toEqual([]);
    clock.advance(1000);
    await lease(store);
    await lease(store);
    expect(told).toEqual([
      ["exhausted", "q", "a"],
      ["exhausted", "q", "b"],
    ]);
    await store.close();
  });

  test("hears of tasks that are dropped because their retention is over, by a lease or by a sweep", async () => {
    const { store, clock, told } = await observed({ retentionMs: 1000 });
    await store.insert(queue, [{ payload, id: "a" }]);
    clock.advance(1000);
    await lease(store);
    await store.insert(queue, [{ payload, id: "b" }]);
    clock.advance(1000);
    await store.sweep();
    await store.sweep();
    expect(told).toEqual([
      ["expired", "q", "a"],
      ["expired", "q", "b"],
    ]);
    await store.close();
  });

  test("hears of moves as the task is in the dead-letter queue, and then of no drop", async () => {
    const { store, clock, told } = await observed({
      maxLeases: 1,
      deadLetterQueue: "dead",
      retentionMs: 5000,
    });
    await store.insert(queue, [
      { payload, id: "a" },
      { payload, id: "b", delayMs: 9000 },
    ]);
    await lease(store);
    clock.advance(1000);
    await lease(store);
    clock.advance(4000);
    await store.sweep();
    expect(told).toEqual([
      ["dead-lettered", "dead", "a", "retry_limit"],
      ["dead-lettered", "dead", "b", "retention"],
    ]);
    expect(await lease(store, dead)).toHaveLength(2);
    await store.close();
  });

  test("hears of leases by queue, and how many had one before that ran out", async () => {
    const told: unknown[] = [];
    const clock = manualClock();
    const onLeased: StoreObserver["onLeased"] = (key, counts) => void told.push([key.queue, counts]);
    const store = await open({ onLeased }, clock);
    await store.insert(queue, [
      { payload, id: "a" },
      { payload, id: "b" },
    ]);
    await store.insert(dead, [{ payload, id: "c" }]);
    await store.lease([queue, dead], { maxTasks: 10, leaseMs: 1000 });
    await store.extend(queue, [{ id: "a", retryCount: 1, leaseMs: 0 }]);
    clock.advance(1000);
    await lease(store);
    await store.lease([queue], { maxTasks: 10, leaseMs: 1000 });
    clock.advance(1000);
    await lease(store);
    expect(told).toEqual([
      ["q", { tasks: 2, expiredLeases: 0 }],
      ["dead", { tasks: 1, expiredLeases: 0 }],
      ["q", { tasks: 2, expiredLeases: 1 }],
      ["q", { tasks: 2, expiredLeases: 2 }],
    ]);
    await store.close();
  });
});

test("the SQLite store's observer hears of commits, and how many calls shared each", async () => {
  const commits: number[] = [];
  const onCommit: StoreObserver["onCommit"] = ({ calls, durationMs }) => {
    expect(durationMs).toBeGreaterThanOrEqual(0);
    commits.push(calls);
  };
  // Its time stands still, so that a busy machine cannot end the transaction early.
  const clock = manualClock();
  const store = await openSqliteStore({ database: memoryDatabase(), observer: { onCommit }, clock });
  await Promise.all(Array.from({ length: 5 }, () => store.insert(queue, [{ payload }])));
  await store.insert(queue, [{ payload }]);
  expect(commits).toEqual([5, 1]);
  await store.close();
});

test("a lease that waits on SQLite shares the transaction of the insert that ends its wait", async () => {
  const commits: number[] = [];
  const observer: StoreObserver = { onCommit: ({ calls }) => void commits.push(calls) };
  const clock = manualClock();
  const store = await openSqliteStore({ database: memoryDatabase(), observer, clock });
  const waiting = [1, 2].map(() => store.lease([queue], { maxTasks: 1, leaseMs: 1000, waitMs: 1000 }));
  await store.insert({ ...queue, queue: "other" }, [{ payload }]);
  commits.length = 0;
  await store.insert(queue, [{ payload }, { payload }, { payload, delayMs: 500 }]);
  const leased = await Promise.all(waiting);
  expect(leased.map((tasks) => tasks.length)).toEqual([1, 1]);
  expect(commits).toEqual([3]);
  await store.close();
});

test("who only waits for a task hears of it when it can be seen", async () => {
  const store = await openSqliteStore({ database: memoryDatabase(), clock: manualClock() });
  const seen = store
    .wait([queue], 1000)
    .then(async (found) => [found, (await store.peek(queue, { limit: 10 })).tasks.length]);
  await store.insert(queue, [{ payload }]);
  expect(await seen).toEqual([true, 1]);
  await store.close();
});
