import assert from "node:assert/strict";
import { TAG_BYTES_MAX } from "../limits.js";
import { ids, rejectsWith } from "./expect.js";
import { insertDue, insertOne, LONG_MS, lease, look, OTHER_QUEUE, QUEUE, SECOND_MS } from "./samples.js";
import { type Cases, needing } from "./store-under-test.js";

const grouped = { groupByTag: true } as const;

/** Leasing by tag: every row of the table, and its corners. */
export const tagCases: Cases = {
  "lease() without groupByTag mixes tags": async (sut) => {
    await insertDue(sut, [
      { id: "a", tag: "x", step: 0 },
      { id: "b", step: 1 },
      { id: "c", tag: "y", step: 2 },
    ]);
    assert.deepEqual(ids(await lease(sut.store)), ["a", "b", "c"]);
  },

  "lease() by a tag takes only its tasks, in order": async (sut) => {
    await insertDue(sut, [
      { id: "oldest", tag: "y", step: 0 },
      { id: "second", tag: "x", step: 3 },
      { id: "first", tag: "x", step: 1 },
      { id: "untagged", step: 2 },
    ]);
    assert.deepEqual(ids(await lease(sut.store, { ...grouped, tag: "x" })), ["first", "second"]);
    assert.deepEqual(await lease(sut.store, { ...grouped, tag: "x" }), []);
    assert.deepEqual(ids(await lease(sut.store)), ["oldest", "untagged"]);
  },

  "lease() by an unknown tag finds nothing": async ({ store }) => {
    await insertOne(store, { tag: "x" });
    assert.deepEqual(await lease(store, { ...grouped, tag: "z" }), []);
  },

  "lease() by the oldest task's tag takes all of that tag, wherever they stand": async (sut) => {
    await insertDue(sut, [
      { id: "x1", tag: "x", step: 0 },
      { id: "y1", tag: "y", step: 1 },
      { id: "y2", tag: "y", step: 2 },
      { id: "none", step: 3 },
      { id: "x2", tag: "x", step: 4 },
    ]);
    assert.deepEqual(ids(await lease(sut.store, { ...grouped, maxTasks: 2 })), ["x1", "x2"]);
    assert.deepEqual(ids(await lease(sut.store, grouped)), ["y1", "y2"]);
    assert.deepEqual(ids(await lease(sut.store, grouped)), ["none"]);
    assert.deepEqual(await lease(sut.store, grouped), []);
  },

  "lease() by the oldest task's tag asks only tasks that are available": async (sut) => {
    await insertDue(sut, [
      { id: "leased", tag: "x", step: 0 },
      { id: "oldest", tag: "y", step: 1 },
      { id: "other", tag: "x", step: 2 },
    ]);
    await insertOne(sut.store, { id: "delayed", tag: "y", delayMs: LONG_MS });
    assert.deepEqual(ids(await lease(sut.store, { maxTasks: 1 })), ["leased"]);
    assert.deepEqual(ids(await lease(sut.store, grouped)), ["oldest"]);
  },

  "lease() by the oldest task's tag takes the untagged when that has none, as many as asked for": async (
    sut,
  ) => {
    await insertDue(sut, [
      { id: "n1", step: 0 },
      { id: "x1", tag: "x", step: 1 },
      { id: "x2", tag: "x", step: 2 },
      { id: "x3", tag: "x", step: 3 },
      { id: "n2", step: 4 },
      { id: "n3", step: 5 },
      { id: "n4", step: 6 },
    ]);
    assert.deepEqual(ids(await lease(sut.store, { ...grouped, maxTasks: 3 })), ["n1", "n2", "n3"]);
  },

  "lease() takes the empty tag for none given": async (sut) => {
    await insertDue(sut, [
      { id: "x1", tag: "x", step: 0 },
      { id: "n1", step: 1 },
      { id: "x2", tag: "x", step: 2 },
    ]);
    assert.deepEqual(ids(await lease(sut.store, { ...grouped, tag: "" })), ["x1", "x2"]);
    assert.deepEqual(ids(await lease(sut.store, { tag: "" })), ["n1"]);
  },

  "lease() by the oldest task's tag tells the empty tag from none": async (sut) => {
    await insertDue(sut, [
      { id: "empty-1", tag: "", step: 0 },
      { id: "none", step: 1 },
      { id: "empty-2", tag: "", step: 2 },
    ]);
    assert.deepEqual(ids(await lease(sut.store, grouped)), ["empty-1", "empty-2"]);
    assert.deepEqual(ids(await lease(sut.store, grouped)), ["none"]);
  },

  "lease() refuses a tag without groupByTag, and leases nothing": async ({ store }) => {
    const { id } = await insertOne(store, { tag: "x" });
    await rejectsWith(lease(store, { tag: "x" }), "invalid_argument");
    await rejectsWith(lease(store, { tag: "x", groupByTag: false }), "invalid_argument");
    assert.equal((await look(store, id))?.retryCount, 0);
  },

  "lease() compares tags exactly, byte for byte": async (sut) => {
    const tags = ["x", "X", "x ", "é", "e\u0301", "x".repeat(TAG_BYTES_MAX), "a&b=c/d?e#f%20+"];
    await insertDue(
      sut,
      tags.map((tag, index) => ({ id: `t${index}`, tag, step: 0 })),
    );
    for (const [index, tag] of tags.entries()) {
      assert.deepEqual(ids(await lease(sut.store, { ...grouped, tag })), [`t${index}`]);
    }
  },

  "lease() refuses a tag that no task can have": async ({ store }) => {
    for (const tag of ["x".repeat(TAG_BYTES_MAX + 1), "\ud800"]) {
      await rejectsWith(lease(store, { ...grouped, tag }), "invalid_argument");
    }
  },

  "lease() by tag leaves the others where they are in the order": async (sut) => {
    await insertDue(sut, [
      { id: "y1", tag: "y", step: 0 },
      { id: "x1", tag: "x", step: 1 },
      { id: "y2", tag: "y", step: 2 },
    ]);
    await lease(sut.store, { ...grouped, tag: "x", leaseMs: SECOND_MS });
    await sut.advance(SECOND_MS);
    assert.deepEqual(ids(await lease(sut.store)), ["y1", "y2", "x1"]);
  },

  "lease() by the oldest task's tag asks several queues together": needing(
    ["leasesManyQueues"],
    async ({ store }) => {
      // The first insert is the oldest or, in the same microsecond, has the smaller id.
      await insertOne(store, { id: "a", tag: "y" }, OTHER_QUEUE);
      await insertOne(store, { id: "b", tag: "x" });
      await insertOne(store, { id: "c", tag: "y" });
      const leased = await store.lease([QUEUE, OTHER_QUEUE], {
        ...grouped,
        maxTasks: 10,
        leaseMs: LONG_MS,
      });
      assert.deepEqual(ids(leased), ["a", "c"]);
    },
  ),
};
