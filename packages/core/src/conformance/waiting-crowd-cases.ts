import assert from "node:assert/strict";
import type { QueueStore } from "../store.js";
import { ids, only, rejectsWithReason } from "./expect.js";
import { inTime, staysPending, whileAdvancing } from "./patience.js";
import { insertAll, insertOne, LONG_MS, OTHER_QUEUE, QUEUE, SECOND_MS } from "./samples.js";
import { type CaseBody, type Cases, needing } from "./store-under-test.js";

const waits = (run: CaseBody) => needing(["waits"], run);

const request = { maxTasks: 1, leaseMs: LONG_MS, waitMs: 50 * SECOND_MS };

/** Leases with waits until the signal fires, and tells of each task. */
async function consume(
  store: QueueStore,
  maxTasks: number,
  signal: AbortSignal,
  onTask: (id: string) => void,
): Promise<void> {
  while (!signal.aborted) {
    for (const { id } of await store.lease([QUEUE], { ...request, maxTasks }, { signal })) onTask(id);
  }
}

/** Many that wait for the same queues: nobody starves, nothing is missed. */
export const waitingCrowdCases: Cases = {
  "lease() serves those who wait in the order in which they came": waits(async ({ store }) => {
    const waiting: ReturnType<QueueStore["lease"]>[] = [];
    for (let count = 0; count < 4; count++) {
      waiting.push(store.lease([QUEUE], request));
      await staysPending(waiting.at(-1)!);
      // Only who has looked in vain waits, and on a busy machine that takes a while: as long as this call, which goes the same way.
      assert.deepEqual(await store.lease([QUEUE], { maxTasks: 1, leaseMs: LONG_MS }), []);
    }
    for (const first of waiting) {
      const { id } = await insertOne(store);
      assert.deepEqual(ids(await inTime(first)), [id]);
    }
  }),

  "lease() wakes as many as there are tasks in one batch": waits(async ({ store }) => {
    const waiting = Array.from({ length: 10 }, () => store.lease([QUEUE], request));
    await staysPending(Promise.race(waiting));
    const stored = await insertAll(store, Array(10).fill({}));
    const taken = await inTime(Promise.all(waiting));
    assert.deepEqual(new Set(taken.map((tasks) => only(tasks).id)), new Set(ids(stored)));
  }),

  "lease() wakes the next when the lease of one who was woken ends": waits(async (sut) => {
    const shortly = { ...request, leaseMs: 2 * SECOND_MS };
    const waiting = [sut.store.lease([QUEUE], shortly), sut.store.lease([QUEUE], shortly)];
    await staysPending(Promise.race(waiting));
    const { id } = await insertOne(sut.store);
    assert.deepEqual(ids(await inTime(Promise.race(waiting))), [id]);
    const taken = await whileAdvancing(sut, SECOND_MS, Promise.all(waiting));
    assert.deepEqual(taken.map((tasks) => only(tasks).retryCount).sort(), [1, 2]);
  }),

  "lease() wakes the next when one who was woken has gone": waits(async ({ store }) => {
    const controller = new AbortController();
    const reason = new Error("gone");
    const first = store.lease([QUEUE], request, { signal: controller.signal });
    await staysPending(first);
    const second = store.lease([QUEUE], request);
    await staysPending(second);
    const gone = rejectsWithReason(first, reason);
    controller.abort(reason);
    const { id } = await insertOne(store);
    await inTime(gone);
    assert.deepEqual(ids(await inTime(second)), [id]);
  }),

  "lease() for a tag does not keep a task of another from those who wait behind": waits(async ({ store }) => {
    const picky = store.lease([QUEUE], { ...request, groupByTag: true, tag: "x" });
    await staysPending(picky);
    const any = store.lease([QUEUE], request);
    await staysPending(any);
    const other = await insertOne(store, { tag: "y" });
    assert.deepEqual(ids(await inTime(any)), [other.id]);
    const wanted = await insertOne(store, { tag: "x" });
    assert.deepEqual(ids(await inTime(picky)), [wanted.id]);
  }),

  "lease() of several queues leaves the second task to whoever waits for that queue": needing(
    ["waits", "leasesManyQueues"],
    async ({ store }) => {
      const both = store.lease([QUEUE, OTHER_QUEUE], request);
      await staysPending(both);
      const one = store.lease([OTHER_QUEUE], request);
      await staysPending(one);
      const inserted = await Promise.all([insertOne(store), insertOne(store, {}, OTHER_QUEUE)]);
      const taken = [only(await inTime(both)), only(await inTime(one))];
      assert.deepEqual(new Set(ids(taken)), new Set(ids(inserted)));
    },
  ),

  "lease() loses no wake-up: many wait on two handles, many insert, every task arrives once": waits(
    async (sut) => {
      const total = 300;
      const handles = [sut.store, await sut.another()];
      const seen: string[] = [];
      const done = new AbortController();
      const consumers = Array.from({ length: 8 }, (_, index) =>
        consume(handles[index % 2]!, 1 + (index % 3), done.signal, (id) => {
          seen.push(id);
          if (seen.length === total) done.abort();
        }).catch((error: unknown) => {
          if (!done.signal.aborted) throw error;
        }),
      );
      const producers = Array.from({ length: 6 }, async (_, index) => {
        for (let count = 0; count < total / 6; count += 5) {
          await insertAll(handles[index % 2]!, Array(5).fill({}));
        }
      });
      await whileAdvancing(sut, SECOND_MS, Promise.all([...consumers, ...producers]));
      assert.equal(seen.length, total);
      assert.equal(new Set(seen).size, total, "a task was held twice");
    },
  ),

  "lease() wakes those who wait when many tasks fall due together": waits(async (sut) => {
    await insertAll(sut.store, Array(8).fill({ delayMs: 3 * SECOND_MS }));
    const waiting = Array.from({ length: 8 }, () => sut.store.lease([QUEUE], request));
    const taken = await whileAdvancing(sut, SECOND_MS, Promise.all(waiting));
    assert.equal(new Set(taken.map((tasks) => only(tasks).id)).size, 8);
  }),
};
