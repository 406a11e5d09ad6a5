import assert from "node:assert/strict";
import { LIST_TASKS_MAX } from "../limits.js";
import type { QueueStore } from "../store.js";
import { ids, only, rejectsWith, sameBytes, soleValue } from "./expect.js";
import {
  insertAll,
  insertDue,
  insertOne,
  LONG_MS,
  lease,
  leaseOne,
  look,
  QUEUE,
  SECOND_MS,
  SECOND_US,
  textBytes,
} from "./samples.js";
import { type Cases, needing } from "./store-under-test.js";

/** The ids of all pages, and how many pages there were. `between` runs after each page. */
async function readPages(store: QueueStore, limit: number, between?: (page: number) => Promise<unknown>) {
  const pages: (readonly string[])[] = [];
  let pageToken: string | undefined;
  do {
    const page = await store.peek(QUEUE, { limit, pageToken });
    assert.ok(page.tasks.length <= limit, "a page has no more than asked for");
    assert.ok(pages.length < 1_000, "pages must come to an end");
    pages.push(ids(page.tasks));
    pageToken = page.nextPageToken;
    await between?.(pages.length);
  } while (pageToken !== undefined);
  return pages;
}

/** Looking without leasing: one task, or pages. */
export const peekCases: Cases = {
  "peek() of an id shows the task with its payload, and does not lease it": async ({ store }) => {
    const { id } = await insertOne(store, { payload: textBytes("look"), tag: "t" });
    const seen = only((await store.peek(QUEUE, { id })).tasks);
    assert.deepEqual([seen.id, seen.tag, seen.retryCount], [id, "t", 0]);
    sameBytes(seen.payload, textBytes("look"));
    assert.equal((await leaseOne(store)).retryCount, 1);
  },

  "peek() of an id shows the end of a lease, and who has it by the count": async ({ store }) => {
    await insertOne(store);
    const leased = await leaseOne(store);
    const seen = await look(store, leased.id);
    assert.deepEqual([seen?.etaUs, seen?.retryCount], [leased.etaUs, leased.retryCount]);
  },

  "peek() of an unknown or deleted id is an empty page": async ({ store }) => {
    const { id } = await insertOne(store);
    soleValue(await store.delete(QUEUE, [{ id }]));
    assert.deepEqual((await store.peek(QUEUE, { id })).tasks, []);
    assert.deepEqual((await store.peek(QUEUE, { id: "unknown" })).tasks, []);
  },

  "peek() of a page shows leased and delayed tasks too, by (eta, id), without payloads": async (sut) => {
    const startUs = sut.nowUs() + 10 * SECOND_US;
    await insertAll(sut.store, [
      { id: "c", etaUs: startUs + 2 * SECOND_US },
      { id: "b", etaUs: startUs },
      { id: "leased" },
      { id: "a", etaUs: startUs },
    ]);
    await lease(sut.store, { leaseMs: LONG_MS });
    const page = await sut.store.peek(QUEUE, { limit: 10 });
    assert.deepEqual(ids(page.tasks), ["a", "b", "c", "leased"]);
    assert.equal(page.nextPageToken, undefined);
    assert.deepEqual(
      page.tasks.map(({ retryCount }) => retryCount),
      [0, 0, 0, 1],
    );
    assert.ok(page.tasks.every(({ payload }) => payload === undefined));
  },

  "peek() of an empty queue is one empty page": async ({ store }) => {
    await lease(store);
    const page = await store.peek(QUEUE, { limit: LIST_TASKS_MAX });
    assert.deepEqual(page.tasks, []);
    assert.equal(page.nextPageToken, undefined);
  },

  "peek() gives every task once over its pages, in order, ties included": needing(
    ["managesQueues"],
    async (sut) => {
      await insertDue(
        sut,
        Array.from({ length: 25 }, (_, index) => ({
          id: `t${String((index * 7) % 25).padStart(2, "0")}`,
          step: index % 3,
        })),
      );
      const whole = only(await readPages(sut.store, LIST_TASKS_MAX));
      assert.equal(new Set(whole).size, 25);
      for (const limit of [1, 7, 24, 25]) {
        const pages = await readPages(sut.store, limit);
        assert.deepEqual(pages.flat(), whole);
        assert.equal(pages.length, Math.ceil(25 / limit));
      }
    },
  ),

  "peek() misses and repeats nothing that stays, while others come and go between pages": needing(
    ["managesQueues"],
    async (sut) => {
      const { store } = sut;
      await insertDue(
        sut,
        Array.from({ length: 30 }, (_, index) => ({
          id: `t${String(index).padStart(2, "0")}`,
          step: 0,
        })),
      );
      const gone = new Set<string>();
      const pages = await readPages(store, 10, async (page) => {
        // The last task of the page just read, where the next one begins, and one still to come.
        for (const id of [`t${page * 10 - 1}`.replace(/^t9$/, "t09"), `t${page * 10 + 5}`]) {
          await store.delete(QUEUE, [{ id }]);
          gone.add(id);
        }
        await insertOne(store, { id: `new-${page}` });
      });
      const seen = pages.flat();
      assert.equal(new Set(seen).size, seen.length, "no task twice");
      for (let index = 0; index < 30; index++) {
        const id = `t${String(index).padStart(2, "0")}`;
        assert.ok(seen.includes(id) || gone.has(id), `${id} is missing`);
      }
    },
  ),

  "peek() refuses a page token that no page gave": needing(["managesQueues"], async ({ store }) => {
    await insertOne(store);
    for (const pageToken of ["", "garbage", "e30", "W10", "x".repeat(10_000), "ä"]) {
      await rejectsWith(store.peek(QUEUE, { limit: 10, pageToken }), "invalid_argument");
    }
  }),

  "peek() refuses page sizes and ids that are none": async ({ store }) => {
    await insertOne(store);
    for (const limit of [0, -1, 1.5, Number.NaN, LIST_TASKS_MAX + 1]) {
      await rejectsWith(store.peek(QUEUE, { limit }), "invalid_argument");
    }
    for (const id of ["", "a b", "a/b", "x".repeat(501)]) {
      await rejectsWith(store.peek(QUEUE, { id }), "invalid_argument");
    }
  },

  "peek() shows a task whose lease has ended as it is: not given to anyone anew": async (sut) => {
    await insertOne(sut.store);
    const { id } = await leaseOne(sut.store, { leaseMs: SECOND_MS });
    await sut.advance(2 * SECOND_MS);
    assert.equal((await look(sut.store, id))?.retryCount, 1);
  },
};
