import assert from "node:assert/strict";
import { ids, only, rejectsWithReason, soleValue } from "./expect.js";
import { inTime, staysPending, whileAdvancing } from "./patience.js";
import { insertOne, LONG_MS, lease, leaseOne, QUEUE, SECOND_MS } from "./samples.js";
import { type CaseBody, type Cases, needing, type StoreUnderTest } from "./store-under-test.js";

const waits = (run: CaseBody) => needing(["waits"], run);

const waitingLease = ({ store }: StoreUnderTest, signal?: AbortSignal) =>
  store.lease([QUEUE], { maxTasks: 10, leaseMs: LONG_MS, waitMs: 50 * SECOND_MS }, { signal });

/** The only task must not be held by a call that was given up: it can be leased, and no attempt was used up. */
async function nothingHeld(sut: StoreUnderTest): Promise<void> {
  const task = only(await whileAdvancing(sut, SECOND_MS, waitingLease(sut)));
  // Without fences a store cannot be told that nobody worked on what is given back.
  if (!sut.store.supports.fences) return;
  assert.equal(task.retryCount - task.uncounted, 1, "a call that was given up must not use up an attempt");
}

/** Leases given up before, while and after they are given: nothing stays held, no attempt is used up. */
export const abortCases: Cases = {
  "lease() with a signal that has fired throws its reason and leases nothing": async (sut) => {
    await insertOne(sut.store);
    const reason = new Error("too late");
    const request = { maxTasks: 1, leaseMs: LONG_MS };
    await rejectsWithReason(sut.store.lease([QUEUE], request, { signal: AbortSignal.abort(reason) }), reason);
    assert.equal((await leaseOne(sut.store)).retryCount, 1);
  },

  "lease() aborted while it waits throws the reason at once, and holds nothing that comes after": waits(
    async (sut) => {
      const controller = new AbortController();
      const waiting = waitingLease(sut, controller.signal);
      await staysPending(waiting);
      const reason = { any: "value" };
      const aborted = rejectsWithReason(waiting, reason);
      controller.abort(reason);
      await inTime(aborted);
      await insertOne(sut.store);
      await nothingHeld(sut);
    },
  ),

  "lease() aborted at the moment of an insert either gives the task or holds nothing": waits(async (sut) => {
    for (let turn = 0; turn < 6; turn++) {
      const controller = new AbortController();
      const waiting = waitingLease(sut, controller.signal);
      await staysPending(waiting);
      const inserted = insertOne(sut.store);
      for (let microtask = 0; microtask < turn * 3; microtask++) await Promise.resolve();
      controller.abort(new Error("gone"));
      const outcome = await inTime(waiting.catch(() => undefined));
      const { id } = await inserted;
      if (outcome === undefined) await nothingHeld(sut);
      else assert.deepEqual(ids(outcome), [id]);
      soleValue(await sut.store.delete(QUEUE, [{ id }]));
    }
  }),

  "lease() aborted while it leases either gives the task or holds nothing": waits(async (sut) => {
    for (let turn = 0; turn < 6; turn++) {
      const { id } = await insertOne(sut.store);
      const controller = new AbortController();
      const leasing = waitingLease(sut, controller.signal);
      for (let microtask = 0; microtask < turn * 3; microtask++) await Promise.resolve();
      controller.abort(new Error("gone"));
      const outcome = await inTime(leasing.catch(() => undefined));
      if (outcome === undefined) await nothingHeld(sut);
      else assert.deepEqual(ids(outcome), [id]);
      soleValue(await sut.store.delete(QUEUE, [{ id }]));
    }
  }),

  "lease() does not care for an abort after it has given": waits(async (sut) => {
    await insertOne(sut.store);
    const controller = new AbortController();
    const { id, retryCount } = only(await waitingLease(sut, controller.signal));
    controller.abort(new Error("too late"));
    assert.deepEqual(await lease(sut.store), []);
    soleValue(await sut.store.delete(QUEUE, [{ id, retryCount }]));
  }),
};
