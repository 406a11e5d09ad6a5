import assert from "node:assert/strict";
import { queuePageToken, tagPageToken, taskPageToken } from "../page-token.js";
import type { NewTask } from "../task.js";
import type { ExportedTask, TransferStore } from "../transfer.js";
import { outcomes, rejectsWith } from "./expect.js";
import {
  insertAll,
  insertOne,
  lease,
  leaseOne,
  look,
  OTHER_QUEUE,
  QUEUE,
  queueSettings,
  TRACE,
  textBytes,
} from "./samples.js";
import { type Cases, needing } from "./store-under-test.js";

/** Texts that no store takes: some databases hold no U+0000, and a task must be able to move to them. */
const TEXTS = ["\0", "\0a", "a\0", "a\0b"];

const payload = textBytes("x");

/** Texts with U+0000, which are refused wherever a caller can bring one. */
export const textCases: Cases = {
  "insert() refuses a tag with U+0000 without failing its neighbours": async ({ store }) => {
    const wrong = TEXTS.map((tag): NewTask => ({ payload, tag }));
    const results = await store.insert(QUEUE, [
      { payload, tag: "first" },
      ...wrong,
      { payload, tag: "last" },
    ]);
    assert.deepEqual(outcomes(results), ["ok", ...wrong.map(() => "invalid_argument"), "ok"]);
    assert.deepEqual((await lease(store)).map(({ tag }) => tag).toSorted(), ["first", "last"]);
  },

  "insert() refuses an idempotency key with U+0000 without failing its neighbours": needing(
    ["fences"],
    async ({ store }) => {
      const wrong = TEXTS.map((idempotencyKey): NewTask => ({ payload, idempotencyKey }));
      const results = await store.insert(QUEUE, [{ payload, idempotencyKey: "a" }, ...wrong, { payload }]);
      assert.deepEqual(outcomes(results), ["ok", ...wrong.map(() => "invalid_argument"), "ok"]);
      assert.equal((await lease(store)).length, 2);
    },
  ),

  "insert() refuses ids and a trace context with U+0000": async ({ store }) => {
    const { traceparent, tracestate } = TRACE;
    const results = await store.insert(QUEUE, [
      ...TEXTS.map((id): NewTask => ({ payload, id })),
      { payload, traceparent: `${traceparent}\0` },
      { payload, traceparent, tracestate: `${tracestate}\0` },
      { payload, traceparent, tracestate: "a=\0b" },
    ]);
    assert.deepEqual(
      outcomes(results),
      results.map(() => "invalid_argument"),
    );
  },

  "lease() refuses a tag with U+0000, and leases nothing": async ({ store }) => {
    const { id } = await insertOne(store, { tag: "a" });
    for (const tag of TEXTS) await rejectsWith(lease(store, { groupByTag: true, tag }), "invalid_argument");
    assert.equal((await look(store, id))?.retryCount, 0);
  },

  "purge() refuses a tag with U+0000, and removes nothing": needing(["managesLife"], async ({ store }) => {
    const { id } = await insertOne(store, { tag: "a" });
    for (const tag of TEXTS) await rejectsWith(store.purge(QUEUE, { only: { tag } }), "invalid_argument");
    assert.equal((await look(store, id))?.tag, "a");
  }),

  "extend(), delete() and peek() refuse ids with U+0000": async ({ store }) => {
    await insertOne(store);
    const { id } = await leaseOne(store);
    for (const wrong of [...TEXTS, `${id}\0`]) {
      const extended = await store.extend(QUEUE, [{ id: wrong, leaseMs: 0 }]);
      const deleted = await store.delete(QUEUE, [{ id: wrong }]);
      assert.deepEqual(outcomes([...extended, ...deleted]), ["invalid_argument", "invalid_argument"]);
      await rejectsWith(store.peek(QUEUE, { id: wrong }), "invalid_argument");
    }
  },

  "peek() refuses a forged page token with U+0000": needing(["managesQueues"], async ({ store }) => {
    await insertOne(store);
    for (const id of TEXTS) {
      const pageToken = taskPageToken({ etaUs: 1, id });
      await rejectsWith(store.peek(QUEUE, { limit: 10, pageToken }), "invalid_argument");
    }
  }),

  "listQueues() refuses a forged page token with U+0000": needing(["managesQueues"], async ({ store }) => {
    await store.putQueue(QUEUE, queueSettings());
    for (const name of TEXTS) {
      const pageToken = queuePageToken(name);
      await rejectsWith(store.listQueues(QUEUE.project, { pageToken }), "invalid_argument");
    }
  }),

  "tagStats() refuses a forged page token with U+0000": needing(["managesLife"], async ({ store }) => {
    await store.putQueue(QUEUE, queueSettings());
    for (const tag of TEXTS) {
      await rejectsWith(store.tagStats(QUEUE, { pageToken: tagPageToken({ tag }) }), "invalid_argument");
    }
  }),

  "importTasks() refuses tags with U+0000, names the queue and the tasks, and adds none": needing(
    ["transfers"],
    async ({ store }) => {
      await insertAll(store, [{ id: "good" }, { id: "bad" }, { id: "worse" }]);
      await store.putQueue(OTHER_QUEUE, queueSettings());
      const { transfer } = store as TransferStore;
      const tags: Readonly<Record<string, string>> = { bad: "\0", worse: "a\0b" };
      const tasks = (await transfer.exportTasks(QUEUE)).map(
        (task): ExportedTask => ({ ...task, tag: tags[task.id] }),
      );
      const imported = transfer.importTasks(OTHER_QUEUE, tasks);
      await rejectsWith(imported, "invalid_argument");
      await assert.rejects(imported, ({ message }: Error) =>
        [`"${OTHER_QUEUE.queue}"`, '"bad"', '"worse"'].every((name) => message.includes(name)),
      );
      assert.deepEqual(await transfer.exportTasks(OTHER_QUEUE), []);
    },
  ),

  "transfers refuse ids with U+0000": needing(["transfers"], async ({ store }) => {
    await insertOne(store);
    const { transfer } = store as TransferStore;
    const [task] = await transfer.exportTasks(QUEUE);
    for (const id of TEXTS) {
      await rejectsWith(transfer.exportTasks(QUEUE, { afterId: id }), "invalid_argument");
      await rejectsWith(transfer.exportTombstones(QUEUE, { afterId: id }), "invalid_argument");
      await rejectsWith(transfer.importTasks(QUEUE, [{ ...task!, id }]), "invalid_argument");
      await rejectsWith(transfer.removeTasks(QUEUE, [{ ...task!, id }]), "invalid_argument");
      await rejectsWith(transfer.withdrawTasks(QUEUE, [id]), "invalid_argument");
      await rejectsWith(transfer.importTombstones(QUEUE, [{ id, untilUs: 1 }]), "invalid_argument");
    }
    assert.equal((await transfer.exportTasks(QUEUE)).length, 1);
  }),
};
