import assert from "node:assert/strict";
import { ids, outcomes, rejectsWithReason } from "./expect.js";
import { countTasks, insertAll, insertOne, LONG_MS, lease, leaseOne, OTHER_QUEUE, QUEUE } from "./samples.js";
import { type CaseBody, type Cases, needing, type StoreUnderTest } from "./store-under-test.js";

const managed = (run: CaseBody) => needing(["managesQueues"], run);

async function fill({ store }: StoreUnderTest, count: number): Promise<void> {
  for (let left = count; left > 0; left -= 1_000) {
    await insertAll(store, Array(Math.min(left, 1_000)).fill({ payload: new Uint8Array(1) }));
  }
}

/** Emptying a queue. */
export const purgeCases: Cases = {
  "purge() removes waiting, delayed and leased tasks, and says how many": managed(async ({ store }) => {
    await insertAll(store, [{ id: "leased-1" }, { id: "leased-2" }]);
    await lease(store);
    await insertAll(store, [{ id: "waits" }, { id: "delayed", delayMs: LONG_MS }]);
    assert.equal(await store.purge(QUEUE), 4);
    assert.deepEqual((await store.peek(QUEUE, { limit: 10 })).tasks, []);
    assert.equal(await countTasks(store), 0);
    assert.equal(await store.purge(QUEUE), 0);
  }),

  "purge() takes the leases of those who hold tasks": managed(async ({ store }) => {
    await insertOne(store);
    const { id, retryCount } = await leaseOne(store);
    assert.equal(await store.purge(QUEUE), 1);
    const renewal = { id, retryCount, leaseMs: LONG_MS };
    assert.deepEqual(outcomes(await store.extend(QUEUE, [renewal])), ["lease_lost"]);
    assert.deepEqual(outcomes(await store.delete(QUEUE, [{ id, retryCount }])), ["not_found"]);
  }),

  "purge() leaves the queue, its settings, and other queues": managed(async ({ store }) => {
    await insertOne(store);
    const kept = await insertOne(store, {}, OTHER_QUEUE);
    const before = await store.getQueue(QUEUE);
    await store.purge(QUEUE);
    assert.deepEqual((await store.getQueue(QUEUE)).settings, before.settings);
    assert.deepEqual(ids((await store.peek(OTHER_QUEUE, { limit: 10 })).tasks), [kept.id]);
    const fresh = await insertOne(store);
    assert.deepEqual(ids(await lease(store)), [fresh.id]);
  }),

  "purge() of many tasks tells how far it is, and ends with all of them": managed(async (sut) => {
    await fill(sut, 2_500);
    const told: number[] = [];
    const onProgress = (removed: number) => void told.push(removed);
    assert.equal(await sut.store.purge(QUEUE, { onProgress }), 2_500);
    assert.equal(told.at(-1), 2_500);
    assert.deepEqual(
      [...told].sort((a, b) => a - b),
      told,
    );
    assert.equal(await countTasks(sut.store), 0);
  }),

  "purge() that is aborted throws the reason, and leaves what it had not removed": managed(async (sut) => {
    await fill(sut, 2_500);
    const controller = new AbortController();
    const reason = new Error("stop");
    let removed = 0;
    const onProgress = (soFar: number) => {
      removed = soFar;
      controller.abort(reason);
    };
    await rejectsWithReason(sut.store.purge(QUEUE, { onProgress, signal: controller.signal }), reason);
    assert.ok(removed > 0);
    assert.equal(await countTasks(sut.store), 2_500 - removed);
    let left = 0;
    for (let tasks = await lease(sut.store); tasks.length > 0; tasks = await lease(sut.store)) {
      left += tasks.length;
    }
    assert.equal(left, 2_500 - removed);
  }),
};
