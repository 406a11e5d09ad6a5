import assert from "node:assert/strict";
import type { LeaseFence, TaskWithPayload } from "../task.js";
import { outcomes, soleValue } from "./expect.js";
import {
  insertAll,
  insertOne,
  LONG_MS,
  lease,
  leaseOne,
  look,
  OTHER_QUEUE,
  QUEUE,
  queueSettings,
  SECOND_MS,
} from "./samples.js";
import { type CaseBody, type Cases, needing, type StoreUnderTest } from "./store-under-test.js";

const fenced = (run: CaseBody) => needing(["fences"], run);

/** The ways to name a lease. */
type Fence = (held: TaskWithPayload) => LeaseFence;

const byCount: Fence = ({ id, retryCount }) => ({ id, retryCount });
const byEnd: Fence = ({ id, etaUs }) => ({ id, leaseEndUs: etaUs });
const byBoth: Fence = ({ id, retryCount, etaUs }) => ({ id, retryCount, leaseEndUs: etaUs });
const byCountAndOldEnd: Fence = ({ id, retryCount, etaUs }) => ({
  id,
  retryCount,
  leaseEndUs: etaUs - 1_000_000,
});
const byNothing: Fence = ({ id }) => ({ id });

const NAMING_A_LEASE: readonly Fence[] = [byCount, byEnd, byBoth, byCountAndOldEnd];

async function extendOutcome({ store }: StoreUnderTest, fence: LeaseFence) {
  return outcomes(await store.extend(QUEUE, [{ ...fence, leaseMs: LONG_MS }]))[0];
}

async function deleteOutcome({ store }: StoreUnderTest, fence: LeaseFence) {
  return outcomes(await store.delete(QUEUE, [fence]))[0];
}

/** Long enough for a case to act within it, short enough to wait for its end. */
const HELD_MS = 4 * SECOND_MS;

/** A short lease on a new task. */
async function held(sut: StoreUnderTest): Promise<TaskWithPayload> {
  await insertOne(sut.store);
  return leaseOne(sut.store, { leaseMs: HELD_MS });
}

/** A lease that has ended, and that of the next holder. */
async function lateAndNext(sut: StoreUnderTest) {
  const late = await held(sut);
  await sut.advance(HELD_MS);
  const next = await leaseOne(sut.store, { leaseMs: LONG_MS });
  assert.equal(next.id, late.id);
  return { late, next };
}

/** Every fence, on extend and delete, for the holder, the late holder and the next one. */
export const fenceCases: Cases = {
  "extend() and delete() take a live lease by its count, its end, both, or just by the id": fenced(
    async (sut) => {
      for (const fence of [byCount, byEnd, byBoth, byNothing]) {
        assert.equal(await extendOutcome(sut, fence(await held(sut))), "ok", fence.name);
        await sut.store.delete(QUEUE, await lookAll(sut));
        assert.equal(await deleteOutcome(sut, fence(await held(sut))), "ok", fence.name);
      }
    },
  ),

  "extend() refuses a late holder after somebody else has the task, and leaves that lease alone": fenced(
    async (sut) => {
      const { late, next } = await lateAndNext(sut);
      for (const fence of NAMING_A_LEASE) {
        assert.equal(await extendOutcome(sut, fence(late)), "lease_lost", fence.name);
      }
      assert.equal((await look(sut.store, next.id))?.etaUs, next.etaUs);
      assert.equal(await extendOutcome(sut, byBoth(next)), "ok");
    },
  ),

  "delete() refuses a late holder after somebody else has the task, who can still delete it": fenced(
    async (sut) => {
      const { late, next } = await lateAndNext(sut);
      for (const fence of NAMING_A_LEASE) {
        assert.equal(await deleteOutcome(sut, fence(late)), "lease_lost", fence.name);
      }
      assert.equal(await deleteOutcome(sut, byBoth(next)), "ok");
    },
  ),

  "extend() and delete() refuse a holder whose lease has ended, though nobody else has the task": fenced(
    async (sut) => {
      const late = await held(sut);
      await sut.advance(HELD_MS);
      for (const fence of NAMING_A_LEASE) {
        assert.equal(await extendOutcome(sut, fence(late)), "lease_lost", fence.name);
        assert.equal(await deleteOutcome(sut, fence(late)), "lease_lost", fence.name);
      }
      assert.equal(await extendOutcome(sut, byNothing(late)), "lease_lost");
      assert.equal((await leaseOne(sut.store)).retryCount, 2);
    },
  ),

  "extend() and delete() refuse a holder who gave the task back": fenced(async (sut) => {
    const past = await held(sut);
    soleValue(await sut.store.extend(QUEUE, [{ ...byCount(past), leaseMs: 0 }]));
    for (const fence of NAMING_A_LEASE) {
      assert.equal(await extendOutcome(sut, fence(past)), "lease_lost", fence.name);
      assert.equal(await deleteOutcome(sut, fence(past)), "lease_lost", fence.name);
    }
    assert.equal((await lease(sut.store)).length, 1);
  }),

  "delete() without a fence is unconditional: after the end, and though somebody else has the task": fenced(
    async (sut) => {
      const late = await held(sut);
      await sut.advance(HELD_MS);
      assert.equal(await deleteOutcome(sut, byNothing(late)), "ok");
      const { late: other } = await lateAndNext(sut);
      assert.equal(await deleteOutcome(sut, byNothing(other)), "ok");
      assert.deepEqual(await lookAll(sut), []);
    },
  ),

  "extend() without a fence moves whatever lease is live": fenced(async (sut) => {
    const { late, next } = await lateAndNext(sut);
    assert.equal(await extendOutcome(sut, byNothing(late)), "ok");
    assert.equal((await look(sut.store, next.id))?.retryCount, next.retryCount);
  }),

  "extend() by the count survives a renewal whose answer was lost": fenced(async (sut) => {
    const lost = await held(sut);
    await sut.advance(SECOND_MS);
    assert.equal(await extendOutcome(sut, byBoth(lost)), "ok");
    // Its answer never came: the holder only knows the old end.
    await sut.advance(SECOND_MS);
    assert.equal(await extendOutcome(sut, byBoth(lost)), "ok");
    assert.equal(await extendOutcome(sut, byCount(lost)), "ok");
    assert.equal(await deleteOutcome(sut, byBoth(lost)), "ok");
  }),

  "extend() and delete() by the end alone need exactly the present end": fenced(async (sut) => {
    const before = await held(sut);
    await sut.advance(SECOND_MS);
    const after = soleValue(await sut.store.extend(QUEUE, [{ ...byEnd(before), leaseMs: 20 * SECOND_MS }]));
    assert.notEqual(after.etaUs, before.etaUs);
    assert.equal(await extendOutcome(sut, byEnd(before)), "lease_lost");
    assert.equal(await deleteOutcome(sut, byEnd(before)), "lease_lost");
    assert.equal(await deleteOutcome(sut, { id: after.id, leaseEndUs: after.etaUs }), "ok");
  }),

  "extend() repeated is harmless, in one batch too": fenced(async (sut) => {
    const lease = await held(sut);
    const renewal = { ...byCount(lease), leaseMs: 30 * SECOND_MS };
    const results = await sut.store.extend(QUEUE, [renewal, renewal]);
    assert.deepEqual(outcomes(results), ["ok", "ok"]);
    assert.equal(await extendOutcome(sut, byCount(lease)), "ok");
    assert.equal((await look(sut.store, lease.id))?.retryCount, 1);
  }),

  "extend() and delete() refuse a count that is yet to come, or was never": fenced(async (sut) => {
    const { id, retryCount } = await held(sut);
    for (const wrong of [0, retryCount + 1, retryCount + 100]) {
      assert.equal(await extendOutcome(sut, { id, retryCount: wrong }), "lease_lost");
      assert.equal(await deleteOutcome(sut, { id, retryCount: wrong }), "lease_lost");
    }
    assert.equal(await deleteOutcome(sut, { id, retryCount }), "ok");
  }),

  "extend() and delete() refuse a count above all that a store can hold, without failing their neighbours":
    fenced(async ({ store }) => {
      await insertAll(store, [{ id: "a" }, { id: "b" }, { id: "c" }]);
      await lease(store);
      const fences = [
        { id: "a", retryCount: 2 ** 31 },
        { id: "b", retryCount: 1 },
        { id: "c", retryCount: Number.MAX_SAFE_INTEGER },
      ];
      const renewals = fences.map((fence) => ({ ...fence, leaseMs: LONG_MS }));
      const expected = ["lease_lost", "ok", "lease_lost"];
      assert.deepEqual(outcomes(await store.extend(QUEUE, renewals)), expected);
      assert.deepEqual(outcomes(await store.delete(QUEUE, fences)), expected);
      assert.equal((await store.peek(QUEUE, { limit: 100 })).tasks.length, 2);
    }),

  "delete() with a fence refuses a task that was never leased": fenced(async (sut) => {
    const available = await insertOne(sut.store);
    const delayed = await insertOne(sut.store, { delayMs: LONG_MS });
    for (const { id } of [available, delayed]) {
      assert.equal(await deleteOutcome(sut, { id, retryCount: 0 }), "lease_lost");
    }
    assert.equal(await deleteOutcome(sut, { id: delayed.id, leaseEndUs: delayed.etaUs }), "lease_lost");
    assert.equal((await lookAll(sut)).length, 2);
  }),

  "extend() and delete() take an end of 0 for a fence, which no lease has": fenced(async (sut) => {
    const { id } = await held(sut);
    assert.equal(await extendOutcome(sut, { id, leaseEndUs: 0 }), "lease_lost");
    assert.equal(await deleteOutcome(sut, { id, leaseEndUs: 0 }), "lease_lost");
    assert.equal((await look(sut.store, id))?.retryCount, 1);
  }),

  "delete() tells a late holder that its task is a dead letter now, and not that it is gone": fenced(
    async (sut) => {
      // A repeated delete takes "gone" for its own success, and this task lives on.
      if (!sut.store.supports.managesLife) return;
      await sut.store.putQueue(QUEUE, queueSettings({ maxLeases: 1, deadLetterQueue: OTHER_QUEUE.queue }));
      const { id, retryCount } = await held(sut);
      await sut.advance(HELD_MS);
      assert.deepEqual(await lease(sut.store), []);
      assert.equal((await look(sut.store, id)) ?? "moved", "moved");
      assert.equal(await deleteOutcome(sut, { id, retryCount }), "lease_lost");
      assert.equal(await deleteOutcome(sut, { id }), "not_found");
    },
  ),

  "extend() and delete() refuse fences that are no numbers of a lease": fenced(async (sut) => {
    const { id } = await held(sut);
    for (const wrong of [{ retryCount: -1 }, { retryCount: 1.5 }, { leaseEndUs: Number.NaN }]) {
      assert.equal(await extendOutcome(sut, { id, ...wrong }), "invalid_argument");
      assert.equal(await deleteOutcome(sut, { id, ...wrong }), "invalid_argument");
    }
    assert.equal((await lookAll(sut)).length, 1);
  }),
};

async function lookAll({ store }: StoreUnderTest) {
  return (await store.peek(QUEUE, { limit: 100 })).tasks.map(({ id }) => ({ id }));
}
