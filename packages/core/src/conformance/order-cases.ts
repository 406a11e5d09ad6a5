import assert from "node:assert/strict";
import type { NewTask } from "../task.js";
import { ids, soleValue } from "./expect.js";
import {
  insertAll,
  insertDue,
  insertOne,
  LONG_MS,
  lease,
  OTHER_QUEUE,
  QUEUE,
  SECOND_MS,
  SECOND_US,
} from "./samples.js";
import { type Cases, needing } from "./store-under-test.js";

/** Fifty tasks whose order of insertion is neither that of their times nor that of their ids; five share each time. */
const SHUFFLED = Array.from({ length: 50 }, (_, index) => {
  const place = (index * 29 + 7) % 50;
  const name = `task-${String((index * 17) % 50).padStart(2, "0")}`;
  return { id: name, step: Math.floor(place / 5) } satisfies Partial<NewTask> & { step: number };
});

/** The same ids in the order (eta, id). */
const SORTED = [...SHUFFLED].sort((a, b) => a.step - b.step || (a.id < b.id ? -1 : 1)).map(({ id }) => id);

/** The order (eta, id), within one answer and from one to the next. */
export const orderCases: Cases = {
  "lease() returns a mixed batch by eta, and equal etas by id": async (sut) => {
    await insertDue(sut, SHUFFLED);
    assert.deepEqual(ids(await lease(sut.store)), SORTED);
  },

  "lease() takes the oldest first, call after call": async (sut) => {
    await insertDue(sut, SHUFFLED);
    const taken: string[] = [];
    for (let call = 0; call < 8; call++) taken.push(...ids(await lease(sut.store, { maxTasks: 7 })));
    assert.deepEqual(taken, SORTED);
  },

  "lease() of one task after another gives the same order as of all at once": async (sut) => {
    await insertDue(sut, SHUFFLED.slice(0, 12));
    const expected = SORTED.filter((id) => SHUFFLED.slice(0, 12).some((task) => task.id === id));
    const taken: string[] = [];
    for (const _ of expected) taken.push(...ids(await lease(sut.store, { maxTasks: 1 })));
    assert.deepEqual(taken, expected);
  },

  "lease() gives tasks inserted one after the other in that order": async ({ store }) => {
    const inserted: string[] = [];
    for (let count = 0; count < 20; count++) inserted.push((await insertOne(store)).id);
    assert.deepEqual(ids(await lease(store)), inserted);
  },

  "lease() gives tasks of one batch in the order of the batch when the store chose their ids": async ({
    store,
  }) => {
    const inserted = ids(await insertAll(store, Array(20).fill({})));
    assert.deepEqual(ids(await lease(store)), inserted);
  },

  "lease() orders ids by their characters, capitals and digits included": async (sut) => {
    const names = ["b", "B", "a", "_", "-", "9", "10", "aa", "Z"];
    await insertDue(
      sut,
      names.map((id) => ({ id, step: 0 })),
    );
    assert.deepEqual(ids(await lease(sut.store)), [...names].sort());
  },

  "lease() puts a task with an eta in the past behind those that were there before it": async (sut) => {
    await insertOne(sut.store, { id: "there-before" });
    await sut.advance(2 * SECOND_MS);
    await insertOne(sut.store, { id: "past", etaUs: sut.nowUs() - 3_600 * SECOND_US });
    assert.deepEqual(ids(await lease(sut.store)), ["there-before", "past"]);
  },

  "lease() puts a task whose lease ended behind those that waited since before": async (sut) => {
    await insertDue(sut, [{ id: "early", step: 0 }]);
    await lease(sut.store, { leaseMs: 2 * SECOND_MS });
    await sut.advance(SECOND_MS);
    await insertOne(sut.store, { id: "later" });
    await sut.advance(SECOND_MS);
    assert.deepEqual(ids(await lease(sut.store)), ["later", "early"]);
  },

  "lease() puts a task by the time when it was given back": async (sut) => {
    await insertDue(sut, [
      { id: "a", step: 0 },
      { id: "b", step: 1 },
    ]);
    await lease(sut.store, { maxTasks: 1 });
    await sut.advance(SECOND_MS);
    soleValue(await sut.store.extend(QUEUE, [{ id: "a", leaseMs: 0 }]));
    assert.deepEqual(ids(await lease(sut.store)), ["b", "a"]);
  },

  "lease() of several queues gives one order for all of them": needing(["leasesManyQueues"], async (sut) => {
    const startUs = sut.nowUs() + SECOND_US;
    const task = (id: string, seconds: number) => ({ id, etaUs: startUs + seconds * SECOND_US });
    await insertAll(sut.store, [task("c", 2), task("a", 0), task("tie-2", 1)]);
    await insertAll(sut.store, [task("d", 3), task("tie-1", 1), task("b", 0)], OTHER_QUEUE);
    await sut.advance(6 * SECOND_MS);
    const leased = await sut.store.lease([OTHER_QUEUE, QUEUE], { maxTasks: 5, leaseMs: LONG_MS });
    assert.deepEqual(ids(leased), ["a", "b", "tie-1", "tie-2", "c"]);
  }),
};
