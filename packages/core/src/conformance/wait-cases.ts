import assert from "node:assert/strict";
import { ids, only, rejectsWith, rejectsWithReason, soleValue } from "./expect.js";
import { inTime, staysPending, whileAdvancing } from "./patience.js";
import {
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
import { type CaseBody, type Cases, needing, type StoreUnderTest } from "./store-under-test.js";

/** Longer than any case should take: only what wakes a call may end it. */
const WAIT_MS = 50 * SECOND_MS;
/** A wait whose end a case waits for. */
const SHORT_WAIT_MS = 4 * SECOND_MS;
/** How far the clock moves at a time: well above what another process's write may take to be noticed. */
const STEP_MS = SECOND_MS;

const waits = (run: CaseBody) => needing(["waits"], run);

const waitingLease = ({ store }: StoreUnderTest, signal?: AbortSignal, waitMs = WAIT_MS) =>
  store.lease([QUEUE], { maxTasks: 10, leaseMs: LONG_MS, waitMs }, { signal });

/** When a lease of `LONG_MS` was given. */
const leasedAtUs = (task: { readonly etaUs: number }) => task.etaUs - LONG_MS * 1_000;

/** Leases that wait, and what wakes them. */
export const waitCases: Cases = {
  "lease() without a wait does not wait": async (sut) => {
    assert.deepEqual(await inTime(lease(sut.store, { waitMs: 0 })), []);
    assert.deepEqual(await inTime(lease(sut.store)), []);
  },

  "lease() that may wait does not where a task is there": waits(async (sut) => {
    const { id } = await insertOne(sut.store);
    assert.deepEqual(ids(await inTime(waitingLease(sut))), [id]);
  }),

  "lease() that waits gives an empty list when the time is up, and not before": waits(async (sut) => {
    const waiting = waitingLease(sut, undefined, SHORT_WAIT_MS);
    await staysPending(waiting);
    const begunUs = sut.nowUs();
    assert.deepEqual(await whileAdvancing(sut, STEP_MS, waiting), []);
    assert.ok(sut.nowUs() - begunUs >= (SHORT_WAIT_MS - STEP_MS) * 1_000, "the whole wait must have passed");
  }),

  "lease() that waits gets its task although somebody who only waits was woken first": waits(async (sut) => {
    const controller = new AbortController();
    const watching = sut.store.wait([QUEUE], WAIT_MS, { signal: controller.signal });
    await staysPending(watching);
    const leasing = waitingLease(sut);
    await staysPending(leasing);
    const { id } = await insertOne(sut.store);
    assert.deepEqual(ids(await inTime(leasing)), [id]);
    // Where stores poll, the task may be gone before it is seen.
    controller.abort();
    await inTime(Promise.allSettled([watching]));
  }),

  "lease() that waits is woken by an insert": waits(async (sut) => {
    const waiting = waitingLease(sut);
    await staysPending(waiting);
    const { id } = await insertOne(sut.store);
    assert.deepEqual(ids(await inTime(waiting)), [id]);
  }),

  "lease() that waits is woken by an insert through another handle": waits(async (sut) => {
    const other = await sut.another();
    const waiting = waitingLease(sut);
    await staysPending(waiting);
    const { id } = await insertOne(other);
    assert.deepEqual(ids(await whileAdvancing(sut, STEP_MS, waiting)), [id]);
  }),

  "lease() that waits is woken by what another handle delayed, once it is due": needing(
    ["waits", "twoHandles"],
    async (sut) => {
      const other = await sut.another();
      const waiting = waitingLease(sut);
      await staysPending(waiting);
      const { id, etaUs } = await insertOne(other, { delayMs: 3 * SECOND_MS });
      const task = only(await whileAdvancing(sut, STEP_MS, waiting));
      assert.equal(task.id, id);
      assert.ok(leasedAtUs(task) >= etaUs, "leased before it was due");
    },
  ),

  "lease() that waits is woken at the new end when another handle shortens its lease": needing(
    ["waits", "twoHandles"],
    async (sut) => {
      const other = await sut.another();
      await insertOne(other);
      const { id, retryCount } = await leaseOne(other);
      const waiting = waitingLease(sut);
      await staysPending(waiting);
      const renewal = { id, retryCount, leaseMs: 2 * SECOND_MS };
      const { etaUs } = soleValue(await other.extend(QUEUE, [renewal]));
      const task = only(await whileAdvancing(sut, STEP_MS, waiting));
      assert.deepEqual([task.id, task.retryCount], [id, 2]);
      assert.ok(leasedAtUs(task) >= etaUs, "leased while somebody else had it");
    },
  ),

  "lease() that waits is woken by what another handle gives back": needing(
    ["waits", "twoHandles"],
    async (sut) => {
      const other = await sut.another();
      await insertOne(other);
      const { id, retryCount } = await leaseOne(other);
      const waiting = waitingLease(sut);
      await staysPending(waiting);
      soleValue(await other.extend(QUEUE, [{ id, retryCount, leaseMs: 0 }]));
      assert.deepEqual(ids(await whileAdvancing(sut, STEP_MS, waiting)), [id]);
    },
  ),

  "lease() that waits is woken when a delayed task is due, not before": waits(async (sut) => {
    const etaUs = sut.nowUs() + 3 * SECOND_US;
    await insertOne(sut.store, { etaUs });
    const task = only(await whileAdvancing(sut, STEP_MS, waitingLease(sut)));
    assert.ok(leasedAtUs(task) >= etaUs, "leased before it was due");
    assert.ok(
      leasedAtUs(task) < etaUs + (WAIT_MS / 2) * 1_000,
      "woken by the end of the wait, not by the task",
    );
  }),

  "lease() that waits is woken by the earliest of several, inserted while it waits": waits(async (sut) => {
    await insertOne(sut.store, { delayMs: LONG_MS });
    const waiting = waitingLease(sut);
    await staysPending(waiting);
    const { id, etaUs } = await insertOne(sut.store, { delayMs: 3 * SECOND_MS });
    const task = only(await whileAdvancing(sut, STEP_MS, waiting));
    assert.equal(task.id, id);
    assert.ok(leasedAtUs(task) >= etaUs);
  }),

  "lease() that waits is woken when the lease of another ends, not before": waits(async (sut) => {
    await insertOne(sut.store);
    const { id, etaUs } = await leaseOne(sut.store, { leaseMs: 3 * SECOND_MS });
    const task = only(await whileAdvancing(sut, STEP_MS, waitingLease(sut)));
    assert.deepEqual([task.id, task.retryCount], [id, 2]);
    assert.ok(leasedAtUs(task) >= etaUs, "leased while somebody else had it");
    assert.ok(
      leasedAtUs(task) < etaUs + (WAIT_MS / 2) * 1_000,
      "woken by the end of the wait, not by the task",
    );
  }),

  "lease() that waits is not misled by a lease that was renewed meanwhile": waits(async (sut) => {
    await insertOne(sut.store);
    const { id, retryCount } = await leaseOne(sut.store, { leaseMs: 2 * SECOND_MS });
    const waiting = waitingLease(sut);
    await staysPending(waiting);
    const renewed = soleValue(await sut.store.extend(QUEUE, [{ id, retryCount, leaseMs: 5 * SECOND_MS }]));
    const task = only(await whileAdvancing(sut, STEP_MS, waiting));
    assert.ok(leasedAtUs(task) >= renewed.etaUs, "leased while somebody else had it");
  }),

  "lease() that waits is woken by a task that is given back": waits(async (sut) => {
    await insertOne(sut.store);
    const { id, retryCount } = await leaseOne(sut.store);
    const waiting = waitingLease(sut);
    await staysPending(waiting);
    soleValue(await sut.store.extend(QUEUE, [{ id, retryCount, leaseMs: 0 }]));
    assert.deepEqual(ids(await inTime(waiting)), [id]);
  }),

  "lease() that waits for a tag is not ended by another": waits(async (sut) => {
    const request = { groupByTag: true, tag: "x", maxTasks: 1, leaseMs: LONG_MS, waitMs: WAIT_MS };
    const waiting = sut.store.lease([QUEUE], request);
    await staysPending(waiting);
    await insertOne(sut.store, { tag: "y" });
    await staysPending(waiting);
    const { id } = await insertOne(sut.store, { tag: "x" });
    assert.deepEqual(ids(await inTime(waiting)), [id]);
  }),

  "lease() that waits for several queues is woken by any": needing(
    ["waits", "leasesManyQueues"],
    async (sut) => {
      for (const queue of [QUEUE, OTHER_QUEUE]) {
        const request = { maxTasks: 1, leaseMs: LONG_MS, waitMs: WAIT_MS };
        const waiting = sut.store.lease([QUEUE, OTHER_QUEUE], request);
        await staysPending(waiting);
        const { id } = await insertOne(sut.store, {}, queue);
        const task = only(await inTime(waiting));
        assert.deepEqual([task.id, task.queue.queue], [id, queue.queue]);
      }
    },
  ),

  "lease() that waits is woken by an insert after its queue was deleted": needing(
    ["waits", "managesQueues"],
    async (sut) => {
      await insertOne(sut.store, { delayMs: LONG_MS });
      const waiting = waitingLease(sut);
      await staysPending(waiting);
      await sut.store.deleteQueue(QUEUE);
      await staysPending(waiting);
      const { id } = await insertOne(sut.store);
      assert.deepEqual(ids(await inTime(waiting)), [id]);
    },
  ),

  "lease() that waits ends when its queue hands out no more": needing(
    ["waits", "managesQueues"],
    async (sut) => {
      const waiting = waitingLease(sut);
      await staysPending(waiting);
      const ended = rejectsWith(waiting, "not_found");
      await sut.store.putQueue(QUEUE, queueSettings({ disabled: true }));
      await inTime(ended);
    },
  ),

  "wait() resolves true when a task comes, and leases nothing": waits(async (sut) => {
    const waiting = sut.store.wait([QUEUE], WAIT_MS);
    await staysPending(waiting);
    await insertOne(sut.store);
    assert.equal(await whileAdvancing(sut, STEP_MS, waiting), true);
    assert.equal((await leaseOne(sut.store)).retryCount, 1);
  }),

  "wait() resolves false when the time is up": waits(async (sut) => {
    assert.equal(await whileAdvancing(sut, STEP_MS, sut.store.wait([QUEUE], SHORT_WAIT_MS)), false);
    assert.equal(await whileAdvancing(sut, STEP_MS, sut.store.wait([QUEUE], 0)), false);
  }),

  "wait() resolves true when a delayed task is due": waits(async (sut) => {
    await insertOne(sut.store, { delayMs: 3 * SECOND_MS });
    assert.equal(await whileAdvancing(sut, STEP_MS, sut.store.wait([QUEUE], WAIT_MS)), true);
    assert.equal((await lease(sut.store)).length, 1);
  }),

  "wait() throws the reason when it is aborted": waits(async (sut) => {
    const controller = new AbortController();
    const waiting = sut.store.wait([QUEUE], WAIT_MS, { signal: controller.signal });
    await staysPending(waiting);
    const reason = new Error("stop");
    const aborted = rejectsWithReason(waiting, reason);
    controller.abort(reason);
    await inTime(aborted);
  }),
};
