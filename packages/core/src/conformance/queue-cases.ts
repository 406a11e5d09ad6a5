import assert from "node:assert/strict";
import { LIST_QUEUES_MAX } from "../limits.js";
import type { QueueAdmin } from "../store.js";
import { DEFAULT_QUEUE_SETTINGS, type QueueKey, type QueueSettings } from "../task.js";
import { ids, outcomes, rejectsWith } from "./expect.js";
import {
  insertOne,
  LONG_MS,
  lease,
  leaseOne,
  OTHER_QUEUE,
  QUEUE,
  queueSettings,
  SECOND_MS,
  textBytes,
} from "./samples.js";
import { type CaseBody, type Cases, needing } from "./store-under-test.js";

const managed = (run: CaseBody) => needing(["managesQueues"], run);

const PROJECT = QUEUE.project;

async function namesOf(store: QueueAdmin, project = PROJECT): Promise<readonly string[]> {
  return (await store.listQueues(project)).queues.map(({ key }) => key.queue);
}

/** Queues: how they come and go, what can be set, how they are listed. */
export const queueCases: Cases = {
  "insert() and lease() bring a queue into being": managed(async ({ store }) => {
    await insertOne(store);
    assert.deepEqual(await store.lease([OTHER_QUEUE], { maxTasks: 1, leaseMs: SECOND_MS }), []);
    assert.deepEqual(await namesOf(store), [OTHER_QUEUE.queue, QUEUE.queue].sort());
    for (const queue of [QUEUE, OTHER_QUEUE]) {
      const info = await store.getQueue(queue);
      assert.deepEqual({ ...info.key }, queue);
      assert.deepEqual(info.settings, DEFAULT_QUEUE_SETTINGS);
    }
  }),

  "no other method brings a queue into being: an unknown one is not found": managed(async ({ store }) => {
    const calls: readonly (() => Promise<unknown>)[] = [
      () => store.extend(QUEUE, [{ id: "t", leaseMs: SECOND_MS }]),
      () => store.delete(QUEUE, [{ id: "t" }]),
      () => store.peek(QUEUE, { id: "t" }),
      () => store.peek(QUEUE, { limit: 10 }),
      () => store.getQueue(QUEUE),
      () => store.getQueue(QUEUE, { stats: true }),
      () => store.deleteQueue(QUEUE),
      () => store.purge(QUEUE),
    ];
    for (const call of calls) await rejectsWith(call(), "not_found");
    assert.deepEqual(await namesOf(store), []);
  }),

  "insert() that is refused as a whole brings no queue into being": managed(async ({ store }) => {
    await rejectsWith(store.insert(QUEUE, Array(1_001).fill({ payload: textBytes("x") })), "too_large");
    assert.deepEqual(await namesOf(store), []);
  }),

  "putQueue() creates a queue, and repeated changes nothing": managed(async ({ store }) => {
    const settings = queueSettings({ maxLeases: 7 });
    for (let time = 0; time < 2; time++) {
      const info = await store.putQueue(QUEUE, settings);
      assert.deepEqual({ ...info.key }, QUEUE);
      assert.deepEqual(info.settings, settings);
    }
    assert.deepEqual(await namesOf(store), [QUEUE.queue]);
  }),

  "putQueue() keeps all limits of a queue, and replaces all of them": needing(
    ["managesLife"],
    async ({ store }) => {
      const full = queueSettings({
        deadLetterQueue: OTHER_QUEUE.queue,
        leasesPerSecond: 0.5,
        storageBytesMax: 120 * 1024 ** 3,
        retentionMs: 14 * 86_400_000,
        tombstoneMs: 0,
      });
      for (const settings of [full, DEFAULT_QUEUE_SETTINGS, full]) {
        assert.deepEqual((await store.putQueue(QUEUE, settings)).settings, settings);
        assert.deepEqual((await store.getQueue(QUEUE)).settings, settings);
      }
    },
  ),

  "putQueue() refuses times that cannot be": needing(["managesLife"], async ({ store }) => {
    for (const retentionMs of [0, -1, 1.5, 1e15]) {
      await rejectsWith(store.putQueue(QUEUE, queueSettings({ retentionMs })), "invalid_argument");
    }
    for (const tombstoneMs of [-1, 1.5, 1e15]) {
      await rejectsWith(store.putQueue(QUEUE, queueSettings({ tombstoneMs })), "invalid_argument");
    }
  }),

  "putQueue() says how long ids stay taken in this queue": needing(["managesLife"], async (sut) => {
    const insert = () => sut.store.insert(QUEUE, [{ id: "named", payload: textBytes("") }]);
    await sut.store.putQueue(QUEUE, queueSettings({ tombstoneMs: 2 * SECOND_MS }));
    await insert();
    await sut.store.delete(QUEUE, [{ id: "named" }]);
    assert.deepEqual(outcomes(await insert()), ["already_exists"]);
    await sut.advance(2 * SECOND_MS);
    assert.deepEqual(outcomes(await insert()), ["ok"]);
  }),

  "putQueue() keeps all settings, and replaces all of them": managed(async ({ store }) => {
    const full = queueSettings({
      mode: "push",
      maxLeases: 2_147_483_647,
      acl: { userEmails: ["user@example.com", "other@example.com"], writerEmails: [] },
      disabled: true,
    });
    for (const settings of [full, DEFAULT_QUEUE_SETTINGS, queueSettings({ maxLeases: 1 })]) {
      await store.putQueue(QUEUE, settings);
      assert.deepEqual((await store.getQueue(QUEUE)).settings, settings);
      assert.deepEqual((await store.listQueues(PROJECT)).queues[0]?.settings, settings);
    }
  }),

  "putQueue() leaves the tasks of a queue alone": managed(async ({ store }) => {
    const { id } = await insertOne(store);
    await store.putQueue(QUEUE, queueSettings({ maxLeases: 3 }));
    assert.equal((await leaseOne(store)).id, id);
  }),

  "putQueue() refuses settings that are none, and changes nothing": managed(async ({ store }) => {
    await store.putQueue(QUEUE, queueSettings({ maxLeases: 3 }));
    for (const maxLeases of [0, -1, 1.5, Number.NaN, 2_147_483_648]) {
      await rejectsWith(store.putQueue(QUEUE, queueSettings({ maxLeases })), "invalid_argument");
    }
    const poll = { ...queueSettings(), mode: "poll" } as unknown as QueueSettings;
    await rejectsWith(store.putQueue(QUEUE, poll), "invalid_argument");
    assert.equal((await store.getQueue(QUEUE)).settings.maxLeases, 3);
  }),

  "putQueue() of a push queue makes every task operation the wrong mode": managed(async ({ store }) => {
    await store.putQueue(QUEUE, queueSettings({ mode: "push" }));
    const calls: readonly (() => Promise<unknown>)[] = [
      () => insertOne(store),
      () => lease(store),
      () => store.extend(QUEUE, [{ id: "t", leaseMs: SECOND_MS }]),
      () => store.delete(QUEUE, [{ id: "t" }]),
      () => store.peek(QUEUE, { id: "t" }),
      () => store.peek(QUEUE, { limit: 10 }),
    ];
    for (const call of calls) await rejectsWith(call(), "wrong_mode");
  }),

  "putQueue() of a disabled queue makes it take tasks and hand none out, until it is enabled": managed(
    async ({ store }) => {
      await store.putQueue(QUEUE, queueSettings({ disabled: true }));
      const { id } = await insertOne(store);
      await rejectsWith(lease(store), "not_found");
      assert.deepEqual(ids((await store.peek(QUEUE, { limit: 10 })).tasks), [id]);
      await store.putQueue(QUEUE, queueSettings());
      assert.deepEqual(ids(await lease(store)), [id]);
    },
  ),

  "putQueue() of a disabled queue leaves leases to their holders": managed(async ({ store }) => {
    await insertOne(store);
    const { id, retryCount } = await leaseOne(store);
    await store.putQueue(QUEUE, queueSettings({ disabled: true }));
    const renewal = { id, retryCount, leaseMs: LONG_MS };
    assert.deepEqual(outcomes(await store.extend(QUEUE, [renewal])), ["ok"]);
    assert.deepEqual(outcomes(await store.delete(QUEUE, [{ id, retryCount }])), ["ok"]);
  }),

  "listQueues() pages in order of name": managed(async ({ store }) => {
    const names = ["a", "b", "b1", "c", "d", "e", "f"];
    for (const queue of [...names].reverse()) {
      await store.putQueue({ project: PROJECT, queue }, queueSettings());
    }
    assert.deepEqual(await namesOf(store), names);
    for (const limit of [1, 3, 7, LIST_QUEUES_MAX]) {
      const seen: string[] = [];
      let pageToken: string | undefined;
      do {
        const options = pageToken === undefined ? { limit } : { limit, pageToken };
        const page = await store.listQueues(PROJECT, options);
        assert.ok(page.queues.length <= limit);
        seen.push(...page.queues.map(({ key }) => key.queue));
        pageToken = page.nextPageToken;
      } while (pageToken !== undefined && seen.length <= names.length);
      assert.deepEqual(seen, names);
    }
  }),

  "listQueues() has none of an unknown project, and none of another": managed(async ({ store }) => {
    await insertOne(store);
    assert.deepEqual((await store.listQueues("unknown")).queues, []);
  }),

  "listProjects() has those with queues, in order of name, where the store can say": managed(
    async ({ store }) => {
      if (store.listProjects === undefined) return;
      for (const [project, queue] of [
        ["p2", "a"],
        ["p1", "b"],
        ["p1", "a"],
      ] as const) {
        await store.putQueue({ project, queue }, queueSettings());
      }
      const listed = await store.listProjects();
      assert.deepEqual(
        listed.filter((project) => /^p[12]$/.test(project)),
        ["p1", "p2"],
      );
      await store.deleteQueue({ project: "p2", queue: "a" });
      assert.ok(!(await store.listProjects()).includes("p2"));
    },
  ),

  "listQueues() refuses pages that are none": managed(async ({ store }) => {
    for (const limit of [0, -1, 1.5, Number.NaN, LIST_QUEUES_MAX + 1]) {
      await rejectsWith(store.listQueues(PROJECT, { limit }), "invalid_argument");
    }
    for (const pageToken of ["garbage", "e30"]) {
      await rejectsWith(store.listQueues(PROJECT, { pageToken }), "invalid_argument");
    }
  }),

  "deleteQueue() removes a queue with its tasks, and no other": managed(async ({ store }) => {
    await insertOne(store, { idempotencyKey: "k" });
    const kept = await insertOne(store, {}, OTHER_QUEUE);
    await store.deleteQueue(QUEUE);
    await rejectsWith(store.getQueue(QUEUE), "not_found");
    await rejectsWith(store.deleteQueue(QUEUE), "not_found");
    assert.deepEqual(await namesOf(store), [OTHER_QUEUE.queue]);
    assert.deepEqual(await lease(store), []);
    assert.deepEqual(ids((await store.peek(OTHER_QUEUE, { limit: 10 })).tasks), [kept.id]);
  }),

  "deleteQueue() forgets settings and idempotency keys": managed(async ({ store }) => {
    await store.putQueue(QUEUE, queueSettings({ maxLeases: 1 }));
    await insertOne(store, { idempotencyKey: "k" });
    await store.deleteQueue(QUEUE);
    await insertOne(store, { idempotencyKey: "k" });
    assert.equal((await lease(store, { leaseMs: 0 })).length, 1);
    assert.equal((await lease(store, { leaseMs: 0 })).length, 1);
    assert.deepEqual((await store.getQueue(QUEUE)).settings, DEFAULT_QUEUE_SETTINGS);
  }),

  "deleteQueue() leaves late holders nothing to renew or delete": managed(async ({ store }) => {
    await insertOne(store);
    const { id, retryCount } = await leaseOne(store);
    await store.deleteQueue(QUEUE);
    await rejectsWith(store.extend(QUEUE, [{ id, retryCount, leaseMs: LONG_MS }]), "not_found");
    await lease(store);
    const late = await store.extend(QUEUE, [{ id, retryCount, leaseMs: LONG_MS }]);
    assert.deepEqual(outcomes(late), ["lease_lost"]);
  }),

  "queues made through one handle are seen through another": managed(async (sut) => {
    const other = await sut.another();
    const key: QueueKey = { project: PROJECT, queue: "shared" };
    await sut.store.putQueue(key, queueSettings({ maxLeases: 2 }));
    assert.equal((await other.getQueue(key)).settings.maxLeases, 2);
    await other.putQueue(key, queueSettings({ maxLeases: 5 }));
    assert.equal((await sut.store.getQueue(key)).settings.maxLeases, 5);
    await other.deleteQueue(key);
    await rejectsWith(sut.store.getQueue(key), "not_found");
  }),
};
