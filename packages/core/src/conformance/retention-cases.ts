import assert from "node:assert/strict";
import type { QueueSettings } from "../task.js";
import { ids, only, soleValue } from "./expect.js";
import {
  countTasks,
  DEAD_LETTERS,
  insertOne,
  LONG_MS,
  lease,
  leaseOne,
  leaseRequest,
  look,
  ONE_US_IN_MS,
  QUEUE,
  queueSettings,
  SECOND_MS,
} from "./samples.js";
import { type Case, type Cases, type Need, needing, type StoreUnderTest } from "./store-under-test.js";

/** How long the queue keeps tasks: longer than any store takes to answer. */
const KEEP_MS = 2 * SECOND_MS;

/** A case on a queue that keeps tasks briefly. */
function briefly(
  settings: Partial<QueueSettings>,
  run: (sut: StoreUnderTest) => Promise<void>,
  ...needs: readonly Need[]
): Case {
  return needing(["managesLife", ...needs], async (sut) => {
    await sut.store.putQueue(QUEUE, queueSettings({ retentionMs: KEEP_MS, ...settings }));
    await run(sut);
  });
}

/** Tasks whose time in the queue is over: no lease gives them any more. */
export const retentionCases: Cases = {
  "lease() gives a task until its retention is over, and then drops it": briefly({}, async (sut) => {
    const { id } = await insertOne(sut.store);
    await sut.advance(KEEP_MS);
    await insertOne(sut.store, { id: "fresh" });
    assert.deepEqual(ids(await lease(sut.store)), ["fresh"]);
    assert.equal(await look(sut.store, id), undefined);
    assert.equal(await countTasks(sut.store), 1);
  }),

  "lease() gives a task to the last microsecond of its retention": briefly(
    {},
    async (sut) => {
      await insertOne(sut.store, { id: "a" });
      await insertOne(sut.store, { id: "b" });
      await sut.advance(KEEP_MS - ONE_US_IN_MS);
      assert.deepEqual(ids(await lease(sut.store, { maxTasks: 1 })), ["a"]);
      await sut.advance(ONE_US_IN_MS);
      assert.deepEqual(await lease(sut.store), []);
      assert.equal(await look(sut.store, "b"), undefined);
    },
    "manualClock",
  ),

  "lease() before the end lets its holder finish after it": briefly({}, async (sut) => {
    await insertOne(sut.store);
    const { id, retryCount } = await leaseOne(sut.store);
    await sut.advance(KEEP_MS);
    assert.deepEqual(await lease(sut.store), []);
    soleValue(await sut.store.extend(QUEUE, [{ id, retryCount, leaseMs: LONG_MS }]));
    await sut.store.sweep();
    assert.equal(await countTasks(sut.store), 1);
    soleValue(await sut.store.delete(QUEUE, [{ id, retryCount }]));
  }),

  "lease() drops what is given back after its retention": briefly({}, async (sut) => {
    await insertOne(sut.store);
    const { id, retryCount } = await leaseOne(sut.store);
    await sut.advance(KEEP_MS);
    soleValue(await sut.store.extend(QUEUE, [{ id, retryCount, leaseMs: 0 }]));
    assert.deepEqual(await lease(sut.store), []);
    assert.equal(await countTasks(sut.store), 0);
  }),

  "lease() goes by the retention that was set when the task came": briefly({}, async (sut) => {
    await insertOne(sut.store, { id: "brief" });
    await sut.store.putQueue(QUEUE, queueSettings());
    await insertOne(sut.store, { id: "endless" });
    await sut.store.putQueue(QUEUE, queueSettings({ retentionMs: KEEP_MS }));
    await sut.advance(KEEP_MS);
    assert.deepEqual(ids(await lease(sut.store)), ["endless"]);
  }),

  "lease() moves a task past its retention to the dead-letter queue": briefly(
    { deadLetterQueue: DEAD_LETTERS.queue },
    async (sut) => {
      const { id } = await insertOne(sut.store);
      await sut.advance(KEEP_MS);
      assert.deepEqual(await lease(sut.store), []);
      const task = only(await sut.store.lease([DEAD_LETTERS], leaseRequest()));
      assert.equal(task.id, id);
      assert.equal(task.deadLetter?.reason, "retention");
      assert.equal(task.deadLetter.retryCount, 0);
    },
  ),

  "lease() of dead letters goes by the retention of their queue, from when they came": briefly(
    { deadLetterQueue: DEAD_LETTERS.queue },
    async (sut) => {
      const settings = queueSettings({ retentionMs: 2 * KEEP_MS });
      await sut.store.putQueue(DEAD_LETTERS, settings);
      await insertOne(sut.store);
      await sut.advance(KEEP_MS);
      await lease(sut.store);
      assert.equal(await countTasks(sut.store, DEAD_LETTERS), 1);
      await sut.advance(2 * KEEP_MS);
      assert.deepEqual(await sut.store.lease([DEAD_LETTERS], leaseRequest()), []);
      assert.equal(await countTasks(sut.store, DEAD_LETTERS), 0);
    },
  ),
};
