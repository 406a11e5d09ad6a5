import { QueueError } from "@pullqueue/core";
import { type Message, Queue } from "@pullqueue/kombu";
import { describe, expect, test, vi } from "vitest";
import { LEASE_MS, settled, storeWith } from "./support.js";

const KEY = { project: "p", queue: "q" };

describe("ConsumerRun", () => {
  test("a message that cannot be acknowledged before its handler is tried again after a pause", async () => {
    let attempts = 0;
    const errors: unknown[] = [];
    const { connect, advance } = storeWith((real) => ({
      async delete(...call) {
        attempts += 1;
        // A loop without pauses would not let this test go on, either.
        if (attempts < 3 || attempts > 100) throw new QueueError("permission_denied", "not yet");
        return real.delete(...call);
      },
    }));
    await using connection = connect();
    await connection.producer({ routingKey: "q" }).publish("hi");
    const stop = new AbortController();
    const payloads: unknown[] = [];
    const running = connection
      .consumer(new Queue("q"), { noAck: true })
      .run((message) => payloads.push(message.payload), {
        signal: stop.signal,
        onError: (error) => errors.push(error),
      });
    await settled();
    expect(attempts).toBe(1);
    await advance(1_000, 100);
    expect([attempts, errors.length, payloads]).toEqual([3, 2, ["hi"]]);
    stop.abort();
    await running;
  });

  test("a run that is never without work leaves turns to timers, signals and other programs", async () => {
    const { connect } = storeWith();
    await using connection = connect();
    await connection.producer({ routingKey: "q" }).publish("comes back at once");
    const stop = new AbortController();
    let calls = 0;
    const handler = () => {
      calls += 1;
      if (calls === 1) setImmediate(() => stop.abort());
      // Without turns the signal would never fire, and without a limit this test not end.
      if (calls < 1_000) throw new Error("again");
      stop.abort();
    };
    const backoff = { initialMs: 0, maxMs: 0, factor: 1, jitter: 0 };
    const consumer = connection.consumer(new Queue("q"));
    await consumer.run(handler, { signal: stop.signal, backoff, onError: () => {} });
    expect(calls).toBeLessThan(10);
  });

  test("handlers do not wait for acknowledgements on their way, up to a hundred of them, and the run's end waits for all", async () => {
    let release = () => {};
    const held = new Promise<void>((resolve) => (release = resolve));
    const { connect, store } = storeWith((real) => ({
      async delete(...call) {
        await held;
        return real.delete(...call);
      },
    }));
    await using connection = connect();
    const producer = connection.producer({ routingKey: "q" });
    for (let number = 0; number < 150; number++) await producer.publish(number);
    const stop = new AbortController();
    let calls = 0;
    const consumer = connection.consumer(new Queue("q"), { prefetchCount: 150 });
    const running = consumer.run(() => calls++, { signal: stop.signal });
    await expect.poll(() => calls).toBe(101);
    await settled();
    expect(calls).toBe(101);
    stop.abort();
    release();
    await running;
    expect((await store.getQueue(KEY, { stats: true })).stats?.totalTasks).toBe(150 - calls);
  });

  test("messages that are handled one by one are not received one by one", async () => {
    let leases = 0;
    const { connect } = storeWith((real) => ({
      async lease(...call) {
        leases += 1;
        return real.lease(...call);
      },
    }));
    await using connection = connect();
    const producer = connection.producer({ routingKey: "q" });
    for (let number = 0; number < 100; number++) await producer.publish(number);
    const stop = new AbortController();
    let calls = 0;
    const consumer = connection.consumer(new Queue("q"), { prefetchCount: 20 });
    const handler = async () => {
      await new Promise(setImmediate);
      calls += 1;
      if (calls === 100) stop.abort();
    };
    await consumer.run(handler, { signal: stop.signal });
    expect(leases).toBeLessThanOrEqual(12);
  });

  test("a message whose last handler never came to an end is rejected without another one", async () => {
    const errors: unknown[] = [];
    const { connect, clock, store } = storeWith();
    await using connection = connect();
    await connection.producer({ routingKey: "q" }).publish("poison");
    for (let crash = 0; crash < 2; crash++) {
      await store.lease([KEY], { maxTasks: 1, leaseMs: 1_000 });
      clock.advance(1_000);
    }
    const stop = new AbortController();
    let calls = 0;
    const onError = (error: unknown) => {
      errors.push(error);
      stop.abort();
    };
    await connection
      .consumer(new Queue("q"))
      .run(() => calls++, { attemptsMax: 2, signal: stop.signal, onError });
    expect(calls).toBe(0);
    expect(errors).toMatchObject([{ code: "resource_exhausted" }]);
    expect((await store.getQueue(KEY, { stats: true })).stats?.totalTasks).toBe(0);
  });

  test("a handler that throws because the run ends gives its message back at once", async () => {
    const { connect, store } = storeWith();
    await using connection = connect();
    await connection.producer({ routingKey: "q" }).publish("hi");
    const stop = new AbortController();
    const handler = () => {
      stop.abort();
      throw new Error("stopped");
    };
    await connection.consumer(new Queue("q")).run(handler, { signal: stop.signal, onError: () => {} });
    expect((await store.getQueue(KEY, { stats: true })).stats?.availableTasks).toBe(1);
  });

  test("a message that could not be acknowledged comes back when its lease ends", async () => {
    let isDown = true;
    const { connect, advance } = storeWith((real) => ({
      async delete(...call) {
        if (isDown) throw new QueueError("unavailable", "down");
        return real.delete(...call);
      },
    }));
    await using connection = connect();
    await connection.producer({ routingKey: "q" }).publish("hi");
    const stop = new AbortController();
    let calls = 0;
    const running = connection
      .consumer(new Queue("q"))
      .run(() => calls++, { signal: stop.signal, onError: () => {} });
    await advance(1_000);
    isDown = false;
    await advance(LEASE_MS);
    expect(calls).toBe(2);
    stop.abort();
    await running;
  });

  test("run() waits for a broker that is away when it begins, for as long as that takes", async () => {
    let attempts = 0;
    const errors: unknown[] = [];
    const { connect, advance } = storeWith((real) => ({
      async getQueue(...call) {
        attempts += 1;
        if (attempts <= 200) throw new QueueError("unavailable", "down");
        return real.getQueue(...call);
      },
    }));
    await using connection = connect();
    await connection.producer({ routingKey: "q" }).publish("hi");
    const stop = new AbortController();
    const payloads: unknown[] = [];
    const running = connection.consumer(new Queue("q")).run((message) => payloads.push(message.payload), {
      signal: stop.signal,
      onError: (error) => errors.push(error),
    });
    await advance(100_000);
    // Once a second, or a little more often.
    expect([attempts > 90, attempts <= 200, payloads]).toEqual([true, true, []]);
    await advance(150_000);
    expect([attempts, errors.length, payloads]).toEqual([201, 200, ["hi"]]);
    stop.abort();
    await running;
  });

  test("run() that waits for its broker ends when it is stopped, and fails with what waiting would not change", async () => {
    let failure = new QueueError("unavailable", "down");
    const { connect, advance } = storeWith(() => ({
      async getQueue() {
        throw failure;
      },
    }));
    await using connection = connect();
    const consumer = connection.consumer(new Queue("q"));
    const run = (signal?: AbortSignal) => consumer.run(() => {}, { signal, onError: () => {} });
    const stop = new AbortController();
    const stopped = run(stop.signal);
    await advance(10_000);
    stop.abort();
    await stopped;
    const cancelled = run();
    await advance(10_000);
    await consumer.cancel();
    await cancelled;
    const refused = expect(run()).rejects.toMatchObject({ code: "precondition_failed" });
    await advance(10_000);
    failure = new QueueError("wrong_mode", "it pushes");
    await advance(10_000);
    await refused;
  });

  test("run() refuses a backoff that is none", async () => {
    await using connection = storeWith().connect();
    const consumer = connection.consumer(new Queue("q"));
    const backoff = { initialMs: 1_000, maxMs: 10_000, factor: 2, jitter: 0.2 };
    for (const wrong of [{ initialMs: 1 }, { ...backoff, factor: 0.5 }, { ...backoff, jitter: 2 }]) {
      await expect(consumer.run(() => {}, { backoff: wrong as typeof backoff })).rejects.toThrow(/backoff/);
    }
    // A task cannot be hidden for longer than the longest lease.
    await expect(consumer.run(() => {}, { backoff: { ...backoff, maxMs: 1e10 } })).rejects.toThrow(/backoff/);
    await consumer.run(() => {}, { backoff, signal: AbortSignal.abort() });
  });

  test("a failure that nobody asked for is a warning: which message of which queue, and when it comes again; each text once", async () => {
    const { connect, advance } = storeWith();
    await using connection = connect();
    const warnings: unknown[][] = [];
    const warn = vi.spyOn(process, "emitWarning").mockImplementation((...call) => {
      warnings.push(call);
    });
    const producer = connection.producer({ routingKey: "q" });
    for (const text of ["one", "one", "two"]) await producer.publish(text);
    const stop = new AbortController();
    const handler = (message: Message) => Promise.reject(new Error(String(message.payload)));
    const backoff = { initialMs: 500, maxMs: 500, factor: 1, jitter: 0 };
    const running = connection.consumer(new Queue("q")).run(handler, { signal: stop.signal, backoff });
    await advance(3_000);
    stop.abort();
    await running;
    warn.mockRestore();
    expect(warnings.map(([text]) => text)).toEqual([
      expect.stringMatching(
        /^the handler failed on message q\/.* of queue "q": one; it comes again in 500 ms$/,
      ),
      expect.stringMatching(
        /^the handler failed on message q\/.* of queue "q": two; it comes again in 500 ms$/,
      ),
    ]);
    expect(warnings[0]?.[1]).toMatchObject({ detail: expect.stringContaining("consumer-run.test.ts") });
  });

  test("a message that is being read when the run is stopped goes back unseen", async () => {
    const { connect } = storeWith();
    await using connection = connect();
    const texts = connection.simpleQueue("q");
    await texts.put("a");
    const stop = new AbortController();
    const validate = async (value: unknown) => {
      stop.abort();
      return { value };
    };
    const schema = { "~standard": { version: 1, vendor: "test", validate } } as const;
    const payloads: unknown[] = [];
    const consumer = connection.consumer(new Queue("q"), { schema });
    await consumer.run((message) => payloads.push(message.payload), { signal: stop.signal });
    expect(payloads).toEqual([]);
    expect((await texts.get()).deliveryInfo.attempts).toBe(1);
  });
});
