import assert from "node:assert/strict";
import { TASK_ID_LENGTH_MAX, TOMBSTONE_MS_DEFAULT } from "../limits.js";
import { ids, outcomes, sameBytes, soleValue } from "./expect.js";
import {
  insertOne,
  lease,
  leaseOne,
  look,
  OTHER_QUEUE,
  QUEUE,
  queueSettings,
  SECOND_MS,
  textBytes,
} from "./samples.js";
import { type Cases, needing, type StoreUnderTest } from "./store-under-test.js";

const payload = textBytes("payload");

async function insertOutcome({ store }: StoreUnderTest, id: string) {
  return outcomes(await store.insert(QUEUE, [{ payload, id }]))[0];
}

/** Ids that a caller chooses: which, and for how long they stay taken. */
export const idCases: Cases = {
  "insert() keeps the id that its caller chose": async ({ store }) => {
    for (const id of [
      "a",
      "A-b_9",
      "x".repeat(TASK_ID_LENGTH_MAX),
      "-",
      "0123456789abcdeF",
      "0123456789abcde",
    ]) {
      assert.equal((await insertOne(store, { id })).id, id);
      assert.equal((await look(store, id))?.id, id);
      assert.equal((await leaseOne(store)).id, id);
    }
  },

  "insert() refuses an id that is not of the form, is kept for the store, or is the lease method's": async (
    sut,
  ) => {
    for (const id of [
      "",
      "a b",
      "a/b",
      "ä",
      "a.b",
      "a\n",
      "x".repeat(TASK_ID_LENGTH_MAX + 1),
      "0123456789abcdef",
      "lease",
    ]) {
      assert.equal(await insertOutcome(sut, id), "invalid_argument", JSON.stringify(id));
    }
    assert.deepEqual(await lease(sut.store), []);
  },

  "insert() refuses an id in use, whether its task waits or is leased, and leaves that task alone": async (
    sut,
  ) => {
    await insertOne(sut.store, { id: "taken", payload: textBytes("first"), tag: "first" });
    assert.equal(await insertOutcome(sut, "taken"), "already_exists");
    const leased = await leaseOne(sut.store);
    assert.equal(leased.tag, "first");
    sameBytes(leased.payload, textBytes("first"));
    assert.equal(await insertOutcome(sut, "taken"), "already_exists");
    assert.deepEqual(await lease(sut.store), []);
  },

  "insert() takes the first of two equal ids in one batch": async ({ store }) => {
    const results = await store.insert(QUEUE, [
      { payload, id: "twin", tag: "first" },
      { payload, id: "other" },
      { payload, id: "twin", tag: "second" },
    ]);
    assert.deepEqual(outcomes(results), ["ok", "ok", "already_exists"]);
    assert.equal((await look(store, "twin"))?.tag, "first");
    assert.equal((await lease(store)).length, 2);
  },

  "insert() takes the same id in another queue": async ({ store }) => {
    await insertOne(store, { id: "same" });
    assert.equal((await insertOne(store, { id: "same" }, OTHER_QUEUE)).id, "same");
  },

  "insert() refuses the id of a deleted task until its time is over, and then takes it": needing(
    ["manualClock"],
    async (sut) => {
      await insertOne(sut.store, { id: "gone" });
      const { retryCount } = await leaseOne(sut.store);
      soleValue(await sut.store.delete(QUEUE, [{ id: "gone", retryCount }]));
      assert.equal(await insertOutcome(sut, "gone"), "already_exists");
      await sut.advance(TOMBSTONE_MS_DEFAULT - SECOND_MS);
      assert.equal(await insertOutcome(sut, "gone"), "already_exists");
      await sut.advance(SECOND_MS);
      assert.equal(await insertOutcome(sut, "gone"), "ok");
      assert.equal((await leaseOne(sut.store)).id, "gone");
    },
  ),

  "insert() refuses the id of a task that was deleted without a lease": async (sut) => {
    await insertOne(sut.store, { id: "gone" });
    soleValue(await sut.store.delete(QUEUE, [{ id: "gone" }]));
    assert.equal(await insertOutcome(sut, "gone"), "already_exists");
    assert.equal(await look(sut.store, "gone"), undefined);
    assert.deepEqual(await lease(sut.store), []);
  },

  "insert() refuses the id of a task that was purged": needing(["managesQueues"], async (sut) => {
    await insertOne(sut.store, { id: "gone" });
    assert.equal(await sut.store.purge(QUEUE), 1);
    assert.equal(await insertOutcome(sut, "gone"), "already_exists");
  }),

  "insert() refuses the id of a task that was dropped at its retry limit": needing(
    ["managesQueues"],
    async (sut) => {
      await sut.store.putQueue(QUEUE, queueSettings({ maxLeases: 1 }));
      await insertOne(sut.store, { id: "gone" });
      await leaseOne(sut.store, { leaseMs: SECOND_MS });
      await sut.advance(SECOND_MS);
      assert.deepEqual(await lease(sut.store), []);
      assert.equal(await insertOutcome(sut, "gone"), "already_exists");
    },
  ),

  "insert() takes the id of a task whose queue was deleted since": needing(["managesQueues"], async (sut) => {
    await insertOne(sut.store, { id: "live" });
    await insertOne(sut.store, { id: "gone" });
    soleValue(await sut.store.delete(QUEUE, [{ id: "gone" }]));
    await sut.store.deleteQueue(QUEUE);
    assert.equal(await insertOutcome(sut, "gone"), "ok");
    assert.equal(await insertOutcome(sut, "live"), "ok");
    assert.deepEqual(new Set(ids(await lease(sut.store))), new Set(["gone", "live"]));
  }),
};
