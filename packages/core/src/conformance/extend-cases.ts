import assert from "node:assert/strict";
import { LEASE_MS_MAX } from "../limits.js";
import type { QueueStore } from "../store.js";
import type { LeaseExtension } from "../task.js";
import { ids, outcomes, soleValue } from "./expect.js";
import {
  insertAll,
  insertOne,
  LONG_MS,
  lease,
  leaseOne,
  look,
  ONE_US_IN_MS,
  QUEUE,
  SECOND_MS,
  SECOND_US,
} from "./samples.js";
import { type Cases, needing } from "./store-under-test.js";

async function extendOutcome(store: QueueStore, lease: LeaseExtension) {
  return outcomes(await store.extend(QUEUE, [lease]))[0];
}

/** Renewing a lease, shortening it, giving the task back. */
export const extendCases: Cases = {
  "extend() moves the end of a lease, counted from now": needing(["manualClock"], async (sut) => {
    await insertOne(sut.store);
    const { id, retryCount } = await leaseOne(sut.store, { leaseMs: 10 * SECOND_MS });
    await sut.advance(4 * SECOND_MS);
    const renewed = soleValue(await sut.store.extend(QUEUE, [{ id, retryCount, leaseMs: 10 * SECOND_MS }]));
    assert.equal(renewed.etaUs, sut.nowUs() + 10 * SECOND_US);
    assert.equal(renewed.retryCount, retryCount);
    assert.equal((await look(sut.store, id))?.etaUs, renewed.etaUs);
    await sut.advance(10 * SECOND_MS - ONE_US_IN_MS);
    assert.deepEqual(await lease(sut.store), []);
    await sut.advance(ONE_US_IN_MS);
    assert.equal((await leaseOne(sut.store)).retryCount, retryCount + 1);
  }),

  "extend() keeps a task hidden past the end of its first lease, again and again": async (sut) => {
    await insertOne(sut.store);
    const { id, retryCount } = await leaseOne(sut.store, { leaseMs: 3 * SECOND_MS });
    for (let renewal = 0; renewal < 3; renewal++) {
      await sut.advance(2 * SECOND_MS);
      soleValue(await sut.store.extend(QUEUE, [{ id, retryCount, leaseMs: 3 * SECOND_MS }]));
      assert.deepEqual(await lease(sut.store), []);
    }
    assert.equal((await look(sut.store, id))?.retryCount, 1);
  },

  "extend() shortens a lease too": async (sut) => {
    await insertOne(sut.store);
    const { id, retryCount } = await leaseOne(sut.store, { leaseMs: LONG_MS });
    soleValue(await sut.store.extend(QUEUE, [{ id, retryCount, leaseMs: SECOND_MS }]));
    await sut.advance(SECOND_MS);
    assert.equal((await leaseOne(sut.store)).id, id);
  },

  "extend() by nothing gives the task back at once, and its lease is over": async ({ store }) => {
    await insertOne(store);
    const { id, retryCount } = await leaseOne(store);
    const released = soleValue(await store.extend(QUEUE, [{ id, retryCount, leaseMs: 0 }]));
    assert.deepEqual([released.retryCount, released.uncounted], [1, 0]);
    assert.equal(await extendOutcome(store, { id, retryCount, leaseMs: LONG_MS }), "lease_lost");
    assert.equal((await leaseOne(store)).retryCount, 2);
  },

  "extend() notes what is given back uncounted, and retryCount still never decreases": needing(
    ["fences"],
    async ({ store }) => {
      await insertOne(store);
      for (let count = 1; count <= 3; count++) {
        const { id, retryCount, uncounted } = await leaseOne(store);
        assert.deepEqual([retryCount, uncounted], [count, count - 1]);
        const released = soleValue(
          await store.extend(QUEUE, [{ id, retryCount, leaseMs: 0, uncounted: true }]),
        );
        assert.deepEqual([released.retryCount, released.uncounted], [count, count]);
      }
    },
  ),

  "extend() refuses uncounted together with a lease, which goes on": needing(
    ["fences"],
    async ({ store }) => {
      await insertOne(store);
      const { id, retryCount } = await leaseOne(store);
      const wrong = { id, retryCount, leaseMs: SECOND_MS, uncounted: true };
      assert.equal(await extendOutcome(store, wrong), "invalid_argument");
      assert.equal((await look(store, id))?.uncounted, 0);
      assert.equal(await extendOutcome(store, { id, retryCount, leaseMs: LONG_MS }), "ok");
    },
  ),

  "extend() works until the end of the lease, to the microsecond, and not at the end": needing(
    ["manualClock"],
    async (sut) => {
      await insertOne(sut.store);
      const { id, retryCount } = await leaseOne(sut.store, { leaseMs: 10 * SECOND_MS });
      const renewal = { id, retryCount, leaseMs: 10 * SECOND_MS };
      await sut.advance(10 * SECOND_MS - ONE_US_IN_MS);
      assert.equal(await extendOutcome(sut.store, renewal), "ok");
      await sut.advance(10 * SECOND_MS);
      assert.equal(await extendOutcome(sut.store, renewal), "lease_lost");
      assert.equal((await leaseOne(sut.store)).retryCount, 2);
    },
  ),

  "extend() refuses a task that was never leased, available or delayed": async ({ store }) => {
    const available = await insertOne(store);
    const delayed = await insertOne(store, { delayMs: LONG_MS });
    for (const { id } of [available, delayed]) {
      assert.equal(await extendOutcome(store, { id, leaseMs: SECOND_MS }), "lease_lost");
      assert.equal(await extendOutcome(store, { id, retryCount: 0, leaseMs: SECOND_MS }), "lease_lost");
    }
    assert.deepEqual(ids(await lease(store)), [available.id]);
    assert.equal((await look(store, delayed.id))?.retryCount, 0);
  },

  "extend() refuses a task that is not there, or not there any more": async ({ store }) => {
    await insertOne(store);
    assert.equal(await extendOutcome(store, { id: "unknown", leaseMs: SECOND_MS }), "lease_lost");
    const { id, retryCount } = await leaseOne(store);
    soleValue(await store.delete(QUEUE, [{ id, retryCount }]));
    assert.equal(await extendOutcome(store, { id, retryCount, leaseMs: SECOND_MS }), "lease_lost");
  },

  "extend() of nothing is nothing": async ({ store }) => {
    await insertOne(store);
    assert.deepEqual(await store.extend(QUEUE, []), []);
  },

  "extend() gives a result for each item, in order, and a bad item does not fail its neighbours": async ({
    store,
  }) => {
    await insertAll(store, [{ id: "a" }, { id: "b" }, { id: "c" }]);
    await lease(store);
    const results = await store.extend(QUEUE, [
      { id: "a", leaseMs: 2 * LONG_MS },
      { id: "missing", leaseMs: SECOND_MS },
      { id: "not a valid id", leaseMs: SECOND_MS },
      { id: "b", leaseMs: -1 },
      { id: "c", leaseMs: 0 },
    ]);
    assert.deepEqual(outcomes(results), ["ok", "lease_lost", "invalid_argument", "invalid_argument", "ok"]);
    assert.deepEqual(
      results.map((result) => (result.ok ? result.value.id : undefined)),
      ["a", undefined, undefined, undefined, "c"],
    );
    assert.deepEqual(ids(await lease(store)), ["c"]);
  },

  "extend() refuses lengths that are none, and the lease goes on": async ({ store }) => {
    await insertOne(store);
    const { id, retryCount } = await leaseOne(store);
    for (const leaseMs of [-1, Number.NaN, Number.POSITIVE_INFINITY, LEASE_MS_MAX + 1]) {
      assert.equal(await extendOutcome(store, { id, retryCount, leaseMs }), "invalid_argument");
    }
    assert.equal(await extendOutcome(store, { id, retryCount, leaseMs: LEASE_MS_MAX }), "ok");
  },
};
