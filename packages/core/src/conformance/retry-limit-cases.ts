import assert from "node:assert/strict";
import type { QueueSettings } from "../task.js";
import { ids, soleValue } from "./expect.js";
import { inTime, staysPending } from "./patience.js";
import {
  countTasks,
  insertDue,
  insertOne,
  LONG_MS,
  lease,
  leaseOne,
  look,
  QUEUE,
  queueSettings,
  SECOND_MS,
} from "./samples.js";
import { type Case, type Cases, needing, type StoreUnderTest } from "./store-under-test.js";

/** A case on a queue whose tasks may be leased so many times. */
function limited(maxLeases: QueueSettings["maxLeases"], run: (sut: StoreUnderTest) => Promise<void>): Case {
  return needing(["managesQueues"], async (sut) => {
    await sut.store.putQueue(QUEUE, queueSettings({ maxLeases }));
    await run(sut);
  });
}

/** Leases of the whole queue that end by themselves. */
async function leaseAndExpire(sut: StoreUnderTest, times: number): Promise<void> {
  for (let time = 0; time < times; time++) {
    await lease(sut.store, { leaseMs: SECOND_MS });
    await sut.advance(SECOND_MS);
  }
}

/** Tasks whose leases have reached the queue's limit are dropped when a lease would next pick them. */
export const retryLimitCases: Cases = {
  "lease() gives a task as often as the limit says, then drops it": limited(3, async (sut) => {
    const { id } = await insertOne(sut.store);
    for (let count = 1; count <= 3; count++) {
      assert.equal((await leaseOne(sut.store, { leaseMs: SECOND_MS })).retryCount, count);
      await sut.advance(SECOND_MS);
    }
    assert.deepEqual(await lease(sut.store), []);
    assert.equal(await look(sut.store, id), undefined);
    assert.equal(await countTasks(sut.store), 0);
  }),

  "lease() drops a task only when it would pick it": limited(1, async (sut) => {
    const { id } = await insertOne(sut.store);
    await leaseAndExpire(sut, 1);
    assert.equal((await look(sut.store, id))?.retryCount, 1);
    assert.deepEqual(await lease(sut.store), []);
    assert.equal(await look(sut.store, id), undefined);
  }),

  "lease() fills up with younger tasks where it dropped some": limited(1, async (sut) => {
    await insertDue(sut, [
      { id: "old-1", step: 0 },
      { id: "old-2", step: 0 },
      { id: "old-3", step: 0 },
    ]);
    await leaseAndExpire(sut, 1);
    await insertDue(sut, [
      { id: "new-1", step: 0 },
      { id: "new-2", step: 1 },
      { id: "new-3", step: 2 },
    ]);
    assert.deepEqual(ids(await lease(sut.store, { maxTasks: 2 })), ["new-1", "new-2"]);
  }),

  "lease() never drops where there is no limit": limited(undefined, async (sut) => {
    await insertOne(sut.store);
    await leaseAndExpire(sut, 5);
    assert.equal((await leaseOne(sut.store)).retryCount, 6);
  }),

  "lease() does not count leases that were given back uncounted": needing(
    ["managesQueues", "fences"],
    async (sut) => {
      await sut.store.putQueue(QUEUE, queueSettings({ maxLeases: 2 }));
      const { id } = await insertOne(sut.store);
      for (let count = 1; count <= 4; count++) {
        const { retryCount } = await leaseOne(sut.store);
        assert.equal(retryCount, count);
        soleValue(await sut.store.extend(QUEUE, [{ id, retryCount, leaseMs: 0, uncounted: true }]));
      }
      await leaseAndExpire(sut, 2);
      assert.equal((await look(sut.store, id))?.retryCount, 6);
      assert.deepEqual(await lease(sut.store), []);
      assert.equal(await look(sut.store, id), undefined);
    },
  ),

  "lease() counts leases that were given back otherwise": limited(2, async (sut) => {
    const { id } = await insertOne(sut.store);
    for (let count = 1; count <= 2; count++) {
      const { retryCount } = await leaseOne(sut.store);
      soleValue(await sut.store.extend(QUEUE, [{ id, retryCount, leaseMs: 0 }]));
    }
    assert.deepEqual(await lease(sut.store), []);
  }),

  "lease() leaves the last lease its full rights": limited(1, async (sut) => {
    await insertOne(sut.store);
    const { id, retryCount } = await leaseOne(sut.store, { leaseMs: 2 * SECOND_MS });
    soleValue(await sut.store.extend(QUEUE, [{ id, retryCount, leaseMs: LONG_MS }]));
    await sut.advance(3 * SECOND_MS);
    assert.deepEqual(await lease(sut.store), []);
    soleValue(await sut.store.delete(QUEUE, [{ id, retryCount }]));
  }),

  "lease() keeps to the limit of the moment: a raised one saves a task": limited(1, async (sut) => {
    await insertOne(sut.store);
    await leaseAndExpire(sut, 1);
    await sut.store.putQueue(QUEUE, queueSettings({ maxLeases: 2 }));
    assert.equal((await leaseOne(sut.store, { leaseMs: SECOND_MS })).retryCount, 2);
    await sut.advance(SECOND_MS);
    assert.deepEqual(await lease(sut.store), []);
  }),

  "lease() by tag passes over dropped tasks to find the oldest": limited(1, async (sut) => {
    await insertDue(sut, [{ id: "spent", tag: "x", step: 0 }]);
    await leaseAndExpire(sut, 1);
    await insertDue(sut, [
      { id: "y1", tag: "y", step: 0 },
      { id: "x1", tag: "x", step: 1 },
      { id: "y2", tag: "y", step: 2 },
    ]);
    assert.deepEqual(ids(await lease(sut.store, { groupByTag: true })), ["y1", "y2"]);
    assert.deepEqual(ids(await lease(sut.store, { groupByTag: true, tag: "x" })), ["x1"]);
  }),

  "lease() that waits goes on waiting past tasks that it drops": needing(
    ["managesQueues", "waits"],
    async (sut) => {
      await sut.store.putQueue(QUEUE, queueSettings({ maxLeases: 1 }));
      const { id } = await insertOne(sut.store);
      await lease(sut.store, { leaseMs: 2 * SECOND_MS });
      // Longer than the clock moves: on a slow machine the call may begin only after it has moved.
      const waiting = lease(sut.store, { waitMs: 50 * SECOND_MS });
      await staysPending(waiting);
      await sut.advance(2 * SECOND_MS);
      await staysPending(waiting);
      await insertOne(sut.store, { id: "fresh" });
      assert.deepEqual(ids(await inTime(waiting)), ["fresh"]);
      assert.equal(await look(sut.store, id), undefined);
    },
  ),
};
