import { manualClock, QueueError } from "@pullqueue/core";
import { type Message, Queue } from "@pullqueue/kombu";
import { describe, expect, test } from "vitest";
import { type Store, settled, storeWith } from "./support.js";

describe("drainEvents", () => {
  test("drainEvents() goes on waiting while messages are acknowledged elsewhere", async () => {
    let leases = 0;
    const { connect } = storeWith((real) => ({
      async lease(...call) {
        leases += 1;
        return real.lease(...call);
      },
    }));
    await using connection = connect();
    const producer = connection.producer({ routingKey: "q" });
    for (let n = 0; n < 5; n++) await producer.publish(n);
    const held: Message[] = [];
    const callbacks = [(_body: unknown, message: Message) => held.push(message)];
    await connection.consumer(new Queue("q"), { callbacks }).consume();
    for (let n = 0; n < 5; n++) await connection.drainEvents({ timeoutMs: 0 });
    leases = 0;
    const draining = connection.drainEvents();
    await settled();
    for (const message of held) {
      await message.ack();
      await settled();
    }
    expect(leases).toBe(1);
    await producer.publish("last");
    await draining;
    expect(held.at(-1)?.payload).toBe("last");
  });

  test("drainEvents() says that the broker is away when time is up, not that there is no message", async () => {
    const clock = manualClock();
    // As over HTTP: it is tried again for a while.
    const lease: Store["lease"] = (_queues, _request, { signal } = {}) =>
      new Promise((_resolve, reject) => {
        clock.timer(3_000, () => reject(new QueueError("unavailable", "down")));
        signal?.addEventListener("abort", () => reject(signal.reason));
      });
    const { connect, advance } = storeWith(() => ({ lease }), { clock });
    await using connection = connect();
    await connection.consumer(new Queue("q"), { callbacks: [() => {}] }).consume();
    const draining = connection.drainEvents({ timeoutMs: 1_000 }).catch((error: unknown) => error);
    await advance(4_000, 100);
    expect(await draining).toMatchObject({ code: "unavailable" });
  });

  test("drainEvents() waits for the broker's own answer when time is up, and does not interrupt it", async () => {
    const interrupted: boolean[] = [];
    const { connect, advance } = storeWith((real) => ({
      async lease(queues, request, options) {
        const tasks = await real.lease(queues, request, options);
        await settled(); // The way back.
        interrupted.push(options?.signal?.aborted ?? false);
        return tasks;
      },
    }));
    await using connection = connect();
    await connection.consumer(new Queue("q"), { callbacks: [() => {}] }).consume();
    const draining = connection.drainEvents({ timeoutMs: 1_000 }).catch((error: unknown) => error);
    await advance(2_000, 100);
    expect(await draining).toMatchObject({ code: "timeout" });
    expect(interrupted).toEqual([false]);
  });

  test("drainEvents() receives as soon as an acknowledgement makes room", async () => {
    const { connect } = storeWith();
    await using connection = connect();
    const held: Message[] = [];
    const callbacks = [(_body: unknown, message: Message) => held.push(message)];
    await connection.consumer(new Queue("q"), { callbacks, prefetchCount: 1 }).consume();
    const producer = connection.producer({ routingKey: "q" });
    for (const body of ["one", "two"]) await producer.publish(body);
    await connection.drainEvents();
    const draining = connection.drainEvents();
    await settled();
    expect(held.length).toBe(1);
    await held[0]!.ack();
    await draining;
    expect(held.map((message) => message.payload)).toEqual(["one", "two"]);
  });

  test.each([undefined, 1_000])("consumers have turns, with the time-out %s", async (timeoutMs) => {
    const { connect } = storeWith();
    await using connection = connect();
    const handled: string[] = [];
    for (const name of ["a", "b"]) {
      for (let n = 0; n < 4; n++) await connection.producer({ routingKey: name }).publish(n);
      const callback = (_body: unknown, message: Message) => {
        handled.push(name);
        return message.ack();
      };
      await connection.consumer(new Queue(name), { callbacks: [callback], prefetchCount: 4 }).consume();
    }
    for (let n = 0; n < 8; n++) await connection.drainEvents(timeoutMs === undefined ? {} : { timeoutMs });
    expect(handled.join("")).toMatch(/^(abababab|babababa)$/);
  });

  test("drainEvents() of several consumers gives nothing back that it has just received", async () => {
    const releases: string[] = [];
    const { connect } = storeWith((real) => ({
      async lease(queues, request, options) {
        const tasks = await real.lease(queues, request, options);
        if (queues[0]?.queue !== "a") await settled(); // Their answers come later.
        return tasks;
      },
      async extend(queue, leases) {
        for (const { leaseMs } of leases) if (leaseMs === 0) releases.push(queue.queue);
        return real.extend(queue, leases);
      },
    }));
    await using connection = connect();
    let handled = 0;
    const callback = (_body: unknown, message: Message) => {
      handled += 1;
      return message.ack();
    };
    for (const name of ["a", "b", "c"]) {
      for (let n = 0; n < 5; n++) await connection.producer({ routingKey: name }).publish(n);
      await connection.consumer(new Queue(name), { callbacks: [callback] }).consume();
    }
    for (let n = 0; n < 15; n++) await connection.drainEvents();
    expect([handled, releases]).toEqual([15, []]);
  });

  test("a receive that the transport gave up is tried again, as when the broker cannot be reached", async () => {
    let fails = 0;
    const { connect, advance } = storeWith((real) => ({
      async lease(...call) {
        // What an HTTP call gets from a server that is frozen.
        if (fails++ < 2) throw new QueueError("timeout", "the server did not answer");
        return real.lease(...call);
      },
    }));
    await using connection = connect();
    await connection.producer({ routingKey: "q" }).publish("hi");
    const messages = connection.consumer(new Queue("q")).messages();
    const next = messages.next();
    next.catch(() => {});
    await advance(5_000, 500);
    expect((await next).value?.payload).toBe("hi");
    await messages.return();
  });

  test("close() ends after two seconds in which the store answers nothing", async () => {
    const never = () => new Promise<never>(() => {});
    const { clock, connect } = storeWith(() => ({ extend: never }), { closeStore: never });
    const connection = connect();
    await connection.simpleQueue("q").put("hi");
    await connection.simpleQueue("q").get();
    let isClosed = false;
    const closing = connection.close().then(() => {
      isClosed = true;
    });
    await settled();
    clock.advance(1_999);
    await settled();
    expect(isClosed).toBe(false);
    clock.advance(1);
    await closing;
  });
});
