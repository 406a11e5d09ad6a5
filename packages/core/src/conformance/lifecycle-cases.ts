import assert from "node:assert/strict";
import { getEventListeners } from "node:events";
import type { QueueAdmin, QueueStore } from "../store.js";
import { only, outcomes, rejectsWith, rejectsWithReason } from "./expect.js";
import { inTime, staysPending, whileAdvancing } from "./patience.js";
import {
  insertOne,
  LONG_MS,
  leaseOne,
  look,
  OTHER_QUEUE,
  QUEUE,
  queueSettings,
  SECOND_MS,
  textBytes,
} from "./samples.js";
import { type Case, type CaseBody, type Cases, needing } from "./store-under-test.js";

type Store = QueueStore & QueueAdmin;
type Method = (store: Store, signal?: AbortSignal) => Promise<unknown>;

const ID = "a-task";
const payload = textBytes("payload");
const request = { maxTasks: 1, leaseMs: LONG_MS };

/** One call of every method of the data path; done now, it would change or find something. */
const DATA_METHODS: Readonly<Record<string, Method>> = {
  "insert()": (store, signal) => store.insert(QUEUE, [{ payload, id: "another-task" }], { signal }),
  "lease()": (store, signal) => store.lease([QUEUE], request, { signal }),
  "lease() with a wait": (store, signal) =>
    store.lease([QUEUE], { ...request, waitMs: SECOND_MS }, { signal }),
  "extend()": (store, signal) => store.extend(QUEUE, [{ id: ID, leaseMs: 0 }], { signal }),
  "delete()": (store, signal) => store.delete(QUEUE, [{ id: ID }], { signal }),
  "peek()": (store, signal) => store.peek(QUEUE, { id: ID }, { signal }),
  "wait()": (store, signal) => store.wait([QUEUE], SECOND_MS, { signal }),
};

/** The same for management. */
const ADMIN_METHODS: Readonly<Record<string, Method>> = {
  "putQueue()": (store, signal) => store.putQueue(OTHER_QUEUE, queueSettings(), { signal }),
  "getQueue()": (store, signal) => store.getQueue(QUEUE, withSignal(signal)),
  "listQueues()": (store, signal) => store.listQueues(QUEUE.project, withSignal(signal)),
  "deleteQueue()": (store, signal) => store.deleteQueue(QUEUE, { signal }),
  "purge()": (store, signal) => store.purge(QUEUE, withSignal(signal)),
};

/** The same for what v1beta2 had not. */
const LIFE_METHODS: Readonly<Record<string, Method>> = {
  "pauseQueue()": (store, signal) => store.pauseQueue(QUEUE, { signal }),
  "resumeQueue()": (store, signal) => store.resumeQueue(QUEUE, { signal }),
  "purge() of a tag": (store, signal) => store.purge(QUEUE, { only: { tag: undefined }, signal }),
  "tagStats()": (store, signal) => store.tagStats(QUEUE, withSignal(signal)),
  "redrive()": (store, signal) => store.redrive(QUEUE, withSignal(signal)),
  "sweep()": (store, signal) => store.sweep({ signal }),
};

function withSignal(signal: AbortSignal | undefined) {
  return signal === undefined ? {} : { signal };
}

/** What a method does in each state of its store; proved for every method. */
const TRAITS: Readonly<Record<string, (method: Method) => CaseBody>> = {
  "after close() fails with closed": (method) => async (sut) => {
    await insertOne(sut.store, { id: ID });
    await sut.store.close();
    await rejectsWith(method(sut.store), "closed");
  },

  "with a signal that has fired throws the reason and changes nothing": (method) => async (sut) => {
    const { store } = sut;
    await insertOne(store, { id: ID });
    await leaseOne(store);
    for (const reason of [new Error("reason"), "a text", { any: "value" }]) {
      await rejectsWithReason(method(store, AbortSignal.abort(reason)), reason);
    }
    const task = await look(store, ID);
    assert.equal(task?.retryCount, 1);
    assert.ok(task.etaUs > sut.nowUs(), "its lease must go on");
    assert.equal((await store.peek(QUEUE, { limit: 10 })).tasks.length, 1);
  },

  "leaves no listener on a signal that never fires": (method) => async (sut) => {
    await insertOne(sut.store, { id: ID });
    const { signal } = new AbortController();
    await whileAdvancing(sut, SECOND_MS, method(sut.store, signal));
    assert.equal(getEventListeners(signal, "abort").length, 0);
  },
};

function traitCases(): Cases {
  const cases: Record<string, Case> = {};
  for (const [trait, make] of Object.entries(TRAITS)) {
    for (const [name, method] of Object.entries(DATA_METHODS)) {
      cases[`${name} ${trait}`] = needing(name.includes("wait") ? ["waits"] : [], make(method));
    }
    for (const [name, method] of Object.entries(ADMIN_METHODS)) {
      cases[`${name} ${trait}`] = needing(["managesQueues"], make(method));
    }
    for (const [name, method] of Object.entries(LIFE_METHODS)) {
      cases[`${name} ${trait}`] = needing(["managesLife"], make(method));
    }
  }
  return cases;
}

/** Open, closing, closed, aborted: the same for every method. */
export const lifecycleCases: Cases = {
  ...traitCases(),

  "close() is the same when called twice, and at once": async ({ store }) => {
    await insertOne(store);
    await inTime(Promise.all([store.close(), store.close(), store.close()]));
    await inTime(store.close());
  },

  "close() of a store that was never used is fine": async ({ store }) => {
    await inTime(store.close());
    await rejectsWith(store.peek(QUEUE, { id: ID }), "closed");
  },

  "close() ends leases that wait, with closed": needing(["waits"], async ({ store }) => {
    const waiting = Array.from({ length: 3 }, () =>
      store.lease([QUEUE], { ...request, waitMs: 50 * SECOND_MS }),
    );
    const waitCall = store.wait([OTHER_QUEUE], 50 * SECOND_MS);
    await staysPending(Promise.race([...waiting, waitCall]));
    const ended = Promise.all([...waiting, waitCall].map((call) => rejectsWith(call, "closed")));
    await inTime(store.close());
    await inTime(ended);
  }),

  "close() lets calls that run come to their end": async ({ store }) => {
    const inserting = store.insert(QUEUE, [{ payload }]);
    const closing = store.close();
    assert.deepEqual(outcomes(await inTime(inserting)), ["ok"]);
    await inTime(closing);
  },

  "close() of one handle leaves another open, with all that was stored": needing(
    ["twoHandles"],
    async (sut) => {
      const other = await sut.another();
      await insertOne(sut.store, { id: ID });
      await other.close();
      await rejectsWith(other.peek(QUEUE, { id: ID }), "closed");
      assert.equal((await leaseOne(sut.store)).id, ID);
    },
  ),

  "close() keeps nothing leased that its waiting calls might have taken": needing(
    ["waits", "twoHandles"],
    async (sut) => {
      const other = await sut.another();
      const waiting = other.lease([QUEUE], { ...request, waitMs: 50 * SECOND_MS });
      await staysPending(waiting);
      const ended = rejectsWith(waiting, "closed");
      await inTime(other.close());
      await inTime(ended);
      await insertOne(sut.store, { id: ID });
      const wait = { ...request, waitMs: 10 * SECOND_MS };
      const task = only(await inTime(sut.store.lease([QUEUE], wait)));
      assert.equal(task.retryCount - task.uncounted, 1);
    },
  ),

  "await using closes a store at the end of its scope": async (sut) => {
    {
      await using scoped = sut.store;
      await insertOne(scoped);
    }
    await rejectsWith(sut.store.peek(QUEUE, { id: ID }), "closed");
  },
};
