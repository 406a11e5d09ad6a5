import assert from "node:assert/strict";
import { outcomes, soleValue } from "./expect.js";
import { insertAll, insertOne, LONG_MS, lease, leaseOne, look, QUEUE, SECOND_MS } from "./samples.js";
import type { Cases } from "./store-under-test.js";

/** Tasks that are done. */
export const deleteCases: Cases = {
  "delete() removes a leased task for good": async (sut) => {
    await insertOne(sut.store);
    const { id, retryCount } = await leaseOne(sut.store, { leaseMs: SECOND_MS });
    assert.equal(soleValue(await sut.store.delete(QUEUE, [{ id, retryCount }])), undefined);
    assert.equal(await look(sut.store, id), undefined);
    await sut.advance(2 * SECOND_MS);
    assert.deepEqual(await lease(sut.store), []);
  },

  "delete() without a fence removes a task whether it waits, is delayed, or is held by anyone": async ({
    store,
  }) => {
    await insertAll(store, [{ id: "held" }]);
    await lease(store);
    await insertAll(store, [{ id: "waits" }, { id: "delayed", delayMs: LONG_MS }]);
    const results = await store.delete(QUEUE, [{ id: "waits" }, { id: "delayed" }, { id: "held" }]);
    assert.deepEqual(outcomes(results), ["ok", "ok", "ok"]);
    assert.deepEqual((await store.peek(QUEUE, { limit: 10 })).tasks, []);
  },

  "delete() says when there is no such task, or none any more": async ({ store }) => {
    const { id } = await insertOne(store);
    assert.deepEqual(outcomes(await store.delete(QUEUE, [{ id: "unknown" }])), ["not_found"]);
    assert.deepEqual(outcomes(await store.delete(QUEUE, [{ id }])), ["ok"]);
    assert.deepEqual(outcomes(await store.delete(QUEUE, [{ id }])), ["not_found"]);
  },

  "delete() of a task twice in one batch removes it once": async ({ store }) => {
    const { id } = await insertOne(store);
    assert.deepEqual(outcomes(await store.delete(QUEUE, [{ id }, { id }])), ["ok", "not_found"]);
  },

  "delete() gives a result for each item, in order, and a bad item does not fail its neighbours": async ({
    store,
  }) => {
    await insertAll(store, [{ id: "a" }, { id: "b" }, { id: "c" }]);
    const results = await store.delete(QUEUE, [
      { id: "a" },
      { id: "missing" },
      { id: "" },
      { id: "x/y" },
      { id: "c" },
    ]);
    const bad = "invalid_argument";
    assert.deepEqual(outcomes(results), ["ok", "not_found", bad, bad, "ok"]);
    assert.equal((await leaseOne(store)).id, "b");
  },

  "delete() of nothing is nothing": async ({ store }) => {
    await insertOne(store);
    assert.deepEqual(await store.delete(QUEUE, []), []);
    assert.equal((await lease(store)).length, 1);
  },

  "delete() of many tasks removes these and no others": async ({ store }) => {
    await insertAll(
      store,
      Array.from({ length: 100 }, (_, index) => ({ id: `t${index}` })),
    );
    const leased = await lease(store, { maxTasks: 60 });
    const results = await store.delete(
      QUEUE,
      leased.map(({ id, retryCount, etaUs }) => ({ id, retryCount, leaseEndUs: etaUs })),
    );
    assert.deepEqual(new Set(outcomes(results)), new Set(["ok"]));
    const rest = await lease(store);
    assert.equal(rest.length, 40);
    const gone = new Set(leased.map(({ id }) => id));
    assert.equal(
      rest.some(({ id }) => gone.has(id)),
      false,
    );
  },
};
