import { expect, test } from "vitest";
import { manualClock } from "../../src/clock.js";
import { PURGE_CHUNK_TASKS } from "../../src/limits.js";
import type { QueueAdmin, QueueStore } from "../../src/store.js";
import { openSqliteStore } from "../../src/stores/sqlite.js";
import { DEFAULT_QUEUE_SETTINGS } from "../../src/task.js";
import { memoryDatabase } from "../support/memory-database.js";

/** Moves among the chunks of long jobs: a moved task keeps its serial, which is how these know old tasks from new ones. */

const queue = { project: "p", queue: "q" };
const dead = { project: "p", queue: "dead" };
const payload = new Uint8Array(1);

/** A store with more dead letters than a chunk holds, and tasks that the next lease moves to them. */
async function fill(clock: ReturnType<typeof manualClock>): Promise<QueueStore & QueueAdmin> {
  const store = await openSqliteStore({ database: memoryDatabase(), clock });
  await store.putQueue(queue, { ...DEFAULT_QUEUE_SETTINGS, maxLeases: 1, deadLetterQueue: "dead" });
  const spend = async (count: number) => {
    await store.insert(queue, Array(count).fill({ payload }));
    await store.lease([queue], { maxTasks: count, leaseMs: 1000 });
    // A little more, so that they come before whatever is redriven now.
    clock.advance(1001);
  };
  for (let count = 0; count < 2; count++) {
    await spend(PURGE_CHUNK_TASKS);
    await giveUp(store);
  }
  await spend(10);
  return store;
}

async function giveUp(store: QueueStore): Promise<void> {
  expect(await store.lease([queue], { maxTasks: 1, leaseMs: 1000 })).toEqual([]);
}

test("purge() spares what was moved into the queue while it ran", async () => {
  const clock = manualClock();
  await using store = await fill(clock);
  let moves: Promise<void> | undefined;
  const onProgress = () => {
    clock.advance(1);
    moves ??= giveUp(store);
  };
  expect(await store.purge(dead, { onProgress })).toBe(2 * PURGE_CHUNK_TASKS);
  await moves;
  expect((await store.getQueue(dead, { stats: true })).stats?.totalTasks).toBe(10);
});

test("redrive() leaves what was moved into the queue while it ran, and so ends", async () => {
  const clock = manualClock();
  await using store = await fill(clock);
  let moves: Promise<void> | undefined;
  const onProgress = () => {
    clock.advance(1);
    moves ??= (async () => {
      await store.lease([queue], { maxTasks: 10, leaseMs: 1 });
      clock.advance(1);
    })();
  };
  expect(await store.redrive(dead, { onProgress })).toBe(2 * PURGE_CHUNK_TASKS);
  await moves;
  expect((await store.getQueue(dead, { stats: true })).stats?.totalTasks).toBe(10);
});

test("purge() of a queue that is deleted meanwhile ends, and leaves its successor alone", async () => {
  const clock = manualClock();
  await using store = await fill(clock);
  let replacing: Promise<void> | undefined;
  const onProgress = () => {
    replacing ??= (async () => {
      await store.deleteQueue(dead);
      await store.insert(dead, [{ payload }]);
    })();
  };
  expect(await store.purge(dead, { onProgress })).toBeLessThan(2 * PURGE_CHUNK_TASKS + 1);
  await replacing;
  expect((await store.getQueue(dead, { stats: true })).stats?.totalTasks).toBe(1);
});
