import {
  type HttpClient,
  type HttpStore,
  type HttpStoreOptions,
  manualClock,
  openHttpStore,
  undiciClient,
} from "@pullqueue/core";
import { describe, expect, test } from "vitest";
import { type Fault, startFaultProxy } from "./support/fault-proxy.js";
import { startMemoryServer } from "./support/http-factories.js";
import { startProxiedServer } from "./support/proxied-server.js";

const QUEUE = { project: "p", queue: "a queue/of kombu's" };
const PAYLOAD = Buffer.from("hello");
const task = { payload: PAYLOAD };
const LEASE = { maxTasks: 10, leaseMs: 60_000 };

/** Faults lie between client and server. */
const setUp = (options: HttpStoreOptions = {}) => startProxiedServer(options);

async function insertOne(store: HttpStore) {
  const [result] = await store.insert(QUEUE, [task]);
  if (result?.ok !== true) throw new Error("not inserted");
  return result.value;
}

/** A client that counts the requests that failed. */
function countingFailures(inner: HttpClient) {
  let failed = 0;
  const client: HttpClient = {
    send: (request) =>
      inner.send(request).catch((error: unknown) => {
        failed += 1;
        throw error;
      }),
    close: () => inner.close(),
  };
  return { client, failures: () => failed };
}

const leaseOne = async (store: HttpStore) => (await store.lease([QUEUE], LEASE))[0]!;
const fenceOf = ({ id, retryCount }: { id: string; retryCount: number }) => ({ id, retryCount });
const tasksIn = async (store: HttpStore) => (await store.peek(QUEUE, { limit: 100 })).tasks.length;

/** Longer than the pause before a first repetition. */
const LONGER_THAN_A_PAUSE_MS = 500;

/** Faults after which a call is repeated without waiting for long. */
const FAULTS: readonly Fault[] = ["reset", "drop", "half", "garbage", "gateway"];

describe.each(FAULTS)("openHttpStore() when a request meets %s", (fault) => {
  test("insert() is repeated, and the task is stored once", async () => {
    await using all = await setUp();
    all.proxy.next("tasks.batchInsert", fault, fault);
    const stored = await insertOne(all.store);
    expect(all.proxy.count("tasks.batchInsert")).toBe(3);
    expect((await all.direct.peek(QUEUE, { limit: 100 })).tasks).toEqual([stored]);
  });

  test("insert() is not repeated when its caller has given up", async () => {
    const giveUp = new AbortController();
    await using all = await setUp({ onRetry: () => giveUp.abort("enough") });
    all.proxy.next("tasks.batchInsert", fault, fault);
    await expect(all.store.insert(QUEUE, [task], { signal: giveUp.signal })).rejects.toBe("enough");
    await new Promise((resolve) => setTimeout(resolve, LONGER_THAN_A_PAUSE_MS));
    expect(all.proxy.count("tasks.batchInsert")).toBe(1);
  });

  test("extend() is repeated, and the lease stays the caller's", async () => {
    await using all = await setUp();
    await insertOne(all.store);
    const held = await leaseOne(all.store);
    all.proxy.next("tasks.batchUpdate", fault);
    const lease = { ...fenceOf(held), leaseEndUs: held.etaUs, leaseMs: 600_000 };
    const [renewed] = await all.store.extend(QUEUE, [lease]);
    expect(renewed).toMatchObject({ ok: true, value: { retryCount: 1 } });
    expect(await all.store.delete(QUEUE, [fenceOf(held)])).toEqual([{ ok: true, value: undefined }]);
  });

  test("extend() by 0 is repeated, and a task that was given back before counts as given back", async () => {
    await using all = await setUp();
    await insertOne(all.store);
    const held = await leaseOne(all.store);
    all.proxy.next("tasks.batchUpdate", fault);
    const release = { ...fenceOf(held), leaseMs: 0, uncounted: true };
    expect(await all.store.extend(QUEUE, [release])).toMatchObject([{ ok: true }]);
    expect(await leaseOne(all.store)).toMatchObject({ id: held.id, retryCount: 2, uncounted: 1 });
    expect(await all.store.extend(QUEUE, [release])).toMatchObject([
      { ok: false, error: { code: "lease_lost" } },
    ]);
  });

  test("delete() is repeated, and a task that was deleted before counts as deleted", async () => {
    await using all = await setUp();
    await insertOne(all.store);
    const held = await leaseOne(all.store);
    all.proxy.next("tasks.batchDelete", fault);
    expect(await all.store.delete(QUEUE, [fenceOf(held)])).toEqual([{ ok: true, value: undefined }]);
    expect(await tasksIn(all.direct)).toBe(0);
    expect(await all.store.delete(QUEUE, [fenceOf(held)])).toMatchObject([
      { ok: false, error: { code: "not_found" } },
    ]);
  });

  test("lease() is not repeated, because it would hold tasks twice", async () => {
    await using all = await setUp();
    await insertOne(all.store);
    all.proxy.next("tasks.lease", fault);
    await expect(all.store.lease([QUEUE], LEASE)).rejects.toMatchObject({ code: "unavailable" });
    expect(all.proxy.count("tasks.lease")).toBe(1);
  });

  test("deleteQueue() is repeated, and a queue that was removed before counts as removed", async () => {
    await using all = await setUp();
    await insertOne(all.store);
    all.proxy.next("taskqueues.delete", fault);
    await all.store.deleteQueue(QUEUE);
    await expect(all.store.deleteQueue(QUEUE)).rejects.toMatchObject({ code: "not_found" });
  });

  test("the discovery document is read again", async () => {
    await using all = await setUp();
    all.proxy.next("discovery", fault);
    expect(await all.store.ready()).toMatchObject({ fences: true });
    expect(all.proxy.count("discovery")).toBe(2);
  });
});

describe("openHttpStore()", () => {
  test("extend() whose release stays unclear tells of it alone, and its neighbours keep their results", async () => {
    await using all = await setUp();
    await all.store.insert(QUEUE, [task, task]);
    const [first, second] = await all.store.lease([QUEUE], LEASE);
    all.proxy.next("tasks.batchUpdate", "drop");
    all.proxy.next("tasks.get", "forbidden");
    const leases = [
      { ...fenceOf(first!), leaseMs: 0 },
      { ...fenceOf(second!), leaseMs: 90_000 },
    ];
    expect(await all.store.extend(QUEUE, leases)).toMatchObject([
      { ok: false, error: { code: "lease_lost" } },
      { ok: true, value: { retryCount: 1 } },
    ]);
  });

  test("every call waits as long as a busy server asks for, then is repeated, leases too", async () => {
    const clock = manualClock();
    await using server = await startMemoryServer();
    await using proxy = await startFaultProxy(server.url);
    const client = undiciClient({ endpoint: proxy.url });
    await using store = openHttpStore({ client, clock });
    await store.ready();
    proxy.next("tasks.lease", "busy");
    let done = false;
    await insertOne(store);
    const leasing = store.lease([QUEUE], { ...LEASE, waitMs: 5_000 }).finally(() => (done = true));
    await expect.poll(() => proxy.count("tasks.lease")).toBe(1);
    // The answer has to arrive before its pause begins.
    await store.getQueue(QUEUE).catch(() => undefined);
    clock.advance(2_999);
    await store.getQueue(QUEUE).catch(() => undefined);
    expect([done, proxy.count("tasks.lease")]).toEqual([false, 1]);
    clock.advance(1);
    expect(await leasing).toHaveLength(1);
  });

  test("lease() is no more patient with a server that is away than its caller with an empty queue", async () => {
    const clock = manualClock();
    const server = await startMemoryServer();
    await server.close();
    const { client, failures } = countingFailures(undiciClient({ endpoint: server.url }));
    await using store = openHttpStore({ client, clock, random: () => 1 });
    const leasing = store.lease([QUEUE], { ...LEASE, waitMs: 500 });
    const refused = expect(leasing).rejects.toMatchObject({ code: "unavailable" });
    for (let tries = 1; tries <= 5; tries++) {
      await expect.poll(failures).toBe(tries);
      await new Promise(setImmediate);
      clock.advance(400);
    }
    await refused;
  });

  test("a call that is refused for too long rejects with what stood in its way, and when to come back", async () => {
    await using all = await setUp({ deadlineMs: 2_000, timeoutMs: 1_000 });
    await all.store.ready();
    all.proxy.next("tasks.batchInsert", "busy", "busy");
    await expect(all.store.insert(QUEUE, [task])).rejects.toMatchObject({
      code: "unavailable",
      retryAfterMs: 3_000,
    });
    expect(all.proxy.count("tasks.batchInsert")).toBe(1);
  });

  test("a call that is not answered rejects with timeout", async () => {
    await using all = await setUp({ deadlineMs: 100, timeoutMs: 60 });
    await all.store.ready();
    all.proxy.next("tasks.lease", "silent");
    all.proxy.next("tasks.batchInsert", "silent", "silent", "silent");
    await expect(all.store.lease([QUEUE], LEASE)).rejects.toMatchObject({ code: "timeout" });
    expect(all.proxy.count("tasks.lease")).toBe(1);
    await expect(all.store.insert(QUEUE, [task])).rejects.toMatchObject({ code: "timeout" });
  });

  test("an answer above the limit rejects with too_large and is not asked for again", async () => {
    await using server = await startMemoryServer();
    await using proxy = await startFaultProxy(server.url);
    await using direct = openHttpStore({ endpoint: server.url });
    await direct.insert(QUEUE, [{ payload: Buffer.alloc(300_000) }]);
    const client = undiciClient({ endpoint: proxy.url, responseBytesMax: 200_000 });
    await using store = openHttpStore({ client });
    await expect(store.lease([QUEUE], LEASE)).rejects.toMatchObject({ code: "too_large" });
    expect(proxy.count("tasks.lease")).toBe(1);
  });

  test("nobody listening rejects with unavailable and says what to look for", async () => {
    const server = await startMemoryServer();
    await server.close();
    await using store = openHttpStore({ endpoint: server.url, deadlineMs: 100, timeoutMs: 60 });
    await expect(store.lease([QUEUE], LEASE)).rejects.toMatchObject({
      code: "unavailable",
      message: expect.stringMatching(/127\.0\.0\.1:\d+ cannot be reached.*pullqueue serve/),
    });
  });

  test("a server that comes back is asked again what it is, and leases that never reached it are repeated", async () => {
    await using server = await startMemoryServer();
    const plain = await startFaultProxy(server.url, { plain: true });
    const port = Number(new URL(plain.url).port);
    const { client, failures } = countingFailures(undiciClient({ endpoint: plain.url }));
    await using store = openHttpStore({ client, random: () => 1 });
    expect(await store.ready()).toMatchObject({ fences: false });
    await plain[Symbol.asyncDispose]();
    const leasing = store.lease([{ ...QUEUE, queue: "q" }], LEASE);
    await expect.poll(failures).toBeGreaterThan(0);
    await using better = await startFaultProxy(server.url, { port });
    expect(await leasing).toEqual([]);
    expect(await store.ready()).toMatchObject({ fences: true });
    expect(store.supports.anyQueueName).toBe(true);
    expect(better.count("discovery")).toBe(1);
  });

  test("an abort during a pause ends the call with the reason", async () => {
    await using all = await setUp();
    await all.store.ready();
    all.proxy.next("taskqueues.get", "busy");
    const controller = new AbortController();
    const reason = { not: "an error" };
    const call = expect(all.store.getQueue(QUEUE, { signal: controller.signal })).rejects.toBe(reason);
    await expect.poll(() => all.proxy.count("taskqueues.get")).toBe(1);
    controller.abort(reason);
    await call;
  });

  test("an abort of one insert leaves those that share its call", async () => {
    const clock = manualClock();
    await using all = await setUp({ clock });
    await all.store.ready();
    all.proxy.next("tasks.batchInsert", "busy");
    const controller = new AbortController();
    const reason = new Error("enough");
    const aborted = all.store.insert(QUEUE, [task], { signal: controller.signal });
    const other = all.store.insert(QUEUE, [task]);
    await expect.poll(() => all.proxy.count("tasks.batchInsert")).toBe(1);
    controller.abort(reason);
    await expect(aborted).rejects.toBe(reason);
    await all.store.getQueue(QUEUE).catch(() => undefined);
    clock.advance(3_000);
    expect(await other).toMatchObject([{ ok: true }]);
    expect(all.proxy.count("tasks.batchInsert")).toBe(2);
  });

  test("close() sends what was accepted, ends what waits, and ends pauses", async () => {
    await using all = await setUp();
    await all.store.ready();
    all.proxy.next("taskqueues.get", "busy");
    const pausing = expect(all.store.getQueue(QUEUE)).rejects.toMatchObject({ code: "unavailable" });
    const waiting = expect(all.store.lease([QUEUE], { ...LEASE, waitMs: 50_000 })).rejects.toMatchObject({
      code: "closed",
    });
    await expect.poll(() => all.proxy.count("tasks.lease")).toBe(1);
    await expect.poll(() => all.proxy.count("taskqueues.get")).toBe(1);
    const accepted = Promise.all([1, 2, 3].map(() => all.store.insert({ ...QUEUE, queue: "q2" }, [task])));
    await all.store.close();
    await Promise.all([pausing, waiting]);
    expect((await accepted).flat().every((result) => result.ok)).toBe(true);
    expect(await all.direct.lease([QUEUE], LEASE)).toEqual([]);
  });
});
