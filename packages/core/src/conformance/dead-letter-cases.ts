import assert from "node:assert/strict";
import { TOMBSTONE_MS_DEFAULT } from "../limits.js";
import type { QueueKey, QueueSettings, TaskWithPayload } from "../task.js";
import { ids, only, outcomes, rejectsWith, sameBytes, soleValue } from "./expect.js";
import { whileAdvancing } from "./patience.js";
import {
  countTasks,
  DEAD_LETTERS,
  exhaustAll,
  insertAll,
  insertOne,
  LONG_MS,
  lease,
  leaseRequest,
  look,
  OTHER_QUEUE,
  QUEUE,
  queueSettings,
  SECOND_MS,
  TRACE,
  textBytes,
} from "./samples.js";
import { type Case, type Cases, needing, type StoreUnderTest } from "./store-under-test.js";

/** A case on a queue whose tasks may be leased once, and then go to the dead letters. */
function withDeadLetters(run: (sut: StoreUnderTest) => Promise<void>): Case {
  return needing(["managesLife"], async (sut) => {
    await sut.store.putQueue(QUEUE, queueSettings({ maxLeases: 1, deadLetterQueue: DEAD_LETTERS.queue }));
    await run(sut);
  });
}

function put(sut: StoreUnderTest, queue: QueueKey, settings: Partial<QueueSettings>) {
  return sut.store.putQueue(queue, queueSettings(settings));
}

async function deadLetters(sut: StoreUnderTest): Promise<readonly TaskWithPayload[]> {
  return sut.store.lease([DEAD_LETTERS], leaseRequest({ leaseMs: SECOND_MS }));
}

/** Tasks that nobody could finish go to another queue, whole. */
export const deadLetterCases: Cases = {
  "putQueue() makes the dead-letter queue that it names, and leaves one that is there": withDeadLetters(
    async (sut) => {
      assert.deepEqual((await sut.store.getQueue(DEAD_LETTERS)).settings, queueSettings());
      await put(sut, DEAD_LETTERS, { maxLeases: 7 });
      await put(sut, QUEUE, { deadLetterQueue: DEAD_LETTERS.queue });
      assert.equal((await sut.store.getQueue(DEAD_LETTERS)).settings.maxLeases, 7);
      assert.equal((await sut.store.getQueue(QUEUE)).settings.deadLetterQueue, DEAD_LETTERS.queue);
    },
  ),

  "putQueue() refuses a queue as its own dead-letter queue": withDeadLetters(async (sut) => {
    await rejectsWith(put(sut, QUEUE, { deadLetterQueue: QUEUE.queue }), "invalid_argument");
    await rejectsWith(put(sut, QUEUE, { deadLetterQueue: "" }), "invalid_argument");
    assert.equal((await sut.store.getQueue(QUEUE)).settings.deadLetterQueue, DEAD_LETTERS.queue);
  }),

  "lease() moves a task at its retry limit to the dead-letter queue, whole": withDeadLetters(async (sut) => {
    const payload = textBytes("what it carries");
    const { id } = await insertOne(sut.store, { payload, tag: "tag", ...TRACE });
    const before = (await look(sut.store, id))!;
    await exhaustAll(sut);
    assert.equal(await look(sut.store, id), undefined);
    const [task] = (await sut.store.peek(DEAD_LETTERS, { id })).tasks;
    sameBytes(task?.payload, payload);
    assert.equal(task?.tag, "tag");
    assert.equal(task.enqueuedAtUs, before.enqueuedAtUs);
    assert.equal(task.traceparent, TRACE.traceparent);
    assert.equal(task.tracestate, TRACE.tracestate);
    assert.ok(task.etaUs <= sut.nowUs());
    assert.deepEqual(task.queue, DEAD_LETTERS);
  }),

  "lease() notes of a dead letter where it came from, why, how often it was leased and when": withDeadLetters(
    async (sut) => {
      const { id } = await insertOne(sut.store);
      const beforeUs = sut.nowUs();
      await exhaustAll(sut);
      const { deadLetter, retryCount, uncounted } = only(
        (await sut.store.peek(DEAD_LETTERS, { limit: 10 })).tasks,
      );
      const { atUs = 0, ...rest } = deadLetter ?? {};
      assert.deepEqual(rest, { queue: QUEUE.queue, id, reason: "retry_limit", retryCount: 1 });
      assert.ok(atUs >= beforeUs && atUs <= sut.nowUs());
      assert.deepEqual([retryCount, uncounted], [1, 1]);
      assert.deepEqual(only(await deadLetters(sut)).deadLetter, deadLetter);
    },
  ),

  "lease() of a dead letter counts on, and starts its attempts anew": withDeadLetters(async (sut) => {
    await put(sut, DEAD_LETTERS, { maxLeases: 2 });
    const { id } = await insertOne(sut.store);
    await exhaustAll(sut);
    for (const retryCount of [2, 3]) {
      const task = only(await deadLetters(sut));
      assert.deepEqual([task.id, task.retryCount], [id, retryCount]);
      await sut.advance(SECOND_MS);
    }
    assert.deepEqual(await deadLetters(sut), []);
    assert.equal(await countTasks(sut.store, DEAD_LETTERS), 0);
  }),

  "extend() and delete() refuse a holder from before the move": withDeadLetters(async (sut) => {
    const { id } = await insertOne(sut.store);
    const [held] = await exhaustAll(sut);
    const { retryCount } = held!;
    await deadLetters(sut);
    for (const queue of [QUEUE, DEAD_LETTERS]) {
      const renewal = { id, retryCount, leaseMs: LONG_MS };
      assert.deepEqual(outcomes(await sut.store.extend(queue, [renewal])), ["lease_lost"]);
    }
    assert.deepEqual(outcomes(await sut.store.delete(DEAD_LETTERS, [{ id, retryCount }])), ["lease_lost"]);
    assert.equal(await countTasks(sut.store, DEAD_LETTERS), 1);
  }),

  "lease() moves a task under its own id, unless a task there has it": withDeadLetters(async (sut) => {
    await insertOne(sut.store, { id: "taken" }, DEAD_LETTERS);
    await insertAll(sut.store, [{ id: "taken" }, { id: "free" }]);
    await exhaustAll(sut);
    const { tasks } = await sut.store.peek(DEAD_LETTERS, { limit: 10 });
    const moved = tasks.filter(({ deadLetter }) => deadLetter !== undefined);
    assert.deepEqual(moved.map(({ deadLetter }) => deadLetter?.id).sort(), ["free", "taken"]);
    const renamed = moved.find(({ deadLetter }) => deadLetter?.id === "taken");
    assert.match(renamed?.id ?? "", /^[0-9a-f]{16}$/);
    assert.ok(moved.some(({ id }) => id === "free"));
    assert.equal(tasks.length, 3);
  }),

  "insert() finds an id taken where a task was before its move": withDeadLetters(async (sut) => {
    await insertOne(sut.store, { id: "named" });
    await exhaustAll(sut);
    const again = await sut.store.insert(QUEUE, [{ id: "named", payload: textBytes("again") }]);
    assert.deepEqual(outcomes(again), ["already_exists"]);
  }),

  "lease() moves a task although its id is remembered there": withDeadLetters(async (sut) => {
    await insertOne(sut.store, { id: "named" }, DEAD_LETTERS);
    soleValue(await sut.store.delete(DEAD_LETTERS, [{ id: "named" }]));
    await insertOne(sut.store, { id: "named" });
    await exhaustAll(sut);
    assert.deepEqual(ids(await deadLetters(sut)), ["named"]);
  }),

  "lease() makes the dead-letter queue anew when it is gone": withDeadLetters(async (sut) => {
    await sut.store.deleteQueue(DEAD_LETTERS);
    const { id } = await insertOne(sut.store);
    await exhaustAll(sut);
    assert.deepEqual(ids(await deadLetters(sut)), [id]);
  }),

  "lease() moves tasks whatever the dead-letter queue may hold": withDeadLetters(async (sut) => {
    await put(sut, DEAD_LETTERS, { storageBytesMax: 0 });
    await insertOne(sut.store);
    await exhaustAll(sut);
    assert.equal(await countTasks(sut.store, DEAD_LETTERS), 1);
  }),

  "lease() moves many, and counts them where they are": withDeadLetters(async (sut) => {
    const stored = await insertAll(sut.store, Array(25).fill({ payload: new Uint8Array(3) }));
    await exhaustAll(sut);
    assert.equal(await countTasks(sut.store), 0);
    const { stats } = await sut.store.getQueue(DEAD_LETTERS, { stats: true });
    assert.equal(stats?.totalTasks, 25);
    assert.equal(stats.availableTasks, 25);
    assert.equal(stats.payloadBytes, 75);
    assert.deepEqual(new Set(ids(await deadLetters(sut))), new Set(ids(stored)));
  }),

  "lease() drops a dead letter at its limit, or moves it on where another queue is named": withDeadLetters(
    async (sut) => {
      await put(sut, DEAD_LETTERS, { maxLeases: 1, deadLetterQueue: OTHER_QUEUE.queue });
      await insertOne(sut.store);
      await exhaustAll(sut);
      await deadLetters(sut);
      await sut.advance(SECOND_MS);
      assert.deepEqual(await deadLetters(sut), []);
      const task = only(await sut.store.lease([OTHER_QUEUE], leaseRequest()));
      assert.equal(task.deadLetter?.queue, DEAD_LETTERS.queue);
      assert.equal(task.retryCount, 3);
    },
  ),

  "lease() that waits for dead letters is woken by a move": needing(["managesLife", "waits"], async (sut) => {
    await put(sut, QUEUE, { maxLeases: 1, deadLetterQueue: DEAD_LETTERS.queue });
    const { id } = await insertOne(sut.store);
    const waiting = sut.store.lease([DEAD_LETTERS], leaseRequest({ waitMs: 50 * SECOND_MS }));
    await exhaustAll(sut);
    assert.deepEqual(ids(await whileAdvancing(sut, 0, waiting)), [id]);
  }),

  "delete() of a moved task leaves its id taken, as long as the queue that it was in says": needing(
    ["managesLife", "manualClock"],
    async (sut) => {
      await put(sut, QUEUE, { maxLeases: 1, deadLetterQueue: DEAD_LETTERS.queue, tombstoneMs: 0 });
      await insertOne(sut.store, { id: "named" });
      await exhaustAll(sut);
      soleValue(await sut.store.delete(DEAD_LETTERS, [{ id: "named" }]));
      await insertOne(sut.store, { id: "named" });
      const insert = () => sut.store.insert(DEAD_LETTERS, [{ id: "named", payload: textBytes("") }]);
      assert.deepEqual(outcomes(await insert()), ["already_exists"]);
      await sut.advance(TOMBSTONE_MS_DEFAULT);
      assert.deepEqual(outcomes(await insert()), ["ok"]);
    },
  ),

  "lease() by tag moves what it passes, and takes the rest": withDeadLetters(async (sut) => {
    await insertAll(sut.store, [{ id: "spent", tag: "x" }]);
    await lease(sut.store, { leaseMs: SECOND_MS });
    await sut.advance(SECOND_MS);
    await insertAll(sut.store, [{ id: "fresh", tag: "x" }]);
    assert.deepEqual(ids(await lease(sut.store, { groupByTag: true, tag: "x" })), ["fresh"]);
    assert.deepEqual(ids(await deadLetters(sut)), ["spent"]);
  }),
};
