import assert from "node:assert/strict";
import type { QueueAdmin } from "../store.js";
import type { QueueStats } from "../task.js";
import { soleValue } from "./expect.js";
import {
  insertAll,
  insertOne,
  LONG_MS,
  lease,
  leaseOne,
  OTHER_QUEUE,
  QUEUE,
  queueSettings,
  SECOND_MS,
  SECOND_US,
} from "./samples.js";
import { type CaseBody, type Cases, needing } from "./store-under-test.js";

const managed = (run: CaseBody) => needing(["managesQueues"], run);
const timed = (run: CaseBody) => needing(["managesQueues", "manualClock"], run);

async function statsOf(store: QueueAdmin): Promise<QueueStats> {
  const { stats } = await store.getQueue(QUEUE, { stats: true });
  assert.ok(stats !== undefined, "counts were asked for");
  return stats;
}

async function counts(store: QueueAdmin): Promise<readonly [total: number, available: number]> {
  const { totalTasks, availableTasks } = await statsOf(store);
  return [totalTasks, availableTasks];
}

/** Counts, exact at the moment they are taken. */
export const statsCases: Cases = {
  "getQueue() counts nothing in an empty queue": managed(async ({ store }) => {
    await store.putQueue(QUEUE, queueSettings());
    assert.deepEqual(await statsOf(store), {
      totalTasks: 0,
      leasedTasks: 0,
      payloadBytes: 0,
      availableTasks: 0,
      oldestEtaUs: undefined,
      leasedLastMinute: 0,
      leasedLastHour: 0,
    });
  }),

  "getQueue() counts leased and delayed tasks into the total, and only takeable ones as available": managed(
    async (sut) => {
      const { store } = sut;
      await insertAll(store, [{}, {}, {}]);
      await insertOne(store, { delayMs: 2 * SECOND_MS });
      assert.deepEqual(await counts(store), [4, 3]);
      await lease(store, { maxTasks: 2, leaseMs: 4 * SECOND_MS });
      assert.deepEqual(await counts(store), [4, 1]);
      await sut.advance(2 * SECOND_MS);
      assert.deepEqual(await counts(store), [4, 2]);
      await sut.advance(2 * SECOND_MS);
      assert.deepEqual(await counts(store), [4, 4]);
    },
  ),

  "getQueue() counts the tasks that are held by a lease, and the bytes of all": needing(
    ["managesLife"],
    async (sut) => {
      const { store } = sut;
      const payload = new Uint8Array(10);
      await insertAll(store, [{ payload }, { payload }, { payload }, { payload, delayMs: LONG_MS }]);
      const held = await lease(store, { maxTasks: 2, leaseMs: 2 * SECOND_MS });
      const measures = async () => {
        const { leasedTasks, payloadBytes } = await statsOf(store);
        return [leasedTasks, payloadBytes];
      };
      assert.deepEqual(await measures(), [2, 40]);
      soleValue(await store.extend(QUEUE, [{ id: held[0]!.id, retryCount: 1, leaseMs: 0 }]));
      assert.deepEqual(await measures(), [1, 40]);
      await sut.advance(2 * SECOND_MS);
      assert.deepEqual(await measures(), [0, 40]);
      soleValue(await store.delete(QUEUE, [{ id: held[0]!.id }]));
      assert.deepEqual(await measures(), [0, 30]);
      await store.purge(QUEUE);
      assert.deepEqual(await measures(), [0, 0]);
    },
  ),

  "getQueue() follows inserts, releases, deletes, drops and purges": managed(async (sut) => {
    const { store } = sut;
    await store.putQueue(QUEUE, queueSettings({ maxLeases: 1 }));
    await insertAll(store, [{}, {}, {}]);
    const { id, retryCount } = await leaseOne(store, { maxTasks: 1 });
    soleValue(await store.extend(QUEUE, [{ id, retryCount, leaseMs: 0, uncounted: true }]));
    assert.deepEqual(await counts(store), [3, 3]);
    soleValue(await store.delete(QUEUE, [{ id }]));
    assert.deepEqual(await counts(store), [2, 2]);
    await lease(store, { maxTasks: 1, leaseMs: SECOND_MS });
    await sut.advance(SECOND_MS);
    await lease(store);
    assert.deepEqual(await counts(store), [1, 0]);
    await store.purge(QUEUE);
    assert.deepEqual(await counts(store), [0, 0]);
  }),

  "getQueue() does not count an insert that added nothing": managed(async ({ store }) => {
    await insertAll(store, [{ idempotencyKey: "k" }, { idempotencyKey: "k" }, { id: "a" }]);
    await store.insert(QUEUE, [{ payload: new Uint8Array(), id: "a" }]);
    assert.deepEqual(await counts(store), [2, 2]);
  }),

  "getQueue() shows the earliest eta of any task, leased ones included": timed(async (sut) => {
    const { store } = sut;
    // Whole seconds, because Google's wire shows no more of it.
    const startUs = Math.ceil(sut.nowUs() / SECOND_US) * SECOND_US;
    const oldest = async () => (await statsOf(store)).oldestEtaUs;
    await insertAll(store, [
      { id: "b", etaUs: startUs + 20 * SECOND_US },
      { id: "a", etaUs: startUs + 10 * SECOND_US },
    ]);
    assert.equal(await oldest(), startUs + 10 * SECOND_US);
    await sut.advance((startUs - sut.nowUs()) / 1_000 + 10 * SECOND_MS);
    await lease(store, { leaseMs: 30 * SECOND_MS });
    assert.equal(await oldest(), startUs + 20 * SECOND_US);
    soleValue(await store.delete(QUEUE, [{ id: "b" }]));
    assert.equal(await oldest(), startUs + 40 * SECOND_US);
  }),

  "getQueue() counts leases of the last minute and hour": timed(async (sut) => {
    const { store } = sut;
    const leased = async () => {
      const { leasedLastMinute, leasedLastHour } = await statsOf(store);
      return [leasedLastMinute, leasedLastHour];
    };
    await insertAll(store, Array(5).fill({}));
    await lease(store, { maxTasks: 3 });
    assert.deepEqual(await leased(), [3, 3]);
    await sut.advance(40 * SECOND_MS);
    await lease(store, { maxTasks: 2 });
    assert.deepEqual(await leased(), [5, 5]);
    await sut.advance(30 * SECOND_MS);
    assert.deepEqual(await leased(), [2, 5]);
    await sut.advance(60 * SECOND_MS);
    assert.deepEqual(await leased(), [0, 5]);
    await sut.advance(3_600 * SECOND_MS);
    assert.equal((await leased())[1], 0);
  }),

  "getQueue() counts each lease of a task, and the leases of one queue only": timed(async ({ store }) => {
    await insertOne(store);
    await insertOne(store, {}, OTHER_QUEUE);
    for (let time = 0; time < 3; time++) await lease(store, { leaseMs: 0 });
    await store.lease([OTHER_QUEUE], { maxTasks: 1, leaseMs: LONG_MS });
    assert.equal((await statsOf(store)).leasedLastMinute, 3);
  }),

  "listQueues() shows the same counts": managed(async ({ store }) => {
    await insertAll(store, [{}, {}]);
    await lease(store, { maxTasks: 1 });
    const listed = await store.listQueues(QUEUE.project, { stats: true });
    assert.deepEqual(listed.queues[0]?.stats, await statsOf(store));
  }),

  "getQueue() counts the same through every handle": managed(async (sut) => {
    const other = await sut.another();
    await insertAll(sut.store, [{}, {}, {}]);
    assert.deepEqual(await counts(other), [3, 3]);
    await lease(other, { maxTasks: 1 });
    assert.deepEqual(await counts(sut.store), [3, 2]);
  }),
};
