import assert from "node:assert/strict";
import type { QueueKey } from "../task.js";
import { ids, only, outcomes, rejectsWith, rejectsWithReason } from "./expect.js";
import { whileAdvancing } from "./patience.js";
import {
  countTasks,
  DEAD_LETTERS,
  exhaustAll,
  insertAll,
  insertOne,
  lease,
  leaseOne,
  leaseRequest,
  OTHER_QUEUE,
  QUEUE,
  queueSettings,
  SECOND_MS,
  textBytes,
} from "./samples.js";
import { type Case, type Cases, needing, type StoreUnderTest } from "./store-under-test.js";

/** A case with dead letters: as many tasks as named, leased once. */
function afterFailure(
  tasks: readonly { readonly id?: string }[],
  run: (sut: StoreUnderTest) => Promise<void>,
): Case {
  return needing(["managesLife"], async (sut) => {
    await limit(sut, QUEUE);
    await insertAll(sut.store, tasks);
    await exhaustAll(sut);
    await run(sut);
  });
}

function limit({ store }: StoreUnderTest, queue: QueueKey) {
  return store.putQueue(queue, queueSettings({ maxLeases: 1, deadLetterQueue: DEAD_LETTERS.queue }));
}

/** Dead letters get another chance where they came from. */
export const redriveCases: Cases = {
  "redrive() moves dead letters back under their ids, as ordinary tasks with attempts left": afterFailure(
    [{ id: "a" }, { id: "b" }],
    async (sut) => {
      assert.equal(await sut.store.redrive(DEAD_LETTERS), 2);
      assert.equal(await countTasks(sut.store, DEAD_LETTERS), 0);
      const tasks = await lease(sut.store);
      assert.deepEqual([...ids(tasks)].sort(), ["a", "b"]);
      for (const task of tasks) {
        assert.equal(task.deadLetter, undefined);
        assert.deepEqual([task.retryCount, task.uncounted], [2, 1]);
      }
      assert.equal(await sut.store.redrive(DEAD_LETTERS), 0);
    },
  ),

  "redrive() of tasks that fail again is the same again": afterFailure([{ id: "a" }], async (sut) => {
    await sut.store.redrive(DEAD_LETTERS);
    await exhaustAll(sut);
    const task = only((await sut.store.peek(DEAD_LETTERS, { limit: 10 })).tasks);
    assert.equal(task.id, "a");
    assert.deepEqual([task.retryCount, task.deadLetter?.retryCount], [2, 2]);
    assert.equal(await sut.store.redrive(DEAD_LETTERS), 1);
    assert.equal((await leaseOne(sut.store)).retryCount, 3);
  }),

  "redrive() leaves what is leased now to its holder": afterFailure(
    [{ id: "a" }, { id: "b" }],
    async (sut) => {
      const [held] = await sut.store.lease([DEAD_LETTERS], leaseRequest({ maxTasks: 1 }));
      assert.equal(await sut.store.redrive(DEAD_LETTERS), 1);
      assert.deepEqual(outcomes(await sut.store.delete(DEAD_LETTERS, [held!])), ["ok"]);
      assert.equal(await countTasks(sut.store), 1);
    },
  ),

  "redrive() leaves what came from nowhere": afterFailure([{}], async (sut) => {
    const { id } = await insertOne(sut.store, {}, DEAD_LETTERS);
    assert.equal(await sut.store.redrive(DEAD_LETTERS), 1);
    assert.deepEqual(ids((await sut.store.peek(DEAD_LETTERS, { limit: 10 })).tasks), [id]);
  }),

  "redrive() leaves what came from a queue that is gone": afterFailure([{ id: "a" }], async (sut) => {
    await limit(sut, OTHER_QUEUE);
    await insertOne(sut.store, { id: "b" }, OTHER_QUEUE);
    await exhaustAll(sut, OTHER_QUEUE);
    await sut.store.deleteQueue(OTHER_QUEUE);
    assert.equal(await sut.store.redrive(DEAD_LETTERS), 1);
    assert.deepEqual(ids((await sut.store.peek(DEAD_LETTERS, { limit: 10 })).tasks), ["b"]);
    assert.deepEqual(ids(await lease(sut.store)), ["a"]);
  }),

  "redrive() moves each task to the queue that it came from": afterFailure([{ id: "a" }], async (sut) => {
    await limit(sut, OTHER_QUEUE);
    await insertOne(sut.store, { id: "b" }, OTHER_QUEUE);
    await exhaustAll(sut, OTHER_QUEUE);
    assert.equal(await sut.store.redrive(DEAD_LETTERS), 2);
    assert.deepEqual(ids(await lease(sut.store)), ["a"]);
    assert.deepEqual(ids(await sut.store.lease([OTHER_QUEUE], leaseRequest())), ["b"]);
  }),

  "redrive() gives a task another id where a new one has its own": needing(["managesLife"], async (sut) => {
    const settings = { maxLeases: 1, deadLetterQueue: DEAD_LETTERS.queue, tombstoneMs: 0 };
    await sut.store.putQueue(QUEUE, queueSettings(settings));
    await insertOne(sut.store, { id: "a", payload: textBytes("old") });
    await exhaustAll(sut);
    await insertOne(sut.store, { id: "a", payload: textBytes("new") });
    assert.equal(await sut.store.redrive(DEAD_LETTERS), 1);
    const tasks = await lease(sut.store);
    const texts = tasks.map(({ id, payload }) => [id === "a", new TextDecoder().decode(payload)]);
    assert.deepEqual(texts.sort(), [
      [false, "old"],
      [true, "new"],
    ]);
  }),

  "redrive() of many tells how far it is, and ends with all of them": afterFailure(
    Array(1_000).fill({}),
    async (sut) => {
      await insertAll(sut.store, Array(500).fill({}));
      await exhaustAll(sut);
      const told: number[] = [];
      const onProgress = (moved: number) => void told.push(moved);
      assert.equal(await sut.store.redrive(DEAD_LETTERS, { onProgress }), 1_500);
      assert.equal(told.at(-1), 1_500);
      assert.ok(told.length > 1);
      assert.equal(await countTasks(sut.store), 1_500);
    },
  ),

  "redrive() that is aborted throws the reason, and leaves what it had not moved": afterFailure(
    Array(1_000).fill({}),
    async (sut) => {
      await insertAll(sut.store, Array(500).fill({}));
      await exhaustAll(sut);
      const controller = new AbortController();
      const reason = new Error("stop");
      let moved = 0;
      const onProgress = (soFar: number) => {
        moved = soFar;
        controller.abort(reason);
      };
      const call = sut.store.redrive(DEAD_LETTERS, { onProgress, signal: controller.signal });
      await rejectsWithReason(call, reason);
      assert.ok(moved > 0);
      assert.equal(await countTasks(sut.store), moved);
      assert.equal(await countTasks(sut.store, DEAD_LETTERS), 1_500 - moved);
    },
  ),

  "redrive() wakes who waits where the tasks come back": needing(["managesLife", "waits"], async (sut) => {
    await limit(sut, QUEUE);
    const { id } = await insertOne(sut.store);
    await exhaustAll(sut);
    const waiting = lease(sut.store, { waitMs: 50 * SECOND_MS });
    await sut.store.redrive(DEAD_LETTERS);
    assert.deepEqual(ids(await whileAdvancing(sut, 0, waiting)), [id]);
  }),

  "redrive() of an unknown queue is not found": needing(["managesLife"], async ({ store }) => {
    await rejectsWith(store.redrive(DEAD_LETTERS), "not_found");
  }),
};
