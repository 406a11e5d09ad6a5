import assert from "node:assert/strict";
import { ids, outcomes, rejectsWith, soleValue } from "./expect.js";
import { inTime, staysPending } from "./patience.js";
import {
  countTasks,
  insertOne,
  LONG_MS,
  lease,
  leaseOne,
  leaseRequest,
  OTHER_QUEUE,
  QUEUE,
  queueSettings,
  SECOND_MS,
} from "./samples.js";
import { type CaseBody, type Cases, type Need, needing } from "./store-under-test.js";

function living(run: CaseBody, ...needs: readonly Need[]) {
  return needing(["managesLife", ...needs], run);
}

/** A paused queue takes tasks and hands none out. */
export const pauseCases: Cases = {
  "pauseQueue() makes leases find nothing, while tasks come in, until resumeQueue()": living(
    async ({ store }) => {
      const first = await insertOne(store);
      assert.equal((await store.pauseQueue(QUEUE)).paused, true);
      const second = await insertOne(store);
      assert.deepEqual(await lease(store), []);
      assert.equal(await countTasks(store), 2);
      assert.equal((await store.resumeQueue(QUEUE)).paused, false);
      assert.deepEqual(ids(await lease(store)), ids([first, second]));
    },
  ),

  "pauseQueue() counts no attempt": living(async ({ store }) => {
    await insertOne(store);
    await store.pauseQueue(QUEUE);
    await lease(store);
    await store.resumeQueue(QUEUE);
    assert.equal((await leaseOne(store)).retryCount, 1);
  }),

  "pauseQueue() leaves tasks to those who hold them: renewals, releases and deletes go on": living(
    async ({ store }) => {
      for (const id of ["a", "b", "c"]) await insertOne(store, { id });
      const [a, b, c] = await lease(store);
      await store.pauseQueue(QUEUE);
      const renewals = [
        { id: a!.id, retryCount: 1, leaseMs: LONG_MS },
        { id: b!.id, retryCount: 1, leaseMs: 0 },
      ];
      assert.deepEqual(outcomes(await store.extend(QUEUE, renewals)), ["ok", "ok"]);
      soleValue(await store.delete(QUEUE, [{ id: c!.id, retryCount: 1 }]));
      assert.deepEqual(await lease(store), []);
    },
  ),

  "pauseQueue() and resumeQueue() are the same when called twice, and show in every answer": living(
    async ({ store }) => {
      await store.putQueue(QUEUE, queueSettings({ maxLeases: 3 }));
      for (const paused of [true, true, false, false]) {
        const info = await (paused ? store.pauseQueue(QUEUE) : store.resumeQueue(QUEUE));
        assert.equal(info.paused, paused);
        assert.equal(info.settings.maxLeases, 3);
        assert.equal((await store.getQueue(QUEUE)).paused, paused);
        assert.equal((await store.listQueues(QUEUE.project)).queues[0]?.paused, paused);
      }
    },
  ),

  "putQueue() leaves a pause as it is": living(async ({ store }) => {
    await store.putQueue(QUEUE, queueSettings());
    await store.pauseQueue(QUEUE);
    assert.equal((await store.putQueue(QUEUE, queueSettings({ maxLeases: 2 }))).paused, true);
    await insertOne(store);
    assert.deepEqual(await lease(store), []);
  }),

  "lease() of several queues passes over paused ones": living(async ({ store }) => {
    await insertOne(store);
    const other = await insertOne(store, {}, OTHER_QUEUE);
    await store.pauseQueue(QUEUE);
    const tasks = await store.lease([QUEUE, OTHER_QUEUE], leaseRequest());
    assert.deepEqual(ids(tasks), [other.id]);
  }, "leasesManyQueues"),

  "lease() that waits goes on waiting in a paused queue, and is woken when it goes on": living(
    async ({ store }) => {
      await store.putQueue(QUEUE, queueSettings());
      await store.pauseQueue(QUEUE);
      const waiting = lease(store, { waitMs: 50 * SECOND_MS });
      const { id } = await insertOne(store);
      await staysPending(waiting);
      await store.resumeQueue(QUEUE);
      assert.deepEqual(ids(await inTime(waiting)), [id]);
    },
    "waits",
  ),

  "pauseQueue() and resumeQueue() of an unknown queue are not found": living(async ({ store }) => {
    await rejectsWith(store.pauseQueue(QUEUE), "not_found");
    await rejectsWith(store.resumeQueue(QUEUE), "not_found");
  }),
};
