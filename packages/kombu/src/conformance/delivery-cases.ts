import assert from "node:assert/strict";
import type { AckOptions, Message } from "../message.js";
import { type Cases, needing } from "./broker-under-test.js";
import {
  declareBound,
  declareQueue,
  drainPayloads,
  getOne,
  getOrNull,
  put,
  rejectsWith,
  rejectsWithReason,
} from "./support.js";

/** The three ways to settle a message. */
const SETTLEMENTS: Readonly<Record<string, (message: Message, options?: AckOptions) => Promise<void>>> = {
  ack: (message, options) => message.ack(options),
  reject: (message, options) => message.reject(options),
  requeue: (message, options) => message.requeue(options),
};

/** Messages in and out, and what becomes of them. */
export const deliveryCases: Cases = {
  "get() gives a message once": async (connection) => {
    const queue = await declareQueue(connection, "q");
    await put(connection, queue, "hi");
    assert.equal((await getOne(connection, queue)).payload, "hi");
    assert.equal(await getOrNull(connection, queue), null);
  },

  "what is published arrives whole": async (connection) => {
    const exchange = await declareBound(connection, "direct", { one: "key" });
    const body = { text: "Thé 葉 🍀", list: [1, 2.5, null, true], nested: { deep: "yes" } };
    await connection.producer({ exchange, routingKey: "key" }).publish(body, {
      headers: { "x-header": [1, "two"] },
      correlationId: "c-1",
      replyTo: "answers",
      priority: 3,
    });
    const message = await getOne(connection, "one");
    assert.deepEqual(message.payload, body);
    assert.equal(message.contentType, "application/json");
    assert.equal(message.contentEncoding, "utf-8");
    assert.deepEqual(message.headers, { "x-header": [1, "two"] });
    const { correlation_id, reply_to, priority, delivery_mode } = message.properties;
    assert.deepEqual(
      { correlation_id, reply_to, priority, delivery_mode },
      { correlation_id: "c-1", reply_to: "answers", priority: 3, delivery_mode: 2 },
    );
    const { exchange: from, routingKey, queue, redelivered } = message.deliveryInfo;
    assert.deepEqual(
      { from, routingKey, queue, redelivered },
      {
        ...{ from: "direct-exchange", routingKey: "key", queue: "one", redelivered: false },
      },
    );
  },

  "a property that nobody knows is kept": needing(["envelopes"], async (connection) => {
    await declareQueue(connection, "q");
    const properties = { unknown: { kept: true } };
    await connection.producer({ routingKey: "q" }).publish("hi", { properties });
    assert.deepEqual((await getOne(connection, "q")).properties.unknown, { kept: true });
  }),

  "text, bytes and JSON arrive as what they were": async (connection) => {
    const queue = await declareQueue(connection, "q");
    const bytes = Uint8Array.from([0, 255, 128, 10]);
    await put(connection, queue, "text", bytes, [0], 0, "", null, false);
    const payloads = await drainPayloads(connection, queue);
    assert.deepEqual(payloads[1] instanceof Uint8Array && Uint8Array.from(payloads[1]), bytes);
    assert.deepEqual([payloads[0], ...payloads.slice(2)], ["text", [0], 0, "", null, false]);
  },

  "messages are handed out oldest first": async (connection) => {
    const queue = await declareQueue(connection, "q");
    const bodies = Array.from({ length: 20 }, (_, index) => index);
    await put(connection, queue, ...bodies);
    assert.deepEqual(await drainPayloads(connection, queue), bodies);
  },

  "ack() removes a message": async (connection, broker) => {
    const queue = await declareQueue(connection, "q");
    await put(connection, queue, "hi");
    await (await getOne(connection, queue)).ack();
    await connection.close();
    assert.deepEqual(await drainPayloads(broker.connect(), queue), []);
  },

  "reject() removes a message": async (connection, broker) => {
    const queue = await declareQueue(connection, "q");
    await put(connection, queue, "hi");
    await (await getOne(connection, queue)).reject();
    await connection.close();
    assert.deepEqual(await drainPayloads(broker.connect(), queue), []);
  },

  "requeue() gives back the same message, marked as redelivered": async (connection) => {
    const queue = await declareQueue(connection, "q");
    await put(connection, queue, { a: 1 });
    const first = await getOne(connection, queue);
    await first.requeue();
    const second = await getOne(connection, queue);
    assert.deepEqual(second.payload, { a: 1 });
    assert.equal(second.deliveryInfo.taskId, first.deliveryInfo.taskId);
    assert.equal(second.deliveryInfo.redelivered, true);
    assert.notEqual(second.deliveryTag, first.deliveryTag);
    assert.equal(await getOrNull(connection, queue), null);
  },

  "reject({ requeue: true }) is requeue()": async (connection) => {
    const queue = await declareQueue(connection, "q");
    await put(connection, queue, "hi");
    await (await getOne(connection, queue)).reject({ requeue: true });
    assert.equal((await getOne(connection, queue)).payload, "hi");
  },

  "requeue() in one queue leaves the other copies alone": async (connection) => {
    const exchange = await declareBound(connection, "fanout", { one: "", two: "" });
    await connection.producer({ exchange }).publish("hi");
    await (await getOne(connection, "one")).requeue();
    assert.deepEqual(await drainPayloads(connection, "one"), ["hi"]);
    assert.deepEqual(await drainPayloads(connection, "two"), ["hi"]);
  },

  "a message is settled once, in every combination": async (connection) => {
    const queue = await declareQueue(connection, "q");
    for (const first of Object.values(SETTLEMENTS)) {
      for (const second of Object.values(SETTLEMENTS)) {
        await put(connection, queue, "hi");
        const message = await getOne(connection, queue);
        assert.equal(message.acknowledged, false);
        await first(message);
        assert.equal(message.acknowledged, true);
        await rejectsWith(second(message), "message_state");
        await queue.bind(await connection.channel()).purge();
      }
    }
  },

  "a second ack() at the same time is refused too": async (connection) => {
    const queue = await declareQueue(connection, "q");
    await put(connection, queue, "hi");
    const message = await getOne(connection, queue);
    const [first, second] = await Promise.allSettled([message.ack(), message.ack()]);
    assert.equal(first.status, "fulfilled");
    assert.equal(second.status, "rejected");
  },

  "a settlement that is not waited for any more comes to its end, and the same again learns which": async (
    connection,
    broker,
  ) => {
    const queue = await declareQueue(connection, "q");
    for (const [kind, settle] of Object.entries(SETTLEMENTS)) {
      await put(connection, queue, kind);
      const message = await getOne(connection, queue);
      const controller = new AbortController();
      const reason = new Error(kind);
      const settling = settle(message, { signal: controller.signal, timeoutMs: 60_000 });
      controller.abort(reason);
      await rejectsWithReason(settling, reason);
      await settle(message);
      await rejectsWith(settle(message), "message_state");
      assert.deepEqual(await drainPayloads(broker.connect(), queue), kind === "requeue" ? [kind] : []);
    }
  },

  "a settlement whose signal fired before leaves the message alone": async (connection) => {
    const queue = await declareQueue(connection, "q");
    await put(connection, queue, "hi");
    const message = await getOne(connection, queue);
    const reason = new Error("before");
    for (const settle of Object.values(SETTLEMENTS)) {
      await rejectsWithReason(settle(message, { signal: AbortSignal.abort(reason) }), reason);
    }
    await message.requeue();
    assert.equal((await getOne(connection, queue)).payload, "hi");
  },

  "delivery tags are unique across channels, and no numbers": async (connection) => {
    const exchange = await declareBound(connection, "fanout", { one: "", two: "" });
    await connection.producer({ exchange }).publish("hi");
    const tags = [await getOne(connection, "one"), await getOne(connection, "two")].map((m) => m.deliveryTag);
    assert.equal(new Set(tags).size, 2);
    for (const tag of tags) assert.ok(!/^[0-9]+$/.test(tag), tag);
  },

  "a compressed message stays readable after it was given back": async (connection) => {
    const queue = await declareQueue(connection, "q");
    const body = "x".repeat(1000);
    await connection.producer({ routingKey: "q" }).publish(body, { compression: "gzip" });
    const first = await getOne(connection, queue);
    assert.equal(first.headers.compression, "application/x-gzip");
    assert.equal(first.payload, body);
    await first.requeue();
    assert.equal((await getOne(connection, queue)).payload, body);
  },

  "payload is decoded once, whatever comes out": async (connection) => {
    const queue = await declareQueue(connection, "q");
    await put(connection, queue, []);
    const message = await getOne(connection, queue);
    assert.equal(message.payload, message.payload);
  },

  "get() with noAck takes the message away": async (connection, broker) => {
    const queue = await declareQueue(connection, "q", { noAck: true });
    await put(connection, queue, "hi");
    const message = await getOne(connection, queue);
    assert.equal(message.payload, "hi");
    assert.equal(message.acknowledged, true);
    await message.ack();
    await rejectsWith(message.requeue(), "message_state");
    await connection.close();
    assert.deepEqual(await drainPayloads(broker.connect(), "q"), []);
  },
};
