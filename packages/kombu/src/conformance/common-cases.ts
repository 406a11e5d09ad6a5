import assert from "node:assert/strict";
import { Broadcast } from "../broadcast.js";
import type { Connection } from "../connection.js";
import { KombuError } from "../errors.js";
import { drainConsumer, eventLoop, iterMessages, maybeDeclare } from "../event-loop.js";
import { Exchange } from "../exchange.js";
import type { Message } from "../message.js";
import { Queue } from "../queue.js";
import type { Cases } from "./broker-under-test.js";
import {
  declareQueue,
  drainPayloads,
  inTime,
  intoAndAck,
  put,
  rejectsWith,
  rejectsWithReason,
  whileTimePasses,
} from "./support.js";

/** A consumer of the queue that is started and keeps what it gets. */
async function started(connection: Connection, queue: Queue, options = {}) {
  const bodies: unknown[] = [];
  const consumer = connection.consumer(queue, { callbacks: [intoAndAck(bodies)], ...options });
  await consumer.consume();
  return { bodies, consumer };
}

/** Kombu's small functions, pausing, and queues that get everything. */
export const commonCases: Cases = {
  "eventLoop() has one turn for each event, up to its limit": async (connection, broker) => {
    const queue = await declareQueue(connection, "q");
    await put(connection, queue, 1, 2, 3);
    const { bodies } = await started(connection, queue);
    const seen: number[] = [];
    for await (const _ of eventLoop(connection, { limit: 2, timeoutMs: 5_000 })) seen.push(bodies.length);
    assert.deepEqual(
      [seen, bodies],
      [
        [1, 2],
        [1, 2],
      ],
    );
    await connection.close();
    assert.deepEqual(await drainPayloads(broker.connect(), queue), [3]);
  },

  "eventLoop() throws a timeout, or goes on after it; its signal ends it": async (connection) => {
    const queue = await declareQueue(connection, "q");
    const { bodies } = await started(connection, queue);
    await rejectsWith(eventLoop(connection, { timeoutMs: 0 }).next(), "timeout");
    const quiet = eventLoop(connection, { timeoutMs: 0, ignoreTimeouts: true, limit: 3 });
    assert.deepEqual(await quiet.next(), { done: true, value: undefined });
    const stop = new AbortController();
    const endless = eventLoop(connection, { signal: stop.signal });
    await put(connection, queue, "hi");
    await inTime(endless.next());
    const waiting = endless.next();
    stop.abort("enough");
    await rejectsWithReason(inTime(waiting), "enough");
    assert.deepEqual(bodies, ["hi"]);
  },

  "eventLoop() lets a callback's own timeout through": async (connection) => {
    const queue = await declareQueue(connection, "q");
    await put(connection, queue, 1);
    const failing = () => Promise.reject(new KombuError("timeout", "mine"));
    await started(connection, queue, { callbacks: [failing] });
    const loop = eventLoop(connection, { timeoutMs: 5_000, ignoreTimeouts: true });
    await assert.rejects(loop.next(), /^KombuError: mine$/);
  },

  "iterMessages() gives one message unless told otherwise, and gives back what was not settled": async (
    connection,
    broker,
  ) => {
    const queue = await declareQueue(connection, "q");
    await put(connection, queue, 1, 2, 3);
    const seen: unknown[] = [];
    for await (const message of iterMessages(connection, queue)) {
      seen.push(message.payload);
      await message.ack();
    }
    const channel = await connection.channel();
    for await (const message of iterMessages(channel, queue, { limit: 2, prefetchCount: 2 })) {
      seen.push(message.payload);
    }
    assert.deepEqual(seen, [1, 2, 3]);
    assert.deepEqual(await drainPayloads(broker.connect(), queue), [2, 3]);
  },

  "drainConsumer() ends quietly when nothing came in time, and cancels its consumer": async (
    connection,
    broker,
  ) => {
    const queue = await declareQueue(connection, "q");
    await put(connection, queue, 1);
    const consumer = connection.consumer(queue);
    const seen: unknown[] = [];
    const draining = (async () => {
      const options = { limit: Number.POSITIVE_INFINITY, timeoutMs: 1_000 };
      for await (const message of drainConsumer(consumer, options)) {
        seen.push(message.payload);
        await message.ack();
      }
    })();
    await whileTimePasses(broker, draining);
    assert.deepEqual([seen, consumer.consumingFrom(queue)], [[1], false]);
    await put(connection, queue, 2);
    assert.deepEqual(await drainPayloads(broker.connect(), queue), [2]);
  },

  "maybeDeclare() declares once in a connection, and says whether it did": async (connection, broker) => {
    const channel = await connection.channel();
    const queue = new Queue("q");
    assert.deepEqual(
      [await maybeDeclare(queue, channel), await maybeDeclare(queue, await connection.channel())],
      [true, false],
    );
    await put(broker.connect(), queue, 1);
    assert.deepEqual(await drainPayloads(connection, queue), [1]);
  },

  "flow(false) pauses a consumer, whose messages others may have, and flow(true) goes on": async (
    connection,
    broker,
  ) => {
    const queue = await declareQueue(connection, "q");
    await put(connection, queue, 1, 2, 3);
    const { bodies, consumer } = await started(connection, queue, { prefetchCount: 3 });
    await connection.drainEvents({ timeoutMs: 5_000 });
    await consumer.flow(false);
    await rejectsWith(connection.drainEvents({ timeoutMs: 0 }), "timeout");
    const other = broker.connect();
    const rest = await whileTimePasses(broker, other.simpleQueue(queue).get());
    assert.equal(rest.payload, 2);
    await rest.ack();
    const waiting = connection.drainEvents();
    await consumer.flow(true);
    await whileTimePasses(broker, waiting);
    assert.deepEqual(bodies, [1, 3]);
  },

  "recover() gives back what a consumer holds, and leaves others alone": async (connection, broker) => {
    const [queue, other] = [await declareQueue(connection, "q"), await declareQueue(connection, "other")];
    await put(connection, queue, 1);
    await put(connection, other, "mine");
    const held: Message[] = [];
    const options = { callbacks: [(_body: unknown, message: Message) => void held.push(message)] };
    const { consumer } = await started(connection, queue, options);
    await connection.drainEvents({ timeoutMs: 5_000 });
    await consumer.cancel();
    await started(connection, other, options);
    await connection.drainEvents({ timeoutMs: 5_000 });
    await consumer.recover();
    await rejectsWith(held[0]!.ack(), "message_state");
    await held[1]!.ack();
    assert.deepEqual(await drainPayloads(broker.connect(), queue), [1]);
  },

  "a Broadcast queue of a name that nobody knows goes with the channel that declared it": {
    needs: ["anyQueueName", "managesQueues"],
    run: async (_connection, broker) => {
      const connection = broker.connect();
      const [own, named] = [new Broadcast("news"), new Broadcast("news", { queue: "named" })];
      await connection.consumer([own, named]).consume();
      await connection.close();
      const channel = await broker.connect().channel();
      await rejectsWith(new Queue(own.name).bind(channel).declare({ passive: true }), "not_found");
    },
  },

  "each Broadcast queue gets every message of its exchange": {
    needs: ["anyQueueName", "managesQueues"],
    run: async (connection) => {
      const [one, two] = [new Broadcast("news"), new Broadcast("news", { queue: "mine", unique: true })];
      assert.match(one.name, /^bcast\.[0-9a-f]{8}-/);
      assert.match(two.name, /^mine\.[0-9a-f]{8}-/);
      assert.equal(new Broadcast("news", { queue: "named" }).name, "named");
      assert.notEqual(one.name, new Broadcast("news").name);
      const [first, second] = [await started(connection, one), await started(connection, two)];
      const producer = connection.producer({ exchange: new Exchange("news", "fanout") });
      await producer.publish("read all about it");
      await connection.drainEvents({ timeoutMs: 5_000 });
      await connection.drainEvents({ timeoutMs: 5_000 });
      assert.deepEqual([first.bodies, second.bodies], [["read all about it"], ["read all about it"]]);
      await Promise.all([first.consumer.cancel(), second.consumer.cancel()]);
    },
  },
};
