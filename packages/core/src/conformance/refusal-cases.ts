import assert from "node:assert/strict";
import {
  BATCH_ITEMS_MAX,
  BATCH_PAYLOAD_BYTES_MAX,
  LEASE_MS_MAX,
  LEASE_PAYLOAD_BYTES_MAX,
  LEASE_QUEUES_MAX,
  LEASE_TASKS_MAX,
  PAYLOAD_BYTES_MAX,
  WAIT_MS_MAX,
} from "../limits.js";
import type { LeaseRequest, QueueKey } from "../task.js";
import { outcomes, rejectsWith } from "./expect.js";
import { insertOne, lease, leaseOne, leaseRequest, look, QUEUE, SECOND_MS, textBytes } from "./samples.js";
import type { Cases } from "./store-under-test.js";

const NO_COUNTS = [0, -1, 1.5, Number.NaN, Number.POSITIVE_INFINITY];

const WRONG_REQUESTS: readonly Partial<LeaseRequest>[] = [
  ...[...NO_COUNTS, LEASE_TASKS_MAX + 1].map((maxTasks) => ({ maxTasks })),
  ...[-1, Number.NaN, Number.POSITIVE_INFINITY, LEASE_MS_MAX + 1].map((leaseMs) => ({ leaseMs })),
  ...[...NO_COUNTS, LEASE_PAYLOAD_BYTES_MAX + 1].map((payloadBytesMax) => ({ payloadBytesMax })),
  ...[-1, Number.NaN, Number.POSITIVE_INFINITY, WAIT_MS_MAX + 1].map((waitMs) => ({ waitMs })),
];

/** What no type checker stops: wrong types, from JavaScript or from a file. */
const WRONG_TYPES = [{ maxTasks: "1" }, { leaseMs: "1000" }, { groupByTag: "true" }, { waitMs: null }];

/** Calls that are wrong as a whole: refused with a code, and nothing is changed. */
export const refusalCases: Cases = {
  "lease() refuses requests out of their ranges, and leases nothing": async ({ store }) => {
    const { id } = await insertOne(store);
    for (const wrong of WRONG_REQUESTS) await rejectsWith(lease(store, wrong), "invalid_argument");
    assert.equal((await look(store, id))?.retryCount, 0);
  },

  "lease() refuses requests of wrong types, and leases nothing": async ({ store }) => {
    const { id } = await insertOne(store);
    for (const wrong of WRONG_TYPES) {
      await rejectsWith(lease(store, wrong as unknown as Partial<LeaseRequest>), "invalid_argument");
    }
    assert.equal((await look(store, id))?.retryCount, 0);
  },

  "lease() takes the ends of its ranges": async ({ store }) => {
    await insertOne(store);
    await leaseOne(store, { maxTasks: 1, leaseMs: 0, payloadBytesMax: 1, waitMs: 0 });
    await leaseOne(store, {
      maxTasks: LEASE_TASKS_MAX,
      leaseMs: LEASE_MS_MAX,
      payloadBytesMax: LEASE_PAYLOAD_BYTES_MAX,
      waitMs: WAIT_MS_MAX,
    });
  },

  "lease() refuses no queue, too many, and one named twice": async ({ store }) => {
    await insertOne(store);
    const many = Array.from(
      { length: LEASE_QUEUES_MAX + 1 },
      (_, index): QueueKey => ({ ...QUEUE, queue: `q${index}` }),
    );
    for (const queues of [[], many, [QUEUE, QUEUE]]) {
      await rejectsWith(store.lease(queues, leaseRequest()), "invalid_argument");
    }
    assert.equal((await leaseOne(store)).retryCount, 1);
  },

  "wait() refuses times and queues that are none": async ({ store }) => {
    for (const waitMs of [-1, Number.NaN, Number.POSITIVE_INFINITY, WAIT_MS_MAX + 1]) {
      await rejectsWith(store.wait([QUEUE], waitMs), "invalid_argument");
    }
    await rejectsWith(store.wait([], 0), "invalid_argument");
    await rejectsWith(store.wait([QUEUE, QUEUE], 0), "invalid_argument");
  },

  "insert() refuses a batch of too many tasks or bytes as a whole": async ({ store }) => {
    await lease(store);
    const payload = textBytes("x");
    await rejectsWith(store.insert(QUEUE, Array(BATCH_ITEMS_MAX + 1).fill({ payload })), "too_large");
    const large = { payload: new Uint8Array(PAYLOAD_BYTES_MAX) };
    const count = BATCH_PAYLOAD_BYTES_MAX / PAYLOAD_BYTES_MAX + 1;
    await rejectsWith(store.insert(QUEUE, Array(count).fill(large)), "too_large");
    assert.deepEqual(await lease(store), []);
  },

  "extend() and delete() refuse a batch of too many as a whole": async ({ store }) => {
    await insertOne(store, { id: "t" });
    const { retryCount } = await leaseOne(store);
    const fences = Array(BATCH_ITEMS_MAX + 1).fill({ id: "t", retryCount });
    await rejectsWith(
      store.extend(
        QUEUE,
        fences.map((fence) => ({ ...fence, leaseMs: 0 })),
      ),
      "too_large",
    );
    await rejectsWith(store.delete(QUEUE, fences), "too_large");
    assert.deepEqual(outcomes(await store.delete(QUEUE, [{ id: "t", retryCount }])), ["ok"]);
  },

  "every batch refuses items that are no objects, without failing their neighbours": async ({ store }) => {
    const payload = textBytes("x");
    const nothings = [null, undefined, 7, "text"] as unknown as readonly never[];
    const bad = nothings.map(() => "invalid_argument");
    assert.deepEqual(outcomes(await store.insert(QUEUE, [{ payload }, ...nothings])), ["ok", ...bad]);
    const { id } = await leaseOne(store);
    const renewal = { id, leaseMs: SECOND_MS };
    assert.deepEqual(outcomes(await store.extend(QUEUE, [...nothings, renewal])), [...bad, "ok"]);
    assert.deepEqual(outcomes(await store.delete(QUEUE, [...nothings, { id }])), [...bad, "ok"]);
  },

  "every method refuses to take nothing for an object": async ({ store }) => {
    await lease(store);
    for (const nothing of [null, undefined, 7] as unknown as readonly never[]) {
      for (const call of [
        () => store.insert(nothing, []),
        () => store.lease([nothing], leaseRequest()),
        () => store.lease([QUEUE], nothing),
        () => store.extend(nothing, []),
        () => store.delete(nothing, []),
        () => store.peek(QUEUE, nothing),
        () => store.wait([nothing], 0),
        () => store.insert(QUEUE, nothing),
        () => store.extend(QUEUE, nothing),
        () => store.delete(QUEUE, nothing),
      ]) {
        await rejectsWith(call(), "invalid_argument");
      }
    }
  },

  "insert() refuses payloads that are no bytes": async ({ store }) => {
    for (const payload of ["text", undefined, null, [1, 2], new ArrayBuffer(2)]) {
      const results = await store.insert(QUEUE, [{ payload: payload as unknown as Uint8Array }]);
      assert.deepEqual(outcomes(results), ["invalid_argument"]);
    }
    assert.deepEqual(await lease(store, { leaseMs: SECOND_MS }), []);
  },
};
