import assert from "node:assert/strict";
import type { NewTask } from "../task.js";
import { outcomes, rejectsWith, soleValue } from "./expect.js";
import { insertOne, leaseOne, QUEUE, queueSettings } from "./samples.js";
import { type Case, type Cases, needing, type StoreUnderTest } from "./store-under-test.js";

/** A case on a queue that may hold so many payload bytes. */
function limited(storageBytesMax: number, run: (sut: StoreUnderTest) => Promise<void>): Case {
  return needing(["managesLife"], async (sut) => {
    await sut.store.putQueue(QUEUE, queueSettings({ storageBytesMax }));
    await run(sut);
  });
}

function bytes(count: number, task: Partial<NewTask> = {}): NewTask {
  return { payload: new Uint8Array(count), ...task };
}

/** A queue holds as many payload bytes as it may, and not one more. */
export const storageLimitCases: Cases = {
  "insert() past what a queue may hold fails with resource_exhausted, item by item": limited(
    10,
    async ({ store }) => {
      const results = await store.insert(QUEUE, [bytes(6), bytes(5), bytes(4), bytes(1), bytes(0)]);
      assert.deepEqual(outcomes(results), ["ok", "resource_exhausted", "ok", "resource_exhausted", "ok"]);
      const { stats } = await store.getQueue(QUEUE, { stats: true });
      assert.deepEqual([stats?.totalTasks, stats?.payloadBytes], [3, 10]);
    },
  ),

  "insert() finds room again when tasks are gone": limited(10, async ({ store }) => {
    await insertOne(store, bytes(10));
    assert.deepEqual(outcomes(await store.insert(QUEUE, [bytes(10)])), ["resource_exhausted"]);
    const held = await leaseOne(store);
    assert.deepEqual(outcomes(await store.insert(QUEUE, [bytes(10)])), ["resource_exhausted"]);
    soleValue(await store.delete(QUEUE, [held]));
    await insertOne(store, bytes(10));
    assert.equal(await store.purge(QUEUE), 1);
    await insertOne(store, bytes(10));
  }),

  "insert() at the same time fills a queue to its last byte, and no further": limited(25, async (sut) => {
    const other = await sut.another();
    const calls = Array.from({ length: 20 }, (_, index) =>
      (index % 2 === 0 ? sut.store : other).insert(QUEUE, [bytes(2), bytes(1)]),
    );
    const results = (await Promise.all(calls)).flat();
    const { stats } = await sut.store.getQueue(QUEUE, { stats: true });
    assert.equal(stats?.payloadBytes, 25);
    assert.equal(results.filter(({ ok }) => ok).length, stats.totalTasks);
  }),

  "insert() repeated with its key gives the first task although the queue is full": limited(
    10,
    async ({ store }) => {
      const task = bytes(10, { idempotencyKey: "key" });
      const first = await insertOne(store, task);
      const again = soleValue(await store.insert(QUEUE, [task]));
      assert.equal(again.id, first.id);
    },
  ),

  "insert() past a limit that was lowered fails until enough is gone": limited(10, async ({ store }) => {
    await insertOne(store, bytes(10));
    await store.putQueue(QUEUE, queueSettings({ storageBytesMax: 5 }));
    assert.deepEqual(outcomes(await store.insert(QUEUE, [bytes(1)])), ["resource_exhausted"]);
    await store.putQueue(QUEUE, queueSettings());
    await insertOne(store, bytes(1));
  }),

  "putQueue() refuses a limit that cannot be": limited(10, async ({ store }) => {
    for (const storageBytesMax of [-1, 0.5, Number.NaN]) {
      await rejectsWith(store.putQueue(QUEUE, queueSettings({ storageBytesMax })), "invalid_argument");
    }
  }),
};
