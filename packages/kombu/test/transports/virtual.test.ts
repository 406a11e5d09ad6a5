import { QueueError } from "@pullqueue/core";
import { type Connection, Exchange, isKombuError, Queue } from "@pullqueue/kombu";
import { describe, expect, test, vi } from "vitest";
import { LEASE_MS, type Store, settled, storeWith } from "../support.js";

async function declareFanout(connection: Connection, ...names: readonly string[]): Promise<Exchange> {
  const exchange = new Exchange("fan", "fanout");
  const channel = await connection.channel();
  for (const name of names) await new Queue(name, { exchange }).bind(channel).declare();
  return exchange;
}

async function sizeOf(store: Store, queue: string): Promise<number | undefined> {
  return (await store.getQueue({ project: "p", queue }, { stats: true })).stats?.totalTasks;
}

describe("VirtualTransport", () => {
  test("publish() tries a queue that failed again, with the same key", async () => {
    const keys: (string | undefined)[] = [];
    let failures = 1;
    const { store, clock, connect } = storeWith((real) => ({
      async insert(queue, tasks, options) {
        if (queue.queue === "two") {
          keys.push(tasks[0]?.idempotencyKey);
          const results = await real.insert(queue, tasks, options);
          if (failures-- > 0) throw new QueueError("unavailable", "the answer was lost");
          return results;
        }
        return real.insert(queue, tasks, options);
      },
    }));
    await using connection = connect();
    const exchange = await declareFanout(connection, "one", "two");
    const publishing = connection.producer({ exchange }).publish("once");
    await vi.waitFor(() => {
      clock.advance(200);
      expect(keys.length).toBe(2);
    });
    expect((await publishing).queues).toEqual(["one", "two"]);
    expect(keys[0]).toBe(keys[1]);
    expect([await sizeOf(store, "one"), await sizeOf(store, "two")]).toEqual([1, 1]);
  });

  test("publish() names the queues that failed, and repeating it adds to them alone", async () => {
    let isBroken = true;
    const { store, connect } = storeWith((real) => ({
      async insert(queue, tasks, options) {
        if (isBroken && queue.queue === "two") throw new QueueError("permission_denied", "not yours");
        return real.insert(queue, tasks, options);
      },
    }));
    await using connection = connect();
    const exchange = await declareFanout(connection, "one", "two", "three");
    const producer = connection.producer({ exchange });
    const failure = await producer.publish("hi", { idempotencyKey: "k" }).catch((error: unknown) => error);
    expect(failure).toMatchObject({ code: "permission_denied", queues: ["two"] });
    isBroken = false;
    await producer.publish("hi", { idempotencyKey: "k" });
    for (const queue of ["one", "two", "three"]) expect(await sizeOf(store, queue)).toBe(1);
  });

  test.each([
    ["no queue took it", ["one", "two"], ["unavailable"]],
    ["one queue will never take it", ["one", "two"], ["unavailable", "permission_denied"]],
  ] as const)("publish() is not tried again where %s", async (_why, failing, codes) => {
    const asked: string[] = [];
    const { connect } = storeWith((real) => ({
      async insert(queue, tasks, options) {
        asked.push(queue.queue);
        const index = (failing as readonly string[]).indexOf(queue.queue);
        if (index >= 0) throw new QueueError(codes[index] ?? codes[0], "away");
        return real.insert(queue, tasks, options);
      },
    }));
    await using connection = connect();
    const names = codes.length > 1 ? ["one", "two", "three"] : ["one", "two"];
    const exchange = await declareFanout(connection, ...names);
    const failure = connection.producer({ exchange }).publish("hi");
    await expect(failure).rejects.toMatchObject({ code: "unavailable", queues: failing });
    expect(asked).toEqual(names);
  });

  test("publish() tries a queue that stays away three times in all, and then names it", async () => {
    let calls = 0;
    const { clock, connect } = storeWith((real) => ({
      async insert(queue, tasks, options) {
        if (queue.queue === "one") return real.insert(queue, tasks, options);
        calls += 1;
        throw new QueueError("unavailable", "away");
      },
    }));
    await using connection = connect();
    const exchange = await declareFanout(connection, "one", "two");
    let failure: unknown;
    const publishing = connection.producer({ exchange }).publish("hi");
    void publishing.catch((error: unknown) => (failure = error));
    await vi.waitFor(() => {
      clock.advance(1_000);
      expect(failure).toMatchObject({ code: "unavailable", queues: ["two"] });
    });
    expect(calls).toBe(3);
  });

  test("publish() gives each queue's copy a key and a delivery tag of its own", async () => {
    const inserted: { key: string | undefined; tag: string }[] = [];
    const { connect } = storeWith((real) => ({
      async insert(queue, tasks, options) {
        for (const { idempotencyKey, payload } of tasks) {
          const { properties } = JSON.parse(Buffer.from(payload).toString());
          inserted.push({ key: idempotencyKey, tag: properties.delivery_tag });
        }
        return real.insert(queue, tasks, options);
      },
    }));
    await using connection = connect();
    const exchange = await declareFanout(connection, "one", "two");
    // What a key may hold goes into it as it is; anything else is hashed.
    for (const [idempotencyKey, pattern] of [
      ["mine", /^mine\/(one|two)$/],
      ["x".repeat(124), /^x{124}\/(one|two)$/],
      ["x".repeat(125), /^[\w-]{43}$/],
      ["nul\0", /^[\w-]{43}$/],
    ] as const) {
      inserted.length = 0;
      await connection.producer({ exchange }).publish("hi", { idempotencyKey });
      expect(new Set(inserted.map(({ key }) => key)).size).toBe(2);
      expect(new Set(inserted.map(({ tag }) => tag)).size).toBe(2);
      for (const { key } of inserted) expect(key).toMatch(pattern);
    }
  });

  test("publish() past timeoutMs is timeout, whatever the store does", async () => {
    const { clock, connect } = storeWith(() => ({
      insert: (_queue, _tasks, options) =>
        new Promise((_resolve, reject) => {
          options?.signal?.addEventListener("abort", () => reject(options.signal?.reason));
        }),
    }));
    const connection = connect();
    const publishing = connection.producer({ routingKey: "q" }).publish("hi", { timeoutMs: 5_000 });
    const outcome = publishing.catch((error: unknown) => error);
    await new Promise(setImmediate);
    clock.advance(5_000);
    expect(await outcome).toMatchObject({
      code: "timeout",
      message: expect.stringMatching(
        /did not confirm the message within 5000 ms \(timeoutMs\), so that it is unclear/,
      ),
    });
    await connection.close();
  });

  test("ack() again, after one whose answer was lost, finds its own work and is quiet", async () => {
    let losesAnswer = true;
    const { connect, store } = storeWith((real) => ({
      delete: async (queue, targets) => {
        const results = await real.delete(queue, targets);
        if (!losesAnswer) return results;
        losesAnswer = false;
        throw new QueueError("timeout", "the connection broke");
      },
    }));
    await using connection = connect();
    const queue = connection.simpleQueue("q");
    await queue.put("done");
    const done = await queue.get();
    await expect(done.ack()).rejects.toMatchObject({ code: "timeout" });
    await done.ack();
    // Without a first attempt of ours it was somebody else.
    await queue.put("purged");
    const purged = await queue.get();
    await store.purge({ project: "p", queue: "q" });
    await expect(purged.ack()).rejects.toMatchObject({ code: "lease_lost" });
  });

  test("declare() goes on when it is not allowed to know", async () => {
    const { connect } = storeWith(() => ({
      getQueue: () => Promise.reject(new QueueError("permission_denied", "writers only")),
    }));
    await using connection = connect();
    const queue = new Queue("q").bind(await connection.channel());
    expect(await queue.declare()).toBe("q");
    await connection.producer({ routingKey: "q" }).publish("hi");
    await expect(queue.declare({ passive: true })).rejects.toMatchObject({ code: "permission_denied" });
  });

  test("declare() refuses what no store does: headers and a longest length", async () => {
    const { connect } = storeWith(() => ({}));
    await using connection = connect();
    const channel = await connection.channel();
    const exchange = new Exchange("h", "headers").bind(channel);
    await expect(exchange.declare()).rejects.toMatchObject({ code: "not_supported" });
    const queue = new Queue("q", { maxLength: 3 }).bind(channel);
    await expect(queue.declare()).rejects.toMatchObject({ code: "not_supported" });
  });

  test("receive() asks for as many as numTasks or the prefetch allow", async () => {
    const asked: number[] = [];
    const look = async (numTasks: number | undefined, prefetchCount: number) => {
      asked.length = 0;
      const change = (real: Store): Partial<Store> => ({
        async lease(queues, request, options) {
          asked.push(request.maxTasks);
          return real.lease(queues, request, options);
        },
      });
      await using connection = storeWith(change, { numTasks }).connect();
      const consumer = connection.consumer(new Queue("q"), { prefetchCount, callbacks: [() => {}] });
      await consumer.consume();
      await connection.drainEvents({ timeoutMs: 0 }).catch(() => {});
      return asked;
    };
    expect(await look(undefined, 0)).toEqual([1]);
    expect(await look(15, 0)).toEqual([15]);
    expect(await look(undefined, 40)).toEqual([40]);
    expect(await look(15, 40)).toEqual([15]);
    expect(await look(15, 7)).toEqual([7]);
  });

  test("release() waits for a renewal on its way, which would otherwise hide the message for a whole lease", async () => {
    const arrivals: (() => void)[] = [];
    const { connect, advance } = storeWith((real) => ({
      async extend(queue, leases) {
        if (leases[0]?.leaseMs === LEASE_MS) await new Promise<void>((arrive) => arrivals.push(arrive));
        return real.extend(queue, leases);
      },
    }));
    await using connection = connect();
    const queue = connection.simpleQueue("q");
    await queue.put("hi");
    const message = await queue.get();
    await advance(LEASE_MS / 2);
    expect(arrivals.length).toBe(1);
    const requeuing = message.requeue({ delayMs: 5_000 });
    await settled();
    arrivals[0]!();
    await requeuing;
    await advance(5_000);
    expect((await queue.getNowait()).payload).toBe("hi");
  });

  test("drainEvents() outlives a store that is away for a while, and says so when it stays away", async () => {
    let failures = 3;
    const { clock, connect } = storeWith((real) => ({
      async lease(queues, request, options) {
        if (failures-- > 0) throw new QueueError("unavailable", "restarting");
        return real.lease(queues, request, options);
      },
    }));
    await using connection = connect();
    const queue = connection.simpleQueue("q");
    await queue.put("hi");
    const getting = queue.get({ timeoutMs: 100_000 });
    let isDone = false;
    getting.then(
      () => (isDone = true),
      () => (isDone = true),
    );
    await vi.waitFor(() => {
      clock.advance(500);
      expect(isDone).toBe(true);
    });
    const message = await getting;
    await message.ack();
    failures = Number.POSITIVE_INFINITY;
    const hopeless = queue.get().catch((error: unknown) => error);
    let outcome: unknown;
    void hopeless.then((error) => (outcome = error));
    await vi.waitFor(() => {
      clock.advance(5_000);
      expect(outcome).toMatchObject({ code: "unavailable" });
    });
  });

  test("close() lets a publish that runs come to its end, and closes the store after it", async () => {
    const gate = gated();
    const events: string[] = [];
    const { connect } = storeWith((real) => ({
      async insert(queue, tasks, options) {
        await gate.opened;
        return real.insert(queue, tasks, options);
      },
    }));
    const connection = connect();
    const publishing = connection.producer({ routingKey: "q" }).publish("hi");
    void publishing.then(() => events.push("published"));
    await new Promise(setImmediate);
    const closing = connection.close();
    void closing.then(() => events.push("closed"));
    await new Promise(setImmediate);
    expect(events).toEqual([]);
    gate.open();
    await Promise.all([publishing, closing]);
    expect(events).toEqual(["published", "closed"]);
  });

  test("cancel() wins over a consume() that is still declaring", async () => {
    const gate = gated();
    const { connect } = storeWith((real) => ({
      async getQueue(queue, options) {
        await gate.opened;
        return real.getQueue(queue, options);
      },
    }));
    await using connection = connect();
    const consumer = connection.consumer(new Queue("q"), { callbacks: [() => {}] });
    const consuming = consumer.consume().catch((error: unknown) => error);
    await consumer.cancel();
    gate.open();
    expect(isKombuError(await consuming, "closed")).toBe(true);
    expect(consumer.consumingFrom("q")).toBe(false);
  });
});

/** A promise that is resolved from outside. */
function gated(): { readonly opened: Promise<void>; readonly open: () => void } {
  let open = () => {};
  const opened = new Promise<void>((resolve) => {
    open = resolve;
  });
  return { opened, open };
}
