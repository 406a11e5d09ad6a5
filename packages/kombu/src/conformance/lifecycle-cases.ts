import assert from "node:assert/strict";
import { setImmediate as turn } from "node:timers/promises";
import { isClosed, type KombuError } from "../errors.js";
import type { Message } from "../message.js";
import type { Cases } from "./broker-under-test.js";
import { declareQueue, drainPayloads, getOne, inTime, put, rejectsWith } from "./support.js";

/** Closing in every state. */
export const lifecycleCases: Cases = {
  "close() before the first use, twice, and at the same time": async (_connection, broker) => {
    const connection = broker.connect();
    const [first, second] = [connection.close(), connection.close()];
    assert.equal(first, second);
    await first;
    await connection.close();
  },

  "close() while it opens": async (_connection, broker) => {
    const connection = broker.connect();
    const opening = connection.channel();
    opening.catch(() => {});
    await inTime(connection.close());
    await rejectsWith(connection.channel(), "closed");
  },

  "after close() every call is closed": async (connection) => {
    const queue = await declareQueue(connection, "q");
    const [producer, simple] = [connection.producer({ routingKey: "q" }), connection.simpleQueue("s")];
    const consumer = connection.consumer(queue, { callbacks: [() => {}] });
    const channel = await connection.channel();
    await connection.close();
    await rejectsWith(producer.publish("hi"), "closed");
    await rejectsWith(simple.put("hi"), "closed");
    await rejectsWith(simple.getNowait(), "closed");
    await rejectsWith(consumer.consume(), "closed");
    await rejectsWith(consumer.messages().next(), "closed");
    await rejectsWith(connection.drainEvents({ timeoutMs: 0 }), "closed");
    await rejectsWith(connection.channel(), "closed");
    await rejectsWith(queue.bind(channel).declare(), "closed");
  },

  "close() ends waiting calls with closed": async (connection) => {
    const queue = await declareQueue(connection, "q");
    const consumer = connection.consumer(queue, { callbacks: [() => {}] });
    await consumer.consume();
    const waiting: Promise<unknown>[] = [
      connection.drainEvents(),
      connection.simpleQueue("s").get(),
      connection.consumer(queue).messages().next(),
      connection.consumer(queue).run(() => {}),
    ];
    for (const call of waiting) call.catch(() => {});
    for (let turns = 0; turns < 10; turns++) await turn();
    await inTime(connection.close());
    for (const call of waiting) await rejectsWith(inTime(call), "closed");
  },

  "close() gives back what is held, handed over or not, in its order": async (connection, broker) => {
    const queue = await declareQueue(connection, "q");
    await put(connection, queue, 1, 2, 3, 4);
    const held: Message[] = [];
    const consumer = connection.consumer(queue, {
      prefetchCount: 4,
      callbacks: [(_body, message) => void held.push(message)],
    });
    await consumer.consume();
    await connection.drainEvents({ timeoutMs: 5_000 });
    assert.equal(held[0]!.signal.aborted, false);
    await connection.close();
    assert.ok(isClosed(held[0]!.signal.reason));
    await rejectsWith(held[0]!.ack(), "message_state");
    assert.deepEqual(await drainPayloads(broker.connect(), queue), [1, 2, 3, 4]);
  },

  "close() gives back what a handler holds that returns because it is told to stop": async (
    connection,
    broker,
  ) => {
    const queue = await declareQueue(connection, "q");
    await put(connection, queue, "hi");
    const stopped = (message: Message) =>
      new Promise<void>((resolve) => message.signal.addEventListener("abort", () => resolve()));
    const started = new Promise<void>((start) => {
      const running = connection.consumer(queue).run((message) => {
        start();
        return stopped(message);
      });
      running.catch(() => {});
    });
    await inTime(started);
    await inTime(connection.close());
    assert.deepEqual(await drainPayloads(broker.connect(), queue), ["hi"]);
  },

  "close() waits for publishes and acknowledgements that run": async (connection, broker) => {
    const queue = await declareQueue(connection, "q");
    await put(connection, queue, "acknowledged");
    const message = await getOne(connection, queue);
    const producer = connection.producer({ routingKey: "q" });
    const work = Promise.all([
      message.ack(),
      ...Array.from({ length: 10 }, (_, index) => producer.publish(index)),
    ]);
    await turn();
    await Promise.all([connection.close(), work]);
    const left = await drainPayloads(broker.connect(), queue);
    assert.equal(left.length, 10);
    assert.ok(!left.includes("acknowledged"));
  },

  "closing a channel gives back what it holds, once, and leaves other channels alone": async (
    connection,
    broker,
  ) => {
    const queue = await declareQueue(connection, "q");
    await put(connection, queue, 1, 2);
    const [one, two] = [await connection.channel(), await connection.channel()];
    const first = (await queue.bind(one).get())!;
    const second = (await queue.bind(two).get())!;
    await one.close();
    await one.close();
    assert.equal(first.acknowledged, true);
    assert.deepEqual(await drainPayloads(broker.connect(), queue), [1]);
    await second.ack();
    await rejectsWith(queue.bind(one).get(), "closed");
  },

  "ackLogError() and rejectLogError() log what comes too late, and throw mistakes": async (connection) => {
    const queue = await declareQueue(connection, "q");
    await put(connection, queue, 1, 2, 3);
    const channel = await connection.channel();
    const [first, second, third] = [
      (await queue.bind(channel).get())!,
      (await queue.bind(channel).get())!,
      (await queue.bind(channel).get())!,
    ];
    const logged: string[] = [];
    const log = (error: KombuError) => void logged.push(error.code);
    await first.ackLogError(log);
    await rejectsWith(first.ackLogError(log), "message_state");
    await rejectsWith(first.rejectLogError(log), "message_state");
    await channel.close();
    assert.deepEqual(logged, []);
    await second.ackLogError(log);
    await third.rejectLogError(log, { requeue: true });
    assert.deepEqual(logged, ["message_state", "message_state"]);
    assert.deepEqual(await drainPayloads(connection, queue), [2, 3]);
  },

  "recover() gives back everything that a channel holds": async (connection, broker) => {
    const queue = await declareQueue(connection, "q");
    await put(connection, queue, 1, 2);
    const channel = await connection.channel();
    await queue.bind(channel).get();
    await queue.bind(channel).get();
    await channel.recover();
    assert.deepEqual(await drainPayloads(broker.connect(), queue), [1, 2]);
  },

  "a connection's scope closes it": async (_connection, broker) => {
    let outside: ReturnType<typeof broker.connect>;
    {
      await using connection = broker.connect();
      await connection.simpleQueue("q").put("hi");
      outside = connection;
    }
    await rejectsWith(outside.channel(), "closed");
  },

  "two connections share a queue without loss or doubles": async (connection, broker) => {
    const queue = await declareQueue(connection, "q");
    const bodies = Array.from({ length: 60 }, (_, index) => index);
    await Promise.all(bodies.map((body) => put(connection, queue, body)));
    const seen: unknown[] = [];
    const stop = new AbortController();
    const handler = (message: Message) => {
      seen.push(message.payload);
      if (seen.length === bodies.length) stop.abort();
    };
    const runs = [broker.connect(), broker.connect()].map((own) =>
      own.consumer(queue).run(handler, { concurrency: 5, signal: stop.signal }),
    );
    await inTime(Promise.all(runs));
    assert.deepEqual(
      seen.toSorted((a, b) => Number(a) - Number(b)),
      bodies,
    );
  },
};
