import assert from "node:assert/strict";
import { setImmediate as turn } from "node:timers/promises";
import { Exchange } from "../exchange.js";
import type { Message } from "../message.js";
import { Queue } from "../queue.js";
import type { Cases } from "./broker-under-test.js";
import {
  declareQueue,
  drainPayloads,
  getOne,
  intoAndAck,
  put,
  rejectsWith,
  whileTimePasses,
} from "./support.js";

/** Consumers and `drainEvents`. */
export const consumerCases: Cases = {
  "consume() declares exchange, queue and binding": async (connection) => {
    const exchange = new Exchange("x");
    const bodies: unknown[] = [];
    const consumer = connection.consumer(new Queue("q", { exchange, routingKey: "k" }), {
      callbacks: [intoAndAck(bodies)],
    });
    await consumer.consume();
    await connection.producer({ exchange, routingKey: "k" }).publish("hi");
    await connection.drainEvents({ timeoutMs: 5_000 });
    assert.deepEqual(bodies, ["hi"]);
  },

  "consume() twice starts once, and cancel() ends it": async (connection) => {
    const queue = await declareQueue(connection, "q");
    const consumer = connection.consumer(queue, { callbacks: [() => {}], tagPrefix: "mine-" });
    await consumer.consume();
    const tag = consumer.tags.get("q");
    await consumer.consume();
    assert.equal(consumer.tags.get("q"), tag);
    assert.match(tag ?? "", /^mine-/);
    assert.equal(consumer.consumingFrom(queue), true);
    await using other = connection.consumer(queue, { callbacks: [() => {}], tagPrefix: "mine-" });
    await other.consume();
    assert.notEqual(other.tags.get("q"), tag);
    await other.cancel();
    await consumer.cancel();
    assert.equal(consumer.tags.size, 0);
    assert.equal(consumer.consumingFrom("q"), false);
    await put(connection, queue, "hi");
    await rejectsWith(connection.drainEvents({ timeoutMs: 0 }), "timeout");
    await consumer.consume();
    await connection.drainEvents({ timeoutMs: 5_000 });
  },

  "callbacks are called in order, each awaited": async (connection) => {
    const queue = await declareQueue(connection, "q");
    await put(connection, queue, "hi");
    const calls: string[] = [];
    const consumer = connection.consumer(queue, {
      callbacks: [
        async (body) => {
          await new Promise(setImmediate);
          calls.push(`first ${String(body)}`);
        },
      ],
    });
    consumer.registerCallback((_body, message) => {
      calls.push("second");
      return message.ack();
    });
    await consumer.consume();
    await connection.drainEvents({ timeoutMs: 5_000 });
    assert.deepEqual(calls, ["first hi", "second"]);
  },

  "a callback's error leaves drainEvents(), and the message stays held": async (connection, broker) => {
    const queue = await declareQueue(connection, "q");
    await put(connection, queue, "hi");
    const failure = new Error("callback");
    const held: Message[] = [];
    const consumer = connection.consumer(queue, {
      callbacks: [
        (_body, message) => {
          held.push(message);
          throw failure;
        },
      ],
    });
    await consumer.consume();
    await assert.rejects(connection.drainEvents({ timeoutMs: 5_000 }), (error) => error === failure);
    assert.deepEqual(await drainPayloads(broker.connect(), queue), []);
    await held[0]!.ack();
  },

  "drainEvents() on an empty queue is timeout": async (connection) => {
    const consumer = connection.consumer(await declareQueue(connection, "q"), { callbacks: [() => {}] });
    await consumer.consume();
    await rejectsWith(connection.drainEvents({ timeoutMs: 0 }), "timeout");
  },

  "drainEvents() handles one event": async (connection) => {
    const queue = await declareQueue(connection, "q");
    await put(connection, queue, 1, 2);
    const bodies: unknown[] = [];
    const consumer = connection.consumer(queue, {
      prefetchCount: 10,
      callbacks: [intoAndAck(bodies)],
    });
    await consumer.consume();
    await connection.drainEvents({ timeoutMs: 5_000 });
    assert.deepEqual(bodies, [1]);
  },

  "drainEvents() ends when a message comes": async (connection, broker) => {
    const queue = await declareQueue(connection, "q");
    const bodies: unknown[] = [];
    const consumer = connection.consumer(queue, {
      callbacks: [intoAndAck(bodies)],
    });
    await consumer.consume();
    const waiting = connection.drainEvents();
    await put(broker.connect(), queue, "hi");
    await whileTimePasses(broker, waiting);
    assert.deepEqual(bodies, ["hi"]);
  },

  "drainEvents() without end refuses to wait for nobody, or without callbacks": async (connection) => {
    await rejectsWith(connection.drainEvents(), "invalid_argument");
    const consumer = connection.consumer(await declareQueue(connection, "q"));
    await consumer.consume();
    await rejectsWith(connection.drainEvents({ timeoutMs: 0 }), "invalid_argument");
  },

  "onMessage replaces the callbacks and does not decode": async (connection) => {
    const queue = await declareQueue(connection, "q");
    await connection.producer({ routingKey: "q" }).publish("{", { contentType: "application/json" });
    const messages: Message[] = [];
    const consumer = connection.consumer(queue, {
      onMessage(message) {
        messages.push(message);
        return message.ack();
      },
      callbacks: [() => assert.fail("not called")],
    });
    await consumer.consume();
    await connection.drainEvents({ timeoutMs: 5_000 });
    assert.equal(messages[0]!.text(), "{");
  },

  "onDecodeError gets what cannot be decoded; without it the error surfaces": async (connection) => {
    const queue = await declareQueue(connection, "q");
    const producer = connection.producer({ routingKey: "q" });
    await producer.publish("{", { contentType: "application/json" });
    const plain = connection.consumer(queue, { callbacks: [() => assert.fail("not called")] });
    await plain.consume();
    await rejectsWith(connection.drainEvents({ timeoutMs: 5_000 }), "decode_failed");
    await plain.cancel();
    await producer.publish("{", { contentType: "application/json" });
    const failures: unknown[] = [];
    const careful = connection.consumer(queue, {
      callbacks: [() => assert.fail("not called")],
      onDecodeError(message, error) {
        failures.push(error);
        return message.reject();
      },
    });
    await careful.consume();
    await connection.drainEvents({ timeoutMs: 5_000 });
    assert.equal(failures.length, 1);
  },

  "accept refuses other types, without calling anybody": async (connection) => {
    const queue = await declareQueue(connection, "q");
    const producer = connection.producer({ routingKey: "q" });
    await producer.publish("<a/>", { contentType: "application/xml" });
    await put(connection, queue, { json: true }, Uint8Array.of(1), "a plain string");
    const bodies: unknown[] = [];
    const consumer = connection.consumer(queue, {
      accept: ["json"],
      callbacks: [intoAndAck(bodies)],
    });
    await consumer.consume();
    await rejectsWith(connection.drainEvents({ timeoutMs: 5_000 }), "content_disallowed");
    for (let count = 0; count < 3; count++) await connection.drainEvents({ timeoutMs: 5_000 });
    assert.deepEqual(bodies[0], { json: true });
    assert.ok(bodies[1] instanceof Uint8Array);
    assert.equal(bodies[2], "a plain string");
  },

  "accept [] allows only raw data and text": async (connection) => {
    const queue = await declareQueue(connection, "q");
    await put(connection, queue, { json: true }, Uint8Array.of(1));
    const bodies: unknown[] = [];
    const consumer = connection.consumer(queue, {
      accept: [],
      callbacks: [(body) => void bodies.push(body)],
    });
    await consumer.consume();
    await rejectsWith(connection.drainEvents({ timeoutMs: 5_000 }), "content_disallowed");
    await connection.drainEvents({ timeoutMs: 5_000 });
    assert.equal(bodies.length, 1);
  },

  "noAck acknowledges before the callback": async (connection, broker) => {
    const queue = await declareQueue(connection, "q");
    await put(connection, queue, "hi");
    const consumer = connection.consumer(queue, {
      noAck: true,
      callbacks: [
        () => {
          throw new Error("too late");
        },
      ],
    });
    await consumer.consume();
    await assert.rejects(connection.drainEvents({ timeoutMs: 5_000 }), /too late/);
    await connection.close();
    assert.deepEqual(await drainPayloads(broker.connect(), queue), []);
  },

  "addQueue() declares and does not start; cancelByQueue() twice is harmless": async (connection) => {
    const [one, two] = [new Queue("one"), new Queue("two")];
    const bodies: unknown[] = [];
    const consumer = connection.consumer(one, {
      callbacks: [intoAndAck(bodies)],
    });
    await consumer.consume();
    await consumer.addQueue(two);
    assert.equal(consumer.consumingFrom(two), false);
    await put(connection, two, "two");
    await rejectsWith(connection.drainEvents({ timeoutMs: 0 }), "timeout");
    await consumer.consume();
    await connection.drainEvents({ timeoutMs: 5_000 });
    assert.deepEqual(bodies, ["two"]);
    await consumer.cancelByQueue(two);
    await consumer.cancelByQueue("two");
    await put(connection, two, "nobody");
    await put(connection, one, "one");
    await connection.drainEvents({ timeoutMs: 5_000 });
    await rejectsWith(connection.drainEvents({ timeoutMs: 0 }), "timeout");
    assert.deepEqual(bodies, ["two", "one"]);
  },

  "with autoDeclare false neither consume() nor addQueue() declares": async (connection) => {
    await declareQueue(connection, "one");
    await declareQueue(connection, "two");
    const exchange = new Exchange("never-declared");
    const [one, two] = [new Queue("one", { exchange }), new Queue("two", { exchange })];
    const bodies: unknown[] = [];
    const consumer = connection.consumer(one, { autoDeclare: false, callbacks: [intoAndAck(bodies)] });
    await consumer.consume();
    await consumer.addQueue(two);
    await consumer.consume();
    await rejectsWith(connection.producer().publish("nowhere", { exchange: exchange.name }), "not_found");
    await put(connection, two, "two");
    await connection.drainEvents({ timeoutMs: 5_000 });
    assert.deepEqual(bodies, ["two"]);
  },

  "a consumer that is cancelled while drainEvents() waits takes nothing any more": async (
    connection,
    broker,
  ) => {
    const [gone, stays] = [await declareQueue(connection, "one"), await declareQueue(connection, "two")];
    const bodies: unknown[] = [];
    const cancelled = connection.consumer(gone, { callbacks: [intoAndAck(bodies)] });
    await cancelled.consume();
    const waiting = connection.drainEvents();
    for (let turns = 0; turns < 10; turns++) await turn();
    await cancelled.cancel();
    const other = broker.connect();
    await put(other, gone, "nobody's");
    const consumer = connection.consumer(stays, { callbacks: [intoAndAck(bodies)] });
    await consumer.consume();
    await put(other, stays, "mine");
    await whileTimePasses(broker, waiting);
    assert.deepEqual(bodies, ["mine"]);
    assert.deepEqual(await drainPayloads(other, gone), ["nobody's"]);
  },

  "a queue that is started while drainEvents() waits is received from": async (connection, broker) => {
    const [one, two] = [await declareQueue(connection, "one"), await declareQueue(connection, "two")];
    const bodies: unknown[] = [];
    const consumer = connection.consumer(one, { callbacks: [intoAndAck(bodies)] });
    await consumer.consume();
    const waiting = connection.drainEvents();
    for (let turns = 0; turns < 10; turns++) await turn();
    await consumer.addQueue(two);
    await consumer.consume();
    await put(broker.connect(), two, "second");
    await whileTimePasses(broker, waiting);
    assert.deepEqual(bodies, ["second"]);
  },

  "several queues have turns, so that a long backlog starves nobody": async (connection) => {
    const [busy, quiet] = [await declareQueue(connection, "busy"), await declareQueue(connection, "quiet")];
    await put(connection, busy, ...Array.from({ length: 30 }, (_, index) => index));
    await put(connection, quiet, "hi");
    const bodies: unknown[] = [];
    const consumer = connection.consumer([busy, quiet], {
      callbacks: [intoAndAck(bodies)],
    });
    await consumer.consume();
    for (let event = 0; event < 6; event++) await connection.drainEvents({ timeoutMs: 5_000 });
    assert.ok(bodies.includes("hi"), `the quiet queue's message was not among ${bodies.join(", ")}`);
  },

  "two consumers on one queue are independent": async (connection) => {
    const queue = await declareQueue(connection, "q");
    const seen: string[] = [];
    const make = (name: string) =>
      connection.consumer(queue, {
        callbacks: [
          (_body, message) => {
            seen.push(name);
            return message.ack();
          },
        ],
      });
    const [first, second] = [make("first"), make("second")];
    await first.consume();
    await second.consume();
    await put(connection, queue, 1, 2);
    await connection.drainEvents({ timeoutMs: 5_000 });
    await connection.drainEvents({ timeoutMs: 5_000 });
    await rejectsWith(connection.drainEvents({ timeoutMs: 0 }), "timeout");
    assert.equal(seen.length, 2);
    await first.cancel();
    await put(connection, queue, 3);
    await connection.drainEvents({ timeoutMs: 5_000 });
    assert.equal(seen.at(-1), "second");
    await first.consume();
    await second.cancel();
    await put(connection, queue, 4);
    await connection.drainEvents({ timeoutMs: 5_000 });
    assert.equal(seen.at(-1), "first");
  },

  "purge() sums over the queues": async (connection) => {
    const [one, two] = [await declareQueue(connection, "one"), await declareQueue(connection, "two")];
    await put(connection, one, 1, 2);
    await put(connection, two, 3);
    assert.equal(await connection.consumer([one, two]).purge(), 3);
  },

  "leaving the scope of a consumer stops it and leaves what was handed over": async (connection) => {
    const queue = await declareQueue(connection, "q");
    await put(connection, queue, "hi");
    const held: Message[] = [];
    {
      await using consumer = connection.consumer(queue, {
        callbacks: [(_body, message) => void held.push(message)],
      });
      await consumer.consume();
      await connection.drainEvents({ timeoutMs: 5_000 });
    }
    await rejectsWith(connection.drainEvents({ timeoutMs: 0 }), "timeout");
    await held[0]!.requeue();
    assert.equal((await getOne(connection, queue)).payload, "hi");
  },
};
