import {
  DEFAULT_QUEUE_SETTINGS,
  type HttpClient,
  type HttpStore,
  type HttpStoreOptions,
  limits,
  manualClock,
  openHttpStore,
  undiciClient,
} from "@pullqueue/core";
import { describe, expect, test } from "vitest";
import { startFaultProxy } from "./support/fault-proxy.js";
import { startMemoryServer } from "./support/http-factories.js";

const QUEUE = { project: "p", queue: "q" };
const WAITING = { maxTasks: 1, leaseMs: 60_000, waitMs: 50_000 };
const task = { payload: Buffer.from("hello") };

async function setUp(options: HttpStoreOptions = {}) {
  const server = await startMemoryServer();
  const proxy = await startFaultProxy(server.url);
  const store: HttpStore = openHttpStore({ endpoint: proxy.url, ...options });
  await store.ready();
  return {
    proxy,
    store,
    async [Symbol.asyncDispose]() {
      await store.close();
      await proxy[Symbol.asyncDispose]();
      await server.close();
    },
  };
}

describe("openHttpStore() in front of our server", () => {
  test("calls of one turn share one request, and each gets its own result", async () => {
    await using all = await setUp();
    const ids = [...Array(100).keys()].map((count) => `task-${count % 50}`);
    const results = await Promise.all(ids.map((id) => all.store.insert(QUEUE, [{ ...task, id }])));
    expect(all.proxy.count("tasks.batchInsert")).toBe(1);
    expect(results.map(([result]) => (result?.ok ? result.value.id : result?.error.code))).toEqual([
      ...ids.slice(0, 50),
      ...Array(50).fill("already_exists"),
    ]);
  });

  test("calls that are awaited one after the other go out one after the other", async () => {
    await using all = await setUp();
    for (let count = 0; count < 5; count++) await all.store.insert(QUEUE, [task]);
    expect(all.proxy.count("tasks.batchInsert")).toBe(5);
  });

  test("the memory of a body is used again, but not that of one that was sent twice", async () => {
    await using all = await setUp();
    const real = undiciClient({ endpoint: all.proxy.url });
    const sent: unknown[] = [];
    const client: HttpClient = {
      close: () => real.close(),
      send: (request) => {
        if (!request.path.includes("batchInsert")) return real.send(request);
        sent.push((request.body as Uint8Array).buffer);
        const refusal = { status: 503, headers: {}, body: new Uint8Array() };
        return sent.length === 2 ? Promise.resolve(refusal) : real.send(request);
      },
    };
    await using store = openHttpStore({ endpoint: all.proxy.url, client });
    for (let count = 0; count < 3; count++) await store.insert(QUEUE, [task]);
    const [first, second, third, fourth] = sent;
    // The second insert has the memory of the first, twice; the third has another.
    expect([second === first, third === second, fourth === second]).toEqual([true, true, false]);
  });

  test("renewals and deletes of many holders share requests too", async () => {
    await using all = await setUp();
    await all.store.insert(QUEUE, Array(40).fill(task));
    const held = await all.store.lease([QUEUE], { maxTasks: 40, leaseMs: 60_000 });
    const fences = held.map(({ id, retryCount, etaUs }) => ({ id, retryCount, leaseEndUs: etaUs }));
    await Promise.all(fences.map((fence) => all.store.extend(QUEUE, [{ ...fence, leaseMs: 90_000 }])));
    // The ends have moved; the counts still name the leases.
    const results = await Promise.all(fences.map((fence) => all.store.delete(QUEUE, [fence])));
    expect(results.flat().every((result) => result.ok)).toBe(true);
    expect([all.proxy.count("tasks.batchUpdate"), all.proxy.count("tasks.batchDelete")]).toEqual([1, 1]);
  });

  test("queues have requests of their own, so that one that is refused costs the others nothing", async () => {
    await using all = await setUp();
    await all.store.putQueue({ ...QUEUE, queue: "push" }, { ...DEFAULT_QUEUE_SETTINGS, mode: "push" });
    const refused = expect(all.store.insert({ ...QUEUE, queue: "push" }, [task])).rejects.toMatchObject({
      code: "wrong_mode",
    });
    expect(await all.store.insert(QUEUE, [task])).toMatchObject([{ ok: true }]);
    await refused;
  });

  test("a batch of more payload than one request may carry goes in several, in order", async () => {
    await using all = await setUp();
    const payload = Buffer.alloc(limits.PAYLOAD_BYTES_MAX);
    const count = limits.CLIENT_BATCH_PAYLOAD_BYTES / payload.byteLength + 3;
    const results = await all.store.insert(QUEUE, Array(count).fill({ payload }));
    expect(all.proxy.count("tasks.batchInsert")).toBe(2);
    const ids = results.map((result) => (result.ok ? result.value.id : result.error));
    const { tasks } = await all.store.peek(QUEUE, { limit: 100 });
    expect(tasks.map(({ id }) => id)).toEqual(ids);
  });

  test("a batch whose second request fails keeps the results of the first", async () => {
    await using all = await setUp();
    const payload = Buffer.alloc(limits.PAYLOAD_BYTES_MAX);
    const count = limits.CLIENT_BATCH_PAYLOAD_BYTES / payload.byteLength + 1;
    const tasks = Array(count).fill({ payload });
    all.proxy.next("tasks.batchInsert", "none", "forbidden");
    const results = await all.store.insert(QUEUE, tasks);
    expect(results.slice(0, -1).every((result) => result.ok)).toBe(true);
    expect(results.at(-1)).toMatchObject({ ok: false, error: { code: "permission_denied" } });
  });

  test("an empty batch asks nothing of the server", async () => {
    await using all = await setUp();
    expect(await all.store.insert(QUEUE, [])).toEqual([]);
    expect(await all.store.extend(QUEUE, [])).toEqual([]);
    expect(await all.store.delete(QUEUE, [])).toEqual([]);
    expect(all.proxy.passed.map(({ route }) => route)).toEqual(["discovery"]);
  });

  test("waiting leases are one request each, whatever the wait, and leave other calls their connections", async () => {
    await using all = await setUp();
    const aborting = new AbortController();
    const waits = Array.from({ length: 20 }, () =>
      all.store.lease([QUEUE], WAITING, { signal: aborting.signal }).catch((error: unknown) => error),
    );
    await expect.poll(() => all.proxy.count("tasks.lease")).toBe(20);
    expect(await all.store.insert({ ...QUEUE, queue: "other" }, [task])).toMatchObject([{ ok: true }]);
    const reason = new Error("enough");
    aborting.abort(reason);
    expect(new Set(await Promise.all(waits))).toEqual(new Set([reason]));
    await all.store.insert(QUEUE, [task]);
    const [leased] = await all.store.lease([QUEUE], { maxTasks: 1, leaseMs: 60_000 });
    expect(leased).toMatchObject({ retryCount: 1 });
  });

  test("an abort ends the wait on the server, and the caller hears of it when that is certain", async () => {
    // Time stands still for this client, so nothing but the server's answer can end the call.
    await using all = await setUp({ clock: manualClock() });
    const controller = new AbortController();
    const reason = new Error("enough");
    const waiting = all.store.lease([QUEUE], WAITING, { signal: controller.signal });
    await expect.poll(() => all.proxy.count("tasks.lease")).toBe(1);
    controller.abort(reason);
    await expect(waiting).rejects.toBe(reason);
    expect(all.proxy.count("taskqueues.cancelLease")).toBe(1);
  });

  test("an abort that the server does not hear of cuts the connection after a moment", async () => {
    const clock = manualClock();
    await using all = await setUp({ clock });
    all.proxy.next("tasks.lease", "silent");
    all.proxy.next("taskqueues.cancelLease", "forbidden");
    const controller = new AbortController();
    const reason = new Error("enough");
    const waiting = all.store.lease([QUEUE], WAITING, { signal: controller.signal });
    await expect.poll(() => all.proxy.count("tasks.lease")).toBe(1);
    controller.abort(reason);
    clock.advance(limits.CLIENT_ABORT_GRACE_MS);
    await expect(waiting).rejects.toBe(reason);
  });

  test("every request goes to the prefixed project and asks for compact answers", async () => {
    await using all = await setUp();
    await all.store.insert(QUEUE, [task]);
    expect(all.proxy.passed.every(({ query }) => query.get("prettyPrint") === "false")).toBe(true);
    expect(all.proxy.passed.at(-1)?.path).toContain("/projects/s~p/");
  });

  test("lease() of queues of several projects is refused", async () => {
    await using all = await setUp();
    const queues = [QUEUE, { ...QUEUE, project: "other" }];
    await expect(all.store.lease(queues, { maxTasks: 1, leaseMs: 1000 })).rejects.toMatchObject({
      code: "not_supported",
    });
  });
});

test("lease() given up before it reached its server is cancelled until it is there, and then answered", async () => {
  await using server = await startMemoryServer();
  const inner = undiciClient({ endpoint: server.url });
  const controller = new AbortController();
  const reason = { not: "an error" };
  let cancels = 0;
  let cancelledTooEarly = () => {};
  const tooEarly = new Promise<void>((resolve) => {
    cancelledTooEarly = resolve;
  });
  let outcome = "none";
  const client: HttpClient = {
    async send(request) {
      if (request.path.includes(":cancelLease")) {
        const answer = await inner.send(request);
        cancels += 1;
        cancelledTooEarly();
        return answer;
      }
      if (!request.path.includes("/tasks/lease")) return inner.send(request);
      controller.abort(reason);
      await tooEarly;
      return inner.send(request).finally(() => {
        outcome = request.signal?.aborted === true ? "cut" : "answered";
      });
    },
    close: () => inner.close(),
  };
  await using store = openHttpStore({ client });
  await expect(store.lease([QUEUE], WAITING, { signal: controller.signal })).rejects.toBe(reason);
  expect(outcome).toBe("answered");
  expect(cancels).toBeGreaterThan(1);
});
