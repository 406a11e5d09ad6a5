import assert from "node:assert/strict";
import type { TagStats } from "../task.js";
import { ids, rejectsWith } from "./expect.js";
import { insertAll, insertOne, LONG_MS, lease, QUEUE, queueSettings, SECOND_MS } from "./samples.js";
import { type CaseBody, type Cases, needing, type StoreUnderTest } from "./store-under-test.js";

const living = (run: CaseBody) => needing(["managesLife"], run);

async function counts({
  store,
}: StoreUnderTest): Promise<readonly (readonly [TagStats["tag"], number, number])[]> {
  const { tags } = await store.tagStats(QUEUE);
  return tags.map(({ tag, totalTasks, availableTasks }) => [tag, totalTasks, availableTasks]);
}

/** Counts by tag. */
export const tagStatsCases: Cases = {
  "tagStats() counts tasks by tag in order, those without one first, and tells the empty tag from none":
    living(async (sut) => {
      await insertAll(sut.store, [{ tag: "b" }, {}, { tag: "a" }, { tag: "" }, { tag: "b" }, { tag: "ä" }]);
      assert.deepEqual(await counts(sut), [
        [undefined, 1, 1],
        ["", 1, 1],
        ["a", 1, 1],
        ["b", 2, 2],
        ["ä", 1, 1],
      ]);
    }),

  "tagStats() counts leased and delayed tasks into the total, and only takeable ones as available": living(
    async (sut) => {
      await insertAll(sut.store, [{ tag: "x" }, { tag: "x" }, { tag: "x", delayMs: LONG_MS }, {}]);
      await lease(sut.store, { groupByTag: true, tag: "x", maxTasks: 1 });
      assert.deepEqual(await counts(sut), [
        [undefined, 1, 1],
        ["x", 3, 1],
      ]);
    },
  ),

  "tagStats() gives the earliest time at which one of a tag may be leased": living(async (sut) => {
    const later = await insertOne(sut.store, { tag: "x", delayMs: LONG_MS });
    await insertOne(sut.store, { tag: "x", delayMs: 2 * LONG_MS });
    const oldest = (await sut.store.tagStats(QUEUE)).tags[0]?.oldestEtaUs ?? 0;
    // Whole seconds over HTTP.
    assert.equal(Math.floor(oldest / 1_000_000), Math.floor(later.etaUs / 1_000_000));
  }),

  "tagStats() gives pages that miss and repeat nothing": living(async ({ store }) => {
    const tags = ["a", "b", "c", "d"];
    await insertAll(store, [{}, ...tags.map((tag) => ({ tag }))]);
    const found: TagStats["tag"][] = [];
    let pageToken: string | undefined;
    do {
      const page = await store.tagStats(QUEUE, {
        limit: 2,
        ...(pageToken === undefined ? {} : { pageToken }),
      });
      assert.ok(page.tags.length <= 2);
      found.push(...page.tags.map(({ tag }) => tag));
      pageToken = page.nextPageToken;
    } while (pageToken !== undefined);
    assert.deepEqual(found, [undefined, ...tags]);
  }),

  "tagStats() counts a long queue to the end": living(async (sut) => {
    for (const tag of ["x", undefined, "y"]) await insertAll(sut.store, Array(900).fill({ tag }));
    for (const tag of ["x", undefined, "x"]) await insertAll(sut.store, Array(800).fill({ tag }));
    assert.deepEqual(await counts(sut), [
      [undefined, 1_700, 1_700],
      ["x", 2_500, 2_500],
      ["y", 900, 900],
    ]);
  }),

  "tagStats() of an empty queue has none, and of an unknown one is not found": living(async (sut) => {
    await rejectsWith(sut.store.tagStats(QUEUE), "not_found");
    await sut.store.putQueue(QUEUE, queueSettings());
    assert.deepEqual(await counts(sut), []);
  }),

  "tagStats() refuses a limit and a page token that cannot be": living(async ({ store }) => {
    await store.putQueue(QUEUE, queueSettings());
    await rejectsWith(store.tagStats(QUEUE, { limit: 0 }), "invalid_argument");
    await rejectsWith(store.tagStats(QUEUE, { limit: 1001 }), "invalid_argument");
    await rejectsWith(store.tagStats(QUEUE, { pageToken: "no token" }), "invalid_argument");
  }),

  "purge() of a tag removes its tasks alone, leased ones too": living(async (sut) => {
    const { store } = sut;
    await insertAll(store, [
      { tag: "x" },
      { tag: "x", delayMs: LONG_MS },
      { id: "y", tag: "y" },
      { id: "none" },
    ]);
    await lease(store, { groupByTag: true, tag: "x", leaseMs: SECOND_MS });
    assert.equal(await store.purge(QUEUE, { only: { tag: "x" } }), 2);
    assert.deepEqual(ids((await store.peek(QUEUE, { limit: 10 })).tasks).toSorted(), ["none", "y"]);
    assert.equal(await store.purge(QUEUE, { only: { tag: "x" } }), 0);
  }),

  "purge() of the untagged leaves the empty tag, and the other way round": living(async (sut) => {
    const { store } = sut;
    await insertAll(store, [{ id: "none" }, { id: "empty", tag: "" }, { id: "none-2" }]);
    assert.equal(await store.purge(QUEUE, { only: { tag: undefined } }), 2);
    assert.deepEqual(ids((await store.peek(QUEUE, { limit: 10 })).tasks), ["empty"]);
    await insertOne(store, { id: "none-3" });
    assert.equal(await store.purge(QUEUE, { only: { tag: "" } }), 1);
    assert.deepEqual(ids((await store.peek(QUEUE, { limit: 10 })).tasks), ["none-3"]);
  }),
};
