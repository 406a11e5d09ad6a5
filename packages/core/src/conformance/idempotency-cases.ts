import assert from "node:assert/strict";
import { IDEMPOTENCY_KEY_LENGTH_MAX, IDEMPOTENCY_MS, PAYLOAD_BYTES_MAX } from "../limits.js";
import type { QueueStore } from "../store.js";
import { ids, outcomes, sameBytes, soleValue, values } from "./expect.js";
import { insertAll, insertOne, lease, leaseOne, OTHER_QUEUE, QUEUE, textBytes } from "./samples.js";
import { type CaseBody, type Cases, needing } from "./store-under-test.js";

const fenced = (run: CaseBody) => needing(["fences"], run);

async function nothingLeft(store: QueueStore): Promise<void> {
  assert.deepEqual(await lease(store), [], "the repeated insert must not have added a task");
}

/** A repeated insert, after a lost answer, adds nothing. */
export const idempotencyCases: Cases = {
  "insert() repeated with its key gives the first task and adds none": fenced(async ({ store }) => {
    const first = await insertOne(store, { idempotencyKey: "k", payload: textBytes("first"), tag: "t" });
    const again = await insertOne(store, { idempotencyKey: "k", payload: textBytes("first"), tag: "t" });
    assert.equal(again.id, first.id);
    assert.equal(again.tag, "t");
    sameBytes((await leaseOne(store)).payload, textBytes("first"));
    await nothingLeft(store);
  }),

  "insert() repeated with its key adds none while the task is leased, and after it was deleted": fenced(
    async ({ store }) => {
      const { id } = await insertOne(store, { idempotencyKey: "k" });
      const { retryCount } = await leaseOne(store);
      assert.equal((await insertOne(store, { idempotencyKey: "k" })).id, id);
      await nothingLeft(store);
      soleValue(await store.delete(QUEUE, [{ id, retryCount }]));
      assert.equal((await insertOne(store, { idempotencyKey: "k" })).id, id);
      await nothingLeft(store);
    },
  ),

  "insert() repeated with its key and a chosen id succeeds instead of finding the id taken": fenced(
    async ({ store }) => {
      await insertOne(store, { idempotencyKey: "k", id: "chosen" });
      assert.equal((await insertOne(store, { idempotencyKey: "k", id: "chosen" })).id, "chosen");
      const other = await store.insert(QUEUE, [
        { payload: textBytes("x"), idempotencyKey: "k2", id: "chosen" },
      ]);
      assert.deepEqual(outcomes(other), ["already_exists"]);
    },
  ),

  "insert() tells keys apart exactly": fenced(async ({ store }) => {
    const keys = ["k", "K", "k ", "é", undefined];
    await insertAll(
      store,
      keys.map((idempotencyKey) => ({ idempotencyKey })),
    );
    await insertOne(store, { idempotencyKey: undefined });
    assert.equal((await lease(store)).length, keys.length + 1);
  }),

  "insert() adds one task for a key that stands twice in one batch": fenced(async ({ store }) => {
    const stored = await insertAll(store, [
      { idempotencyKey: "k" },
      { idempotencyKey: "other" },
      { idempotencyKey: "k" },
    ]);
    assert.equal(stored[2]?.id, stored[0]?.id);
    assert.notEqual(stored[1]?.id, stored[0]?.id);
    assert.equal((await lease(store)).length, 2);
  }),

  "insert() finds the keys of earlier inserts among new ones, however a batch sorts them": fenced(
    async ({ store }) => {
      // The last two are sorted one way by code points and another by code units.
      const batches = [
        ["a", "b", "c", "d"],
        ["d", "c", "b", "a"],
        ["a", "c", "b"],
        ["\u{1f600}", "\uff5e"],
      ];
      for (const [index, keys] of batches.entries()) {
        for (const known of keys) {
          // Keys of their own for each turn, in the same order.
          const keyed = (key: string) => ({ idempotencyKey: `${index}${known}${key}` });
          const { id } = await insertOne(store, keyed(known));
          const stored = await insertAll(store, keys.map(keyed));
          assert.equal(stored[keys.indexOf(known)]?.id, id, `${known} among ${keys}`);
          assert.equal(new Set(ids(stored)).size, keys.length);
        }
      }
    },
  ),

  "insert() keeps the keys of queues apart, because one publish goes to several": fenced(
    async ({ store }) => {
      await insertOne(store, { idempotencyKey: "k" });
      await insertOne(store, { idempotencyKey: "k" }, OTHER_QUEUE);
      assert.equal((await lease(store)).length, 1);
      assert.equal((await store.lease([OTHER_QUEUE], { maxTasks: 10, leaseMs: 1_000 })).length, 1);
    },
  ),

  "insert() adds one task for a key, however many send it at once": fenced(async (sut) => {
    const handles = [sut.store, await sut.another()];
    const calls = Array.from({ length: 20 }, (_, index) =>
      insertOne(handles[index % 2]!, { idempotencyKey: "k" }),
    );
    assert.equal(new Set(ids(await Promise.all(calls))).size, 1);
    assert.equal((await lease(sut.store)).length, 1);
  }),

  "insert() remembers a key for ten minutes at least": needing(["fences", "manualClock"], async (sut) => {
    const { id } = await insertOne(sut.store, { idempotencyKey: "k" });
    await sut.advance(IDEMPOTENCY_MS - 1);
    assert.equal((await insertOne(sut.store, { idempotencyKey: "k" })).id, id);
    assert.equal((await lease(sut.store)).length, 1);
  }),

  "insert() does not remember the key of an item that it refused": fenced(async ({ store }) => {
    const tooLarge = { payload: new Uint8Array(PAYLOAD_BYTES_MAX + 1), idempotencyKey: "k" };
    assert.deepEqual(outcomes(await store.insert(QUEUE, [tooLarge])), ["too_large"]);
    await insertOne(store, { id: "taken" });
    const taken = { payload: textBytes("x"), id: "taken", idempotencyKey: "k" };
    assert.deepEqual(outcomes(await store.insert(QUEUE, [taken])), ["already_exists"]);
    values(await store.insert(QUEUE, [{ payload: textBytes("x"), idempotencyKey: "k" }]));
    assert.equal((await lease(store)).length, 2);
  }),

  "insert() refuses a key that is empty or too long": fenced(async ({ store }) => {
    const payload = textBytes("x");
    const results = await store.insert(QUEUE, [
      { payload, idempotencyKey: "" },
      { payload, idempotencyKey: "x".repeat(IDEMPOTENCY_KEY_LENGTH_MAX + 1) },
      { payload, idempotencyKey: "x".repeat(IDEMPOTENCY_KEY_LENGTH_MAX) },
    ]);
    assert.deepEqual(outcomes(results), ["invalid_argument", "invalid_argument", "ok"]);
    assert.equal((await lease(store)).length, 1);
  }),
};
