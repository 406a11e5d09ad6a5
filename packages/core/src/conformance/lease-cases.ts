import assert from "node:assert/strict";
import { LEASE_MS_MAX, LEASE_PAYLOAD_BYTES_DEFAULT, LEASE_PAYLOAD_BYTES_MAX } from "../limits.js";
import { ids, only, sameBytes } from "./expect.js";
import {
  insertAll,
  insertOne,
  LONG_MS,
  lease,
  leaseOne,
  look,
  ONE_US_IN_MS,
  OTHER_QUEUE,
  QUEUE,
  SECOND_MS,
  SECOND_US,
  textBytes,
} from "./samples.js";
import { type Cases, needing } from "./store-under-test.js";

const KIB = 1_024;

/** What a lease takes, how long it lasts, and how much it carries. */
export const leaseCases: Cases = {
  "lease() hides a task until its lease ends": async (sut) => {
    const { id } = await insertOne(sut.store);
    const first = await leaseOne(sut.store, { leaseMs: 4 * SECOND_MS });
    assert.equal(first.id, id);
    assert.equal(first.retryCount, 1);
    await sut.advance(2 * SECOND_MS);
    assert.deepEqual(await lease(sut.store), []);
    await sut.advance(2 * SECOND_MS);
    const second = await leaseOne(sut.store);
    assert.equal(second.id, id);
    assert.equal(second.retryCount, 2);
  },

  "lease() ends exactly at its end, not a microsecond earlier": needing(["manualClock"], async (sut) => {
    await insertOne(sut.store);
    const leased = await leaseOne(sut.store, { leaseMs: 10 * SECOND_MS });
    assert.equal(leased.etaUs, sut.nowUs() + 10 * SECOND_US);
    await sut.advance(10 * SECOND_MS - ONE_US_IN_MS);
    assert.deepEqual(await lease(sut.store), []);
    await sut.advance(ONE_US_IN_MS);
    assert.equal((await leaseOne(sut.store)).retryCount, 2);
  }),

  "lease() gives a task with all that is known of it": async (sut) => {
    const inserted = await insertOne(sut.store, { payload: textBytes("work"), tag: "t" });
    const { payload, ...task } = await leaseOne(sut.store);
    sameBytes(payload, textBytes("work"));
    const { etaUs: _, ...rest } = task;
    assert.deepEqual(
      { ...rest, queue: { ...rest.queue } },
      {
        queue: QUEUE,
        id: inserted.id,
        tag: "t",
        enqueuedAtUs: rest.enqueuedAtUs,
        retryCount: 1,
        uncounted: 0,
      },
    );
    assert.equal(Math.floor(task.enqueuedAtUs / SECOND_US), Math.floor(inserted.enqueuedAtUs / SECOND_US));
  },

  "lease() of an empty queue is an empty list": async ({ store }) => {
    assert.deepEqual(await lease(store), []);
  },

  "lease() takes no more than asked for, and none twice": async ({ store }) => {
    const stored = await insertAll(store, Array(7).fill({}));
    const taken = [
      await lease(store, { maxTasks: 3 }),
      await lease(store, { maxTasks: 3 }),
      await lease(store, { maxTasks: 3 }),
    ];
    assert.deepEqual(
      taken.map((tasks) => tasks.length),
      [3, 3, 1],
    );
    assert.deepEqual(new Set(ids(taken.flat())), new Set(ids(stored)));
  },

  "lease() gives all tasks of one call the same end": async ({ store }) => {
    await insertAll(store, Array(20).fill({}));
    const ends = new Set((await lease(store)).map(({ etaUs }) => etaUs));
    assert.equal(ends.size, 1);
  },

  "lease() of no time counts, and leaves the task available": async ({ store }) => {
    const { id } = await insertOne(store);
    assert.equal((await leaseOne(store, { leaseMs: 0 })).retryCount, 1);
    assert.equal((await leaseOne(store, { leaseMs: 0 })).retryCount, 2);
    const third = await leaseOne(store);
    assert.deepEqual([third.id, third.retryCount], [id, 3]);
  },

  "lease() lasts a week when asked to": needing(["manualClock"], async (sut) => {
    await insertOne(sut.store);
    await leaseOne(sut.store, { leaseMs: LEASE_MS_MAX });
    await sut.advance(LEASE_MS_MAX - 1);
    assert.deepEqual(await lease(sut.store), []);
    await sut.advance(1);
    assert.equal((await leaseOne(sut.store)).retryCount, 2);
  }),

  "lease() counts every lease of a task, over many": async (sut) => {
    await insertOne(sut.store);
    for (let count = 1; count <= 12; count++) {
      assert.equal((await leaseOne(sut.store, { leaseMs: 0 })).retryCount, count);
    }
  },

  "lease() stops before its payloads pass 1 MiB, and leaves the rest for the next": async ({ store }) => {
    const payload = new Uint8Array(400 * KIB);
    await insertAll(store, Array(5).fill({ payload }));
    const sizes: number[] = [];
    for (let call = 0; call < 3; call++) sizes.push((await lease(store)).length);
    assert.deepEqual(sizes, [2, 2, 1]);
  },

  "lease() fills its payload bytes to the last one": async ({ store }) => {
    await insertAll(store, Array(3).fill({ payload: new Uint8Array(LEASE_PAYLOAD_BYTES_DEFAULT / 2) }));
    assert.equal((await lease(store)).length, 2);
    assert.equal((await lease(store)).length, 1);
  },

  "lease() gives more payload bytes, or fewer, when asked to": async ({ store }) => {
    await insertAll(store, Array(4).fill({ payload: new Uint8Array(600 * KIB) }));
    assert.equal((await lease(store, { payloadBytesMax: LEASE_PAYLOAD_BYTES_MAX })).length, 4);
    await insertAll(store, Array(3).fill({ payload: new Uint8Array(100) }));
    assert.equal((await lease(store, { payloadBytesMax: 250 })).length, 2);
  },

  "lease() always gives one task, however large": async ({ store }) => {
    await insertAll(store, [{ payload: new Uint8Array(300 * KIB) }, { payload: new Uint8Array(0) }]);
    const first = await lease(store, { payloadBytesMax: 1 });
    assert.equal(only(first).payload.byteLength === 0 || only(first).payload.byteLength === 300 * KIB, true);
    assert.equal((await lease(store, { payloadBytesMax: 1 })).length, 1);
  },

  "lease() takes from several queues at once, each task with its own queue": needing(
    ["leasesManyQueues"],
    async ({ store }) => {
      const here = await insertOne(store, { id: "here" });
      const there = await insertOne(store, { id: "there" }, OTHER_QUEUE);
      const leased = await store.lease([QUEUE, OTHER_QUEUE], { maxTasks: 10, leaseMs: LONG_MS });
      const found = new Map(leased.map(({ id, queue }) => [id, queue.queue]));
      assert.deepEqual(
        found,
        new Map([
          [here.id, QUEUE.queue],
          [there.id, OTHER_QUEUE.queue],
        ]),
      );
    },
  ),

  "lease() of several queues takes no more than asked for of them together": needing(
    ["leasesManyQueues"],
    async ({ store }) => {
      await insertAll(store, Array(3).fill({}));
      await insertAll(store, Array(3).fill({}), OTHER_QUEUE);
      const request = { maxTasks: 4, leaseMs: LONG_MS };
      assert.equal((await store.lease([QUEUE, OTHER_QUEUE], request)).length, 4);
      assert.equal((await store.lease([OTHER_QUEUE, QUEUE], request)).length, 2);
    },
  ),

  "lease() changes nothing that it is given": async ({ store }) => {
    await insertOne(store);
    const request = Object.freeze({ maxTasks: 1, leaseMs: LONG_MS });
    const queues = Object.freeze([Object.freeze({ ...QUEUE })]);
    const task = only(await store.lease(queues, request));
    assert.equal((await look(store, task.id))?.retryCount, 1);
  },
};
