import assert from "node:assert/strict";
import type { QueueSettings } from "../task.js";
import { ids } from "./expect.js";
import { whileAdvancing } from "./patience.js";
import {
  countTasks,
  DEAD_LETTERS,
  insertAll,
  insertOne,
  LONG_MS,
  lease,
  leaseRequest,
  look,
  QUEUE,
  queueSettings,
  SECOND_MS,
} from "./samples.js";
import { type Case, type Cases, type Need, needing, type StoreUnderTest } from "./store-under-test.js";

/** How long the queue keeps tasks: longer than any store takes to answer. */
const KEEP_MS = 2 * SECOND_MS;

/** A case on a queue that keeps tasks briefly, of a store that sweeps when told. */
function swept(
  settings: Partial<QueueSettings>,
  run: (sut: StoreUnderTest) => Promise<void>,
  ...needs: readonly Need[]
): Case {
  return needing(["managesLife", "sweeps", ...needs], async (sut) => {
    await sut.store.putQueue(QUEUE, queueSettings({ retentionMs: KEEP_MS, ...settings }));
    await run(sut);
  });
}

const NOTHING = { expiredTasks: 0, deadLetteredTasks: 0 };

/** What time has ended goes although nobody leases. */
export const sweepCases: Cases = {
  "sweep() removes tasks past their retention, delayed ones too, and says how many": swept(
    {},
    async (sut) => {
      await insertAll(sut.store, [{ id: "a" }, { id: "b" }, { id: "delayed", delayMs: LONG_MS }]);
      assert.deepEqual(await sut.store.sweep(), NOTHING);
      await sut.advance(KEEP_MS);
      await insertOne(sut.store, { id: "fresh" });
      assert.deepEqual(await sut.store.sweep(), { expiredTasks: 3, deadLetteredTasks: 0 });
      assert.deepEqual(ids((await sut.store.peek(QUEUE, { limit: 10 })).tasks), ["fresh"]);
      assert.equal(await countTasks(sut.store), 1);
      assert.deepEqual(await sut.store.sweep(), NOTHING);
    },
  ),

  "sweep() moves them where a dead-letter queue is named": swept(
    { deadLetterQueue: DEAD_LETTERS.queue },
    async (sut) => {
      const stored = await insertAll(sut.store, [{}, { delayMs: LONG_MS }]);
      await sut.advance(KEEP_MS);
      assert.deepEqual(await sut.store.sweep(), { expiredTasks: 0, deadLetteredTasks: 2 });
      const tasks = await sut.store.lease([DEAD_LETTERS], leaseRequest());
      assert.deepEqual(new Set(ids(tasks)), new Set(ids(stored)));
      for (const { deadLetter } of tasks) assert.equal(deadLetter?.reason, "retention");
    },
  ),

  "sweep() leaves a leased task until its lease ends": swept({}, async (sut) => {
    const { id } = await insertOne(sut.store);
    await lease(sut.store, { leaseMs: 3 * KEEP_MS });
    await sut.advance(KEEP_MS);
    assert.deepEqual(await sut.store.sweep(), NOTHING);
    assert.equal((await look(sut.store, id))?.retryCount, 1);
    await sut.advance(2 * KEEP_MS);
    assert.deepEqual(await sut.store.sweep(), { expiredTasks: 1, deadLetteredTasks: 0 });
  }),

  "sweep() of many goes in pieces, and ends with all of them": swept({}, async (sut) => {
    await insertAll(sut.store, Array(1_000).fill({}));
    await insertAll(sut.store, Array(500).fill({}));
    await sut.advance(KEEP_MS);
    assert.deepEqual(await sut.store.sweep(), { expiredTasks: 1_500, deadLetteredTasks: 0 });
    assert.equal(await countTasks(sut.store), 0);
  }),

  "sweep() from several handles at once counts each task once": swept({}, async (sut) => {
    const others = [await sut.another(), await sut.another()];
    await insertAll(sut.store, Array(1_000).fill({}));
    await insertAll(sut.store, Array(500).fill({}));
    await sut.advance(KEEP_MS);
    const results = await Promise.all([sut.store, ...others].map((store) => store.sweep()));
    const sum = results.reduce((total, { expiredTasks }) => total + expiredTasks, 0);
    assert.equal(sum, 1_500);
    assert.equal(await countTasks(sut.store), 0);
  }),

  "sweep() wakes who waits for dead letters": swept(
    { deadLetterQueue: DEAD_LETTERS.queue },
    async (sut) => {
      const { id } = await insertOne(sut.store);
      const waiting = sut.store.lease([DEAD_LETTERS], leaseRequest({ waitMs: 50 * SECOND_MS }));
      await sut.advance(KEEP_MS);
      await sut.store.sweep();
      assert.deepEqual(ids(await whileAdvancing(sut, 0, waiting)), [id]);
    },
    "waits",
  ),

  "sweep() of a store without anything to sweep is fine": swept({}, async ({ store }) => {
    assert.deepEqual(await store.sweep(), NOTHING);
  }),
};
