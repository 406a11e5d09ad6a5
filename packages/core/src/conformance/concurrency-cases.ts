import assert from "node:assert/strict";
import type { QueueStore } from "../store.js";
import { ids, outcomes, soleValue } from "./expect.js";
import { insertAll, insertOne, LONG_MS, lease, leaseOne, QUEUE, SECOND_MS } from "./samples.js";
import { type CaseBody, type Cases, needing, type StoreUnderTest } from "./store-under-test.js";

const fenced = (run: CaseBody) => needing(["fences"], run);

const TASKS = 400;
const LEASERS = 8;

/** The two handles in turn, for as many callers. */
async function callers(sut: StoreUnderTest, count: number): Promise<readonly QueueStore[]> {
  const handles = [sut.store, await sut.another()];
  return Array.from({ length: count }, (_, index) => handles[index % 2]!);
}

/** Leases until nothing is left; each call takes a few. */
async function drain(store: QueueStore, maxTasks: number, leaseMs: number) {
  const taken: { readonly id: string; readonly retryCount: number }[] = [];
  for (;;) {
    const tasks = await store.lease([QUEUE], { maxTasks, leaseMs });
    if (tasks.length === 0) return taken;
    taken.push(...tasks);
  }
}

/** Several callers at once, on two handles where there are two. */
export const concurrencyCases: Cases = {
  "lease() never gives one task to two of eight leasers": async (sut) => {
    const stored = await insertAll(sut.store, Array(TASKS).fill({}));
    const leasers = await callers(sut, LEASERS);
    const taken = (
      await Promise.all(leasers.map((store, index) => drain(store, 1 + ((index * 3) % 10), LONG_MS)))
    ).flat();
    assert.equal(taken.length, TASKS, "each task once");
    assert.deepEqual(new Set(ids(taken)), new Set(ids(stored)));
    assert.ok(taken.every(({ retryCount }) => retryCount === 1));
  },

  "lease() gives each task whose lease has ended to one of eight leasers": needing(
    ["manualClock"],
    async (sut) => {
      await insertAll(sut.store, Array(TASKS / 2).fill({}));
      const leasers = await callers(sut, LEASERS);
      for (let round = 1; round <= 3; round++) {
        const taken = await Promise.all(leasers.map((store) => drain(store, 7, 10 * SECOND_MS)));
        assert.equal(new Set(ids(taken.flat())).size, TASKS / 2);
        assert.ok(taken.flat().every(({ retryCount }) => retryCount === round));
        assert.equal(taken.flat().length, TASKS / 2);
        await sut.advance(10 * SECOND_MS);
      }
    },
  ),

  "insert() by many at once keeps every task, under ids of their own": async (sut) => {
    const inserters = await callers(sut, 100);
    const stored = await Promise.all(inserters.map((store) => insertOne(store)));
    assert.equal(new Set(ids(stored)).size, 100);
    assert.deepEqual(new Set(ids(await lease(sut.store))), new Set(ids(stored)));
  },

  "insert() of one id by many at once succeeds for one of them": async (sut) => {
    const inserters = await callers(sut, 10);
    const results = await Promise.all(
      inserters.map((store) => store.insert(QUEUE, [{ payload: new Uint8Array(1), id: "one" }])),
    );
    assert.deepEqual(results.flatMap(outcomes).sort(), [...Array(9).fill("already_exists"), "ok"]);
    assert.equal((await lease(sut.store)).length, 1);
  },

  "delete() of one lease by many at once succeeds for one of them": fenced(async (sut) => {
    await insertOne(sut.store);
    const { id, retryCount } = await leaseOne(sut.store);
    const deleters = await callers(sut, 10);
    const results = await Promise.all(deleters.map((store) => store.delete(QUEUE, [{ id, retryCount }])));
    assert.deepEqual(results.flatMap(outcomes).sort(), [...Array(9).fill("not_found"), "ok"]);
  }),

  "extend() by nothing, by many at once, gives a task back once": fenced(async (sut) => {
    await insertOne(sut.store);
    const { id, retryCount } = await leaseOne(sut.store);
    const holders = await callers(sut, 6);
    const release = { id, retryCount, leaseMs: 0, uncounted: true };
    const results = await Promise.all(holders.map((store) => store.extend(QUEUE, [release])));
    assert.equal(results.flatMap(outcomes).filter((outcome) => outcome === "ok").length, 1);
    const again = await leaseOne(sut.store);
    assert.deepEqual([again.retryCount, again.uncounted], [2, 1]);
  }),

  "inserting, leasing, renewing and deleting at once loses and repeats nothing": fenced(async (sut) => {
    const workers = await callers(sut, 4);
    const producers = await callers(sut, 4);
    const done: string[] = [];
    let left = producers.length * 30;
    const work = async (store: QueueStore) => {
      while (left > 0) {
        const tasks = await store.lease([QUEUE], { maxTasks: 5, leaseMs: LONG_MS });
        for (const { id, retryCount } of tasks) {
          soleValue(await store.extend(QUEUE, [{ id, retryCount, leaseMs: LONG_MS }]));
          soleValue(await store.delete(QUEUE, [{ id, retryCount }]));
          done.push(id);
          left -= 1;
        }
        // Lets the others have a turn where nothing is there yet.
        await new Promise((resolve) => setImmediate(resolve));
      }
    };
    const produce = async (store: QueueStore) => {
      const made: string[] = [];
      for (let count = 0; count < 30; count++) made.push((await insertOne(store)).id);
      return made;
    };
    const made = Promise.all(producers.map(produce));
    await Promise.all([...workers.map(work), made]);
    assert.deepEqual(new Set(done), new Set((await made).flat()));
    assert.equal(done.length, producers.length * 30);
    assert.deepEqual((await sut.store.peek(QUEUE, { limit: 10 })).tasks, []);
  }),
};
