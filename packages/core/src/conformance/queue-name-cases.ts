import assert from "node:assert/strict";
import { QUEUE_NAME_BYTES_MAX } from "../limits.js";
import type { QueueKey } from "../task.js";
import { only, rejectsWith, soleValue } from "./expect.js";
import { insertOne, LONG_MS, QUEUE, queueSettings, SECOND_MS, textBytes } from "./samples.js";
import { type Cases, needing } from "./store-under-test.js";

/** Names that a path, a query, a pattern or a file name could break on. All are different queues. */
const AWKWARD_NAMES = [
  "a b",
  "a+b",
  "a%20b",
  "a/b",
  "a%2Fb",
  "a%2fb",
  "/",
  "%",
  "a:b",
  "a:purge",
  "tasks",
  "lease",
  "tasks:batchInsert",
  "?limit=1&x#y",
  "_kombu.binding.queue",
  "UPPER",
  "upper",
  "é",
  "e\u0301",
  "列🚀",
  "...",
  "a\\b",
  '"',
  "'; drop table tasks; --",
  "projects/p/taskqueues/q",
  " ",
  "x".repeat(QUEUE_NAME_BYTES_MAX),
  "é".repeat(QUEUE_NAME_BYTES_MAX / 2 - 0.5),
];

/** No names at all. */
const WRONG_NAMES = [
  "",
  ".",
  "..",
  "a\nb",
  "\u0000",
  "\u007f",
  "\u0085",
  "\ud800",
  "x".repeat(QUEUE_NAME_BYTES_MAX + 1),
  "é".repeat(QUEUE_NAME_BYTES_MAX / 2 + 0.5),
];

const request = { maxTasks: 10, leaseMs: LONG_MS };

/** What a queue and a project may be called. */
export const queueNameCases: Cases = {
  "every method keeps queues apart whatever their names": needing(["anyQueueName"], async ({ store }) => {
    const keys = AWKWARD_NAMES.map((queue): QueueKey => ({ project: QUEUE.project, queue }));
    for (const key of keys) await insertOne(store, { payload: textBytes(key.queue) }, key);
    for (const key of keys) {
      const task = only(await store.lease([key], request));
      assert.equal(Buffer.from(task.payload).toString(), key.queue);
      assert.deepEqual({ ...task.queue }, key);
      soleValue(await store.extend(key, [{ id: task.id, retryCount: 1, leaseMs: LONG_MS }]));
      assert.equal(only((await store.peek(key, { limit: 10 })).tasks).id, task.id);
      soleValue(await store.delete(key, [{ id: task.id, retryCount: 1 }]));
    }
  }),

  "every method of management takes queues whatever their names": needing(
    ["anyQueueName", "managesQueues"],
    async ({ store }) => {
      for (const [index, queue] of AWKWARD_NAMES.entries()) {
        await store.putQueue({ project: QUEUE.project, queue }, queueSettings({ maxLeases: index + 1 }));
      }
      const listed = (await store.listQueues(QUEUE.project)).queues;
      assert.deepEqual(new Set(listed.map(({ key }) => key.queue)), new Set(AWKWARD_NAMES));
      for (const [index, queue] of AWKWARD_NAMES.entries()) {
        const key = { project: QUEUE.project, queue };
        const info = await store.getQueue(key);
        assert.deepEqual({ ...info.key }, key);
        assert.equal(info.settings.maxLeases, index + 1);
        assert.equal(await store.purge(key), 0);
        await store.deleteQueue(key);
      }
      assert.deepEqual((await store.listQueues(QUEUE.project)).queues, []);
    },
  ),

  "lease() takes several queues whatever their names": needing(
    ["anyQueueName", "leasesManyQueues"],
    async ({ store }) => {
      const keys = AWKWARD_NAMES.map((queue): QueueKey => ({ project: QUEUE.project, queue }));
      for (const key of keys) await insertOne(store, {}, key);
      const leased = await store.lease(keys, { maxTasks: 100, leaseMs: LONG_MS });
      assert.deepEqual(new Set(leased.map(({ queue }) => queue.queue)), new Set(AWKWARD_NAMES));
    },
  ),

  "every method refuses names that are none": async ({ store }) => {
    for (const queue of WRONG_NAMES) {
      const key = { project: QUEUE.project, queue };
      const calls: readonly (() => Promise<unknown>)[] = [
        () => insertOne(store, {}, key),
        () => store.lease([key], request),
        () => store.extend(key, [{ id: "t", leaseMs: SECOND_MS }]),
        () => store.delete(key, [{ id: "t" }]),
        () => store.peek(key, { id: "t" }),
        () => store.wait([key], 0),
      ];
      for (const call of calls) await rejectsWith(call(), "invalid_argument");
    }
  },

  "every method of management refuses names that are none": needing(["managesQueues"], async ({ store }) => {
    for (const queue of WRONG_NAMES) {
      const key = { project: QUEUE.project, queue };
      await rejectsWith(store.putQueue(key, queueSettings()), "invalid_argument");
      await rejectsWith(store.getQueue(key), "invalid_argument");
      await rejectsWith(store.deleteQueue(key), "invalid_argument");
      await rejectsWith(store.purge(key), "invalid_argument");
    }
    assert.deepEqual((await store.listQueues(QUEUE.project)).queues, []);
  }),

  "every method keeps projects apart": async ({ store }) => {
    const projects = ["one", "two", "example.com:app", "One", "one_1", "0"];
    for (const project of projects) {
      await insertOne(store, { payload: textBytes(project) }, { ...QUEUE, project });
    }
    for (const project of projects) {
      const task = only(await store.lease([{ ...QUEUE, project }], request));
      assert.equal(Buffer.from(task.payload).toString(), project);
      assert.equal(task.queue.project, project);
    }
  },

  "every method refuses projects that are none, and those with a prefix": async ({ store }) => {
    for (const project of ["", "s~app", "a/b", "-a", "a-", "a b", "ä", "x".repeat(256)]) {
      await rejectsWith(insertOne(store, {}, { ...QUEUE, project }), "invalid_argument");
      await rejectsWith(store.lease([{ ...QUEUE, project }], request), "invalid_argument");
    }
  },
};
