import {
  DEFAULT_QUEUE_SETTINGS,
  type HttpClient,
  type HttpStore,
  type HttpStoreOptions,
  handlerClient,
  manualClock,
  openHttpStore,
  openMemoryStore,
  type QueueKey,
} from "@pullqueue/core";
import { createHandler } from "@pullqueue/server";
import { describe, expect, test } from "vitest";
import type { Fault } from "./support/fault-proxy.js";
import { plainHandler } from "./support/http-factories.js";
import { startProxiedServer } from "./support/proxied-server.js";

const QUEUE = { project: "p", queue: "pull-queue" };
const task = { payload: Buffer.from("hello") };
const LEASE = { maxTasks: 10, leaseMs: 60_000 };

/** A proxy hides what our server adds. */
const setUp = (options: HttpStoreOptions = {}) =>
  startProxiedServer({ pollingIntervalMs: 5, ...options }, { plain: true });

/** The same in process, on a clock that the test turns. */
async function setUpInProcess(): Promise<{ clock: ReturnType<typeof manualClock>; store: HttpStore }> {
  const clock = manualClock();
  const handler = plainHandler(createHandler({ store: openMemoryStore({ clock }), clock }));
  return { clock, store: openHttpStore({ client: handlerClient(handler), clock }) };
}

const leaseOne = async (store: HttpStore, queue: QueueKey = QUEUE) => (await store.lease([queue], LEASE))[0]!;
const holderOf = ({ id, retryCount, etaUs }: { id: string; retryCount: number; etaUs: number }) => ({
  id,
  retryCount,
  leaseEndUs: etaUs,
});
const done = [{ ok: true, value: undefined }];
const lost = [{ ok: false, error: { code: "lease_lost" } }];

const FAULTS: readonly Fault[] = ["reset", "drop", "half", "garbage", "gateway"];

describe.each(FAULTS)("openHttpStore() on a plain server, when a request meets %s", (fault) => {
  test("insert() is repeated, and the task is stored once", async () => {
    await using all = await setUp();
    all.proxy.next("tasks.insert", fault, fault);
    const [stored] = await all.store.insert(QUEUE, [task]);
    expect(stored?.ok).toBe(true);
    expect((await all.direct.peek(QUEUE, { limit: 100 })).tasks).toEqual([stored?.ok && stored.value]);
  });

  test("insert() with an id of the caller's is repeated, and its duplicate counts as stored", async () => {
    await using all = await setUp();
    all.proxy.next("tasks.insert", fault);
    const mine = { ...task, id: "mine" };
    expect(await all.store.insert(QUEUE, [mine])).toMatchObject([{ ok: true, value: { id: "mine" } }]);
    expect(await all.store.insert(QUEUE, [mine])).toMatchObject([
      { ok: false, error: { code: "already_exists" } },
    ]);
  });

  test("extend() is repeated, and the lease stays the caller's", async () => {
    await using all = await setUp();
    await all.store.insert(QUEUE, [task]);
    const held = await leaseOne(all.store);
    all.proxy.next("tasks.update", fault);
    const [renewed] = await all.store.extend(QUEUE, [{ ...holderOf(held), leaseMs: 600_000 }]);
    expect(renewed).toMatchObject({ ok: true, value: { retryCount: 1 } });
    if (renewed?.ok !== true) return;
    expect(renewed.value.etaUs).toBeGreaterThan(held.etaUs);
    expect(await all.store.delete(QUEUE, [holderOf(renewed.value)])).toEqual(done);
  });

  test("extend() by 0 is repeated, and a task that was given back before counts as given back", async () => {
    await using all = await setUp();
    await all.store.insert(QUEUE, [task]);
    const held = await leaseOne(all.store);
    all.proxy.next("tasks.update", fault);
    expect(await all.store.extend(QUEUE, [{ ...holderOf(held), leaseMs: 0 }])).toMatchObject([{ ok: true }]);
    expect(await leaseOne(all.store)).toMatchObject({ id: held.id, retryCount: 2 });
  });

  test("delete() is repeated, and a task that was deleted before counts as deleted", async () => {
    await using all = await setUp();
    await all.store.insert(QUEUE, [task]);
    const held = await leaseOne(all.store);
    all.proxy.next("tasks.delete", fault);
    expect(await all.store.delete(QUEUE, [holderOf(held)])).toEqual(done);
    expect((await all.direct.peek(QUEUE, { limit: 100 })).tasks).toEqual([]);
  });

  test("lease() is not repeated, because it would hold tasks twice", async () => {
    await using all = await setUp();
    await all.store.insert(QUEUE, [task]);
    all.proxy.next("tasks.lease", fault);
    await expect(all.store.lease([QUEUE], LEASE)).rejects.toMatchObject({ code: "unavailable" });
    expect(all.proxy.count("tasks.lease")).toBe(1);
  });
});

describe("openHttpStore() on a plain server", () => {
  test("ready() remembers that there is no discovery document", async () => {
    await using all = await setUp();
    expect(all.store.supports).toMatchObject({ fences: false, anyQueueName: false });
    await all.store.insert(QUEUE, [task]);
    await all.store.lease([QUEUE], LEASE);
    expect(all.proxy.count("discovery")).toBe(1);
  });

  test("insert() with an idempotency key gives the first task again, while it is there and after", async () => {
    await using all = await setUp();
    const keyed = { ...task, tag: "a", idempotencyKey: "any text, 1 to 128 characters" };
    const [first] = await all.store.insert(QUEUE, [keyed]);
    expect(await all.store.insert(QUEUE, [keyed])).toEqual([first]);
    const held = await leaseOne(all.store);
    await all.store.delete(QUEUE, [holderOf(held)]);
    expect(await all.store.insert(QUEUE, [keyed])).toMatchObject([
      { ok: true, value: { id: held.id, tag: "a" } },
    ]);
    expect(await all.store.lease([QUEUE], LEASE)).toEqual([]);
  });

  test("insert() of many gives each its own result", async () => {
    await using all = await setUp();
    const tasks = [
      task,
      { ...task, id: "twice" },
      { ...task, id: "0123456789abcdef" },
      { ...task, tag: "t" },
    ];
    const results = await all.store.insert(QUEUE, tasks);
    expect(results.map((result) => (result.ok ? result.value.tag : result.error.code))).toEqual([
      undefined,
      undefined,
      "invalid_argument",
      "t",
    ]);
  });

  test("extend() takes over the end of a renewal that nobody heard of, and only for the same lease", async () => {
    await using all = await setUp();
    await all.store.insert(QUEUE, [task]);
    const held = await leaseOne(all.store);
    await all.direct.extend(QUEUE, [{ id: held.id, leaseMs: 300_000 }]);
    const stale = { ...holderOf(held), leaseMs: 600_000 };
    expect(await all.store.extend(QUEUE, [{ ...stale, retryCount: undefined }])).toMatchObject(lost);
    expect(await all.store.extend(QUEUE, [{ ...stale, retryCount: 2 }])).toMatchObject(lost);
    expect(await all.store.extend(QUEUE, [stale])).toMatchObject([{ ok: true, value: { retryCount: 1 } }]);
  });

  test("delete() after the end of its lease is refused without asking the server to", async () => {
    const { clock, store } = await setUpInProcess();
    await store.insert(QUEUE, [task]);
    const held = await leaseOne(store);
    clock.advance(60_000);
    expect(await store.delete(QUEUE, [{ id: held.id, leaseEndUs: held.etaUs }])).toMatchObject(lost);
    expect(await store.delete(QUEUE, [holderOf(held)])).toMatchObject(lost);
    const again = await leaseOne(store);
    expect(again.retryCount).toBe(2);
    expect(await store.delete(QUEUE, [{ id: held.id, retryCount: 1 }])).toMatchObject(lost);
    expect(await store.delete(QUEUE, [{ id: held.id, retryCount: 2 }])).toEqual(done);
    await store.close();
  });

  test("delete() after an end that was renewed meanwhile looks before it gives up", async () => {
    const { clock, store } = await setUpInProcess();
    await store.insert(QUEUE, [task]);
    const held = await leaseOne(store);
    await store.extend(QUEUE, [{ ...holderOf(held), leaseMs: 600_000 }]);
    clock.advance(120_000);
    expect(await store.delete(QUEUE, [holderOf(held)])).toEqual(done);
    await store.close();
  });

  test("lease() of several queues asks each in turn, and gives what it has when one fails", async () => {
    await using all = await setUp();
    const queues = ["a", "b", "c"].map((queue) => ({ project: "p", queue }));
    for (const queue of queues) await all.store.insert(queue, [task, task]);
    const firsts: string[] = [];
    for (let turn = 0; turn < 3; turn++) {
      const [leased] = await all.store.lease(queues, { ...LEASE, maxTasks: 1 });
      firsts.push(leased!.queue.queue);
    }
    expect(firsts).toEqual(["a", "b", "c"]);
    all.proxy.next("tasks.lease", "half");
    await expect(all.store.lease(queues, LEASE)).rejects.toMatchObject({ code: "unavailable" });
    const rest = await all.store.lease(queues, LEASE);
    expect(rest.map((leased) => leased.queue.queue)).toEqual(["b", "c"]);
  });

  test("lease() that waits asks again until a task is there", async () => {
    await using all = await setUp();
    const waiting = all.store.lease([QUEUE], { ...LEASE, waitMs: 50_000 });
    await expect.poll(() => all.proxy.count("tasks.lease")).toBeGreaterThan(2);
    await all.direct.insert(QUEUE, [task]);
    expect(await waiting).toHaveLength(1);
  });

  test("a delay is counted by the server's clock, as its answers show it", async () => {
    const local = manualClock();
    await using all = await setUp({ clock: local });
    await all.store.ready();
    await all.store.lease([QUEUE], LEASE);
    const [stored] = await all.store.insert(QUEUE, [{ ...task, delayMs: 3_600_000 }]);
    if (stored?.ok !== true) throw new Error("not stored");
    const { enqueuedAtUs, etaUs } = stored.value;
    const delayMs = (etaUs - enqueuedAtUs) / 1000;
    expect(delayMs).toBeGreaterThan(3_600_000 - 3_000);
    expect(delayMs).toBeLessThan(3_600_000 + 3_000);
  });

  test("purge() lists and deletes until nothing of before is left, and tells how far it is", async () => {
    await using all = await setUp();
    await all.direct.insert(QUEUE, Array(230).fill(task));
    await all.direct.lease([QUEUE], LEASE);
    const told: number[] = [];
    expect(await all.store.purge(QUEUE, { onProgress: (removed) => told.push(removed) })).toBe(230);
    expect(told).toEqual([100, 200, 230]);
  });

  test("what such servers cannot do is refused with a sentence", async () => {
    await using all = await setUp();
    const other = { project: "p", queue: "a_b" };
    const refusal = (code: string, words: RegExp) => ({ code, message: expect.stringMatching(words) });
    const settings = DEFAULT_QUEUE_SETTINGS;
    await expect(all.store.insert(other, [task])).rejects.toMatchObject(
      refusal("invalid_argument", /1 to 100 letters, digits and hyphens, got "a_b"/),
    );
    await expect(all.store.lease([QUEUE, other], LEASE)).rejects.toMatchObject(
      refusal("invalid_argument", /hyphens/),
    );
    for (const call of [
      () => all.store.putQueue(QUEUE, settings),
      () => all.store.deleteQueue(QUEUE),
      () => all.store.listQueues("p"),
      () => all.store.pauseQueue(QUEUE),
      () => all.store.resumeQueue(QUEUE),
      () => all.store.tagStats(QUEUE),
      () => all.store.redrive(QUEUE),
      () => all.store.purge(QUEUE, { only: { tag: "t" } }),
      () => all.store.purge(QUEUE, { only: { tag: undefined } }),
    ]) {
      await expect(call()).rejects.toMatchObject(refusal("not_supported", /no method taskqueues\.\w+/));
    }
    const traced = { ...task, traceparent: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01" };
    expect(await all.store.insert(QUEUE, [traced])).toMatchObject([{ ok: true }]);
    expect(await leaseOne(all.store)).not.toHaveProperty("traceparent");
    await expect(all.store.peek(QUEUE, { limit: 1, pageToken: "x" })).rejects.toMatchObject(
      refusal("not_supported", /first 100 tasks/),
    );
  });

  test("an unknown queue is not_found, whatever is asked of it", async () => {
    await using all = await setUp();
    const fence = { id: "x", retryCount: 1, leaseEndUs: 9_000_000_000_000_000 };
    for (const call of [
      () => all.store.peek(QUEUE, { id: "x" }),
      () => all.store.peek(QUEUE, { limit: 1 }),
      () => all.store.extend(QUEUE, [{ ...fence, leaseMs: 1000 }]),
      () => all.store.delete(QUEUE, [fence]),
      () => all.store.purge(QUEUE),
    ]) {
      await expect(call()).rejects.toMatchObject({ code: "not_found" });
    }
  });
});

test("lease() from several queues, aborted at a later one, gives back what the first gave", async () => {
  const store = openMemoryStore();
  const inner = handlerClient(plainHandler(createHandler({ store })));
  const controller = new AbortController();
  const reason = { not: "an error" };
  let leases = 0;
  const client: HttpClient = {
    send(request) {
      if (request.path.includes("/tasks/lease") && ++leases === 2) controller.abort(reason);
      return inner.send(request);
    },
    close: () => inner.close(),
  };
  await using plain = openHttpStore({ client });
  await store.insert(QUEUE, [task]);
  const queues = [QUEUE, { ...QUEUE, queue: "another-one" }];
  await expect(plain.lease(queues, LEASE, { signal: controller.signal })).rejects.toBe(reason);
  expect(leases).toBe(2);
  const { stats } = await store.getQueue(QUEUE, { stats: true });
  expect(stats).toMatchObject({ leasedLastMinute: 1, availableTasks: 1 });
});
