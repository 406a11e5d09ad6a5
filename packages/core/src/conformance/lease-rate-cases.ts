import assert from "node:assert/strict";
import { ids, outcomes, rejectsWith } from "./expect.js";
import { whileAdvancing } from "./patience.js";
import {
  insertAll,
  insertOne,
  LONG_MS,
  lease,
  leaseRequest,
  ONE_US_IN_MS,
  OTHER_QUEUE,
  QUEUE,
  queueSettings,
  SECOND_MS,
} from "./samples.js";
import { type Case, type Cases, type Need, needing, type StoreUnderTest } from "./store-under-test.js";

/** A case on a queue that lets so many leases a second through. */
function limited(
  leasesPerSecond: number,
  run: (sut: StoreUnderTest) => Promise<void>,
  ...needs: readonly Need[]
): Case {
  return needing(["managesLife", ...needs], async (sut) => {
    await sut.store.putQueue(QUEUE, queueSettings({ leasesPerSecond }));
    await run(sut);
  });
}

/** So slow that no store under test gets a second lease through by taking its time. */
const ONE_AN_HOUR = 1 / 3600;

/** Leases past a queue's rate find nothing. */
export const leaseRateCases: Cases = {
  "lease() past its queue's rate finds nothing, and no error": limited(ONE_AN_HOUR, async ({ store }) => {
    await insertAll(store, [{ id: "a" }, { id: "b" }]);
    assert.equal((await lease(store, { maxTasks: 1 })).length, 1);
    assert.deepEqual(await lease(store), []);
    assert.deepEqual(await lease(store), []);
  }),

  "lease() is let through as often as a second's worth says, and again as time goes by": limited(
    10,
    async (sut) => {
      await insertAll(sut.store, Array(30).fill({}));
      const taken = async () => (await lease(sut.store, { maxTasks: 1 })).length;
      for (let count = 0; count < 10; count++) assert.equal(await taken(), 1);
      assert.equal(await taken(), 0);
      await sut.advance(100 - ONE_US_IN_MS);
      assert.equal(await taken(), 0);
      await sut.advance(ONE_US_IN_MS);
      assert.equal(await taken(), 1);
      assert.equal(await taken(), 0);
      await sut.advance(5 * SECOND_MS);
      for (let count = 0; count < 10; count++) assert.equal(await taken(), 1);
      assert.equal(await taken(), 0);
    },
    "manualClock",
  ),

  "lease() that is refused takes nothing from the next": limited(
    1,
    async (sut) => {
      await insertAll(sut.store, [{}, {}]);
      assert.equal((await lease(sut.store, { maxTasks: 1 })).length, 1);
      for (let count = 0; count < 20; count++) {
        await sut.advance(SECOND_MS / 20);
        const { length } = await lease(sut.store, { maxTasks: 1 });
        assert.equal(length, count === 19 ? 1 : 0);
      }
    },
    "manualClock",
  ),

  "lease() past the rate leaves inserts, renewals, releases and deletes alone": limited(
    ONE_AN_HOUR,
    async ({ store }) => {
      await insertAll(store, [{ id: "a" }, { id: "b" }]);
      const held = await lease(store);
      assert.deepEqual(await lease(store), []);
      const renewals = held.map(({ id, retryCount }) => ({ id, retryCount, leaseMs: LONG_MS }));
      assert.deepEqual(outcomes(await store.extend(QUEUE, renewals)), ["ok", "ok"]);
      assert.deepEqual(outcomes(await store.delete(QUEUE, held)), ["ok", "ok"]);
      await insertOne(store);
    },
  ),

  "lease() of several queues passes over one past its rate, and serves the others": limited(
    ONE_AN_HOUR,
    async ({ store }) => {
      await insertAll(store, [{ id: "a" }, { id: "b" }]);
      await insertAll(store, [{ id: "c" }, { id: "d" }], OTHER_QUEUE);
      const both = [QUEUE, OTHER_QUEUE];
      await store.lease([QUEUE], leaseRequest({ maxTasks: 1 }));
      assert.deepEqual(ids(await store.lease(both, leaseRequest())), ["c", "d"]);
    },
    "leasesManyQueues",
  ),

  "lease() that waits is let through as soon as the rate allows": limited(
    1,
    async (sut) => {
      await insertAll(sut.store, [{ id: "a" }, { id: "b" }]);
      assert.equal((await lease(sut.store, { maxTasks: 1 })).length, 1);
      const waiting = lease(sut.store, { maxTasks: 1, waitMs: 30 * SECOND_MS });
      const beganUs = sut.nowUs();
      assert.equal((await whileAdvancing(sut, SECOND_MS / 4, waiting)).length, 1);
      assert.ok(sut.nowUs() - beganUs < 10 * SECOND_MS * 1_000, "it must not wait to its end");
    },
    "waits",
  ),

  "lease() that waits is let through one after the other, nobody left out": limited(
    4,
    async (sut) => {
      await insertAll(sut.store, Array(12).fill({}));
      const waiting = Array.from({ length: 12 }, () =>
        lease(sut.store, { maxTasks: 1, waitMs: 50 * SECOND_MS }),
      );
      const taken = await whileAdvancing(sut, SECOND_MS / 4, Promise.all(waiting));
      assert.equal(new Set(taken.flatMap(ids)).size, 12);
    },
    "waits",
  ),

  "putQueue() refuses a rate that cannot be": limited(1, async ({ store }) => {
    for (const leasesPerSecond of [0, -1, Number.NaN, Number.POSITIVE_INFINITY]) {
      await rejectsWith(store.putQueue(QUEUE, queueSettings({ leasesPerSecond })), "invalid_argument");
    }
  }),
};
