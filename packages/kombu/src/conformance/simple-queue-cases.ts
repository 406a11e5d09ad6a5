import assert from "node:assert/strict";
import { Exchange } from "../exchange.js";
import { Queue } from "../queue.js";
import { type Cases, needing } from "./broker-under-test.js";
import { drainPayloads, inTime, rejectsWith, whileTimePasses } from "./support.js";

/** Queues as programs know them. */
export const simpleQueueCases: Cases = {
  "put() and get()": async (connection) => {
    const queue = connection.simpleQueue("pull-queue");
    await queue.put({ message: "hello" }, { headers: { h: 1 } });
    const message = await queue.get({ timeoutMs: 5_000 });
    assert.deepEqual(message.payload, { message: "hello" });
    assert.deepEqual(message.headers, { h: 1 });
    assert.equal(message.deliveryInfo.exchange, "pull-queue");
    assert.equal(message.deliveryInfo.routingKey, "pull-queue");
    await message.ack();
    await rejectsWith(queue.getNowait(), "empty");
  },

  "put() takes the body as it is when called": async (connection) => {
    const queue = connection.simpleQueue("q");
    const body = { n: 1 };
    const putting = queue.put(body);
    body.n = 2;
    await putting;
    assert.deepEqual(await drainPayloads(connection, "q"), [{ n: 1 }]);
  },

  "get() is empty when time is up": needing(["manualClock"], async (connection, broker) => {
    const queue = connection.simpleQueue("q");
    const getting = queue.get({ timeoutMs: 3_000 });
    await rejectsWith(whileTimePasses(broker, getting), "empty");
  }),

  "get() of an empty queue is empty": async (connection) => {
    const queue = connection.simpleQueue("q");
    await rejectsWith(queue.getNowait(), "empty");
    await rejectsWith(queue.get({ block: false }), "empty");
    await rejectsWith(queue.get({ timeoutMs: 0 }), "empty");
  },

  "get() ends when a message comes": async (connection, broker) => {
    const queue = connection.simpleQueue("q");
    const getting = queue.get();
    await broker.connect().simpleQueue("q").put("hi");
    assert.equal((await whileTimePasses(broker, getting)).payload, "hi");
  },

  "qsize() counts what could be received": async (connection) => {
    const queue = connection.simpleQueue("q");
    assert.equal(await queue.qsize(), 0);
    await queue.put(1);
    await queue.put(2);
    assert.equal(await queue.qsize(), 2);
    const message = await queue.get({ timeoutMs: 5_000 });
    assert.equal(await queue.qsize(), 1);
    await message.ack();
  },

  "clear() removes all and says how many": async (connection) => {
    const queue = connection.simpleQueue("q");
    await queue.put(1);
    await queue.put(2);
    assert.equal(await queue.clear(), 2);
    assert.equal(await queue.qsize(), 0);
    await rejectsWith(queue.getNowait(), "empty");
  },

  "close() gives back what nobody asked for, and ends a waiting get()": async (connection) => {
    const queue = connection.simpleQueue("q");
    const waiting = queue.get();
    waiting.catch(() => {});
    await queue.close();
    await rejectsWith(inTime(waiting), "closed");
    await rejectsWith(queue.put(1), "closed");
    await rejectsWith(queue.getNowait(), "closed");
    await queue.close();
  },

  "a queue of the program's own is used as it is": async (connection) => {
    const exchange = new Exchange("own", "topic");
    const queue = connection.simpleQueue(new Queue("mine", { exchange, routingKey: "a.b" }));
    await queue.put("hi");
    const message = await queue.get({ timeoutMs: 5_000 });
    assert.equal(message.deliveryInfo.exchange, "own");
    await message.ack();
  },

  "a queue on the default exchange works too": async (connection) => {
    const queue = connection.simpleQueue(new Queue("mine"));
    await queue.put("hi");
    assert.equal((await queue.get({ timeoutMs: 5_000 })).payload, "hi");
  },

  "noAck takes messages away": async (connection, broker) => {
    const queue = connection.simpleQueue("q", { noAck: true });
    await queue.put("hi");
    assert.equal((await queue.get({ timeoutMs: 5_000 })).payload, "hi");
    await connection.close();
    assert.deepEqual(await drainPayloads(broker.connect(), "q"), []);
  },

  "serializer and compression are the queue's, unless put() says otherwise": async (connection) => {
    const queue = connection.simpleQueue("q", { serializer: "json", compression: "brotli" });
    await queue.put("text");
    const message = await queue.get({ timeoutMs: 5_000 });
    assert.equal(message.contentType, "application/json");
    assert.equal(message.headers.compression, "application/x-brotli");
    assert.equal(message.payload, "text");
  },

  "a simple buffer is transient and takes messages away": async (connection) => {
    const buffer = connection.simpleBuffer("b");
    assert.equal(buffer.queue.durable, false);
    assert.equal(buffer.queue.exclusive, true);
    await buffer.put("hi");
    const message = await buffer.get({ timeoutMs: 5_000 });
    assert.equal(message.properties.delivery_mode, 1);
    assert.equal(message.acknowledged, true);
    assert.equal(await buffer.qsize(), 0);
  },

  "what a queue cannot be is refused": async (connection) => {
    for (const name of ["", 7, undefined, null]) {
      await rejectsWith((async () => connection.simpleQueue(name as string))(), "invalid_argument");
    }
  },
};
