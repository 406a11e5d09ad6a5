import { setImmediate as turn } from "node:timers/promises";
import { type Connection, type Message, Queue } from "@pullqueue/kombu";
import { isMissing } from "@pullqueue/testing";
import { describe, expect, it, vi } from "vitest";
import { count, drain, rabbitmqFixture } from "../rabbitmq-fixture.js";

describe.skipIf(isMissing("rabbitmq-programs"))("consumers of amqp", () => {
  const { running, connect, name, declared } = rabbitmqFixture();
  const put = async (connection: Connection, queue: Queue, bodies: readonly unknown[]) => {
    const producer = connection.producer({ routingKey: queue.name });
    for (const body of bodies) await producer.publish(body);
  };

  it("an autoDelete queue lives as long as somebody consumes from it, also between two messages", async () => {
    const connection = connect();
    const simple = connection.simpleQueue(name(), { queueOptions: { autoDelete: true, durable: false } });
    const first = simple.get({ timeoutMs: 10_000 });
    await simple.put(1);
    await (await first).ack();
    const held: Message[] = [];
    for (const body of [2, 3]) {
      const next = simple.get({ timeoutMs: 10_000 });
      await turn();
      await simple.put(body);
      held.push(await next);
    }
    expect(held.map(({ payload }) => payload)).toEqual([2, 3]);
    await simple.close();
    for (const message of held) await message.ack().catch(() => {});
    const isGone = new Queue(simple.queue.name).bind(await connection.channel());
    await expect(isGone.declare({ passive: true })).rejects.toMatchObject({ code: "not_found" });
  });

  it("a consumer takes as many as its prefetch and no more, and cancel() gives them back", async () => {
    const connection = connect();
    const queue = await declared(connection);
    await put(connection, queue, [1, 2, 3, 4, 5]);
    const held: Message[] = [];
    const consumer = connection.consumer(queue, {
      ...{ prefetchCount: 3, callbacks: [(_body, message) => void held.push(message)] },
    });
    await consumer.consume();
    await connection.drainEvents({ timeoutMs: 10_000 });
    await vi.waitFor(async () => expect(await count(connection, queue)).toBe(2));
    await consumer.cancel();
    expect(await count(connection, queue)).toBe(4);
    await held[0]!.ack();
    expect(await drain(queue)).toEqual([2, 3, 4, 5]);
  });

  it("several queues of one consumer share its prefetch", async () => {
    const connection = connect();
    const queues = [await declared(connection), await declared(connection)];
    for (const queue of queues) await put(connection, queue, [1, 2, 3, 4, 5]);
    await using consumer = connection.consumer(queues, { prefetchCount: 4, callbacks: [() => {}] });
    await consumer.consume();
    await connection.drainEvents({ timeoutMs: 10_000 });
    await connection.drainEvents({ timeoutMs: 10_000 });
    const counts = () => Promise.all(queues.map((queue) => count(connection, queue)));
    await vi.waitFor(async () => expect(await counts()).toEqual([3, 3]));
  });

  it("run() that is stopped acknowledges what its handlers have finished", async () => {
    const connection = connect();
    const queue = await declared(connection);
    await put(
      connection,
      queue,
      Array.from({ length: 20 }, (_, index) => index),
    );
    const stop = new AbortController();
    const errors: unknown[] = [];
    let seen = 0;
    const handler = async () => {
      seen += 1;
      if (seen === 10) stop.abort();
      await vi.waitUntil(() => stop.signal.aborted);
    };
    await connection
      .consumer(queue)
      .run(handler, { concurrency: 10, signal: stop.signal, onError: (error) => errors.push(error) });
    expect(errors).toEqual([]);
    expect(await count(connection, queue)).toBe(10);
  });

  it("a consumer whose queue is deleted hears of it: not_found", async () => {
    const connection = connect();
    const queue = await declared(connection);
    const consumer = connection.consumer(queue, { prefetchCount: 1, callbacks: [() => {}] });
    await consumer.consume();
    const waiting = connection.drainEvents();
    const hears = expect(waiting).rejects.toMatchObject({ code: "not_found" });
    await vi.waitFor(async () => {
      const state = await running().control("list_queues", "name", "consumers");
      expect(state).toContain(`${queue.name}\t1`);
    }, 20_000);
    await queue.delete();
    await hears;
  });

  it("requeue() with a delay hides a message, and close() gives it back before that", async () => {
    const [connection, other] = [connect(), connect()];
    const queue = await declared(connection);
    await put(connection, queue, ["soon", "late"]);
    const [soon, late] = [(await queue.get())!, (await queue.get())!];
    await soon.requeue({ delayMs: 300 });
    await late.requeue({ delayMs: 600_000 });
    const theirs = new Queue(queue.name).bind(await other.channel());
    expect(await theirs.get()).toBeNull();
    const message = await vi.waitUntil(() => theirs.get(), { timeout: 10_000 });
    expect(message.payload).toBe("soon");
    expect(await theirs.get()).toBeNull();
    await connection.close();
    expect((await theirs.get())?.payload).toBe("late");
  });

  it("a message that waits to be given back later does not hold up the others", async () => {
    const connection = connect();
    const queue = await declared(connection);
    await put(connection, queue, ["poison", "good"]);
    const seen: unknown[] = [];
    const stop = new AbortController();
    const handler = (message: Message) => {
      seen.push(message.payload);
      if (message.payload === "poison") throw new Error("never");
      stop.abort();
    };
    await connection.consumer(queue, { prefetchCount: 1 }).run(handler, {
      ...{ signal: stop.signal, onError: () => {} },
      backoff: { initialMs: 600_000, maxMs: 600_000, factor: 1, jitter: 0 },
    });
    expect(seen).toEqual(["poison", "good"]);
  });

  it("attemptsMax counts on quorum queues, where the broker does", async () => {
    const connection = connect();
    const queue = await declared(connection, { queueArguments: { "x-queue-type": "quorum" } });
    await put(connection, queue, ["poison", "end"]);
    const attempts: unknown[] = [];
    const stop = new AbortController();
    const handler = (message: Message) => {
      attempts.push([message.payload, message.deliveryInfo.attempts]);
      if (attempts.length >= 4) stop.abort();
      else throw new Error("never");
    };
    await connection.consumer(queue).run(handler, {
      ...{ signal: stop.signal, attemptsMax: 2, onError: () => {} },
      backoff: { initialMs: 0, maxMs: 0, factor: 1, jitter: 0 },
    });
    expect(attempts.toSorted()).toEqual([
      ...[
        ["end", 1],
        ["end", 2],
        ["poison", 1],
        ["poison", 2],
      ],
    ]);
  });

  it("a consumer's tag and arguments reach the broker", async () => {
    const connection = connect();
    const queue = new Queue(name(), { consumerArguments: { "x-priority": 5 } });
    const consumer = connection.consumer(queue, {
      prefetchCount: 7,
      tagPrefix: "mine-",
      callbacks: [() => {}],
    });
    await consumer.consume();
    const waiting = connection.drainEvents().catch(() => {});
    await vi.waitFor(async () => {
      const list = await running().control(
        "list_consumers",
        "queue_name",
        "consumer_tag",
        "prefetch_count",
        "arguments",
      );
      expect(list).toMatch(new RegExp(`${queue.name}\t${consumer.tags.get(queue.name)}\t7\t.*x-priority.*5`));
    }, 20_000);
    await connection.close();
    await waiting;
  });
});
