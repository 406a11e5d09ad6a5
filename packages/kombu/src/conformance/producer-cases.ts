import assert from "node:assert/strict";
import { Exchange } from "../exchange.js";
import type { ReturnedMessage } from "../producer.js";
import { Queue } from "../queue.js";
import { type Cases, needing } from "./broker-under-test.js";
import { assertQueues, declareBound, declareQueue, drainPayloads, getOne, rejectsWith } from "./support.js";

/** What a producer does with a message. */
export const producerCases: Cases = {
  "the producer's exchange is declared at its first message": async (connection) => {
    const exchange = new Exchange("x", "topic");
    await connection.producer({ exchange }).publish("hi");
    await exchange.bind(await connection.channel()).declare({ passive: true });
  },

  "with autoDeclare false only declare() does": async (connection) => {
    const exchange = new Exchange("x", "topic");
    const producer = connection.producer({ exchange, autoDeclare: false });
    await rejectsWith(producer.publish("hi"), "not_found");
    await producer.declare();
    await producer.publish("hi");
  },

  "declare lists what is declared before a message": async (connection) => {
    const queue = new Queue("q", { exchange: new Exchange("x"), routingKey: "k" });
    const declare = Object.freeze([queue]);
    const producer = connection.producer({ exchange: "x", routingKey: "k" });
    assertQueues(await producer.publish("hi", { declare }), ["q"]);
    assert.deepEqual(await drainPayloads(connection, "q"), ["hi"]);
  },

  "an empty exchange name overrides the producer's own": async (connection) => {
    const exchange = await declareBound(connection, "direct", { one: "key" });
    await declareQueue(connection, "two");
    const producer = connection.producer({ exchange, routingKey: "key" });
    const receipt = await producer.publish("hi", { exchange: "", routingKey: "two" });
    assert.deepEqual(receipt.queues, ["two"]);
  },

  "nothing that is passed in is changed": async (connection) => {
    await declareQueue(connection, "q");
    const headers = Object.freeze({ a: Object.freeze({ b: 1 }) });
    const properties = Object.freeze({ app_id: "mine" });
    const body = Object.freeze({ list: Object.freeze([1]) });
    const options = Object.freeze({ headers, properties, compression: "gzip", priority: 1 });
    await connection.producer({ routingKey: "q" }).publish(body, options);
    const message = await getOne(connection, "q");
    assert.deepEqual(message.headers, { ...headers, compression: "application/x-gzip" });
    assert.deepEqual(message.payload, body);
  },

  "a content type of the program's own leaves the body alone": async (connection) => {
    await declareQueue(connection, "q");
    const producer = connection.producer({ routingKey: "q" });
    const bytes = Uint8Array.from([1, 2, 3]);
    await producer.publish(bytes, { contentType: "image/png" });
    await producer.publish("é", { contentType: "text/x-own" });
    await producer.publish("é", { contentType: "text/x-own", contentEncoding: "latin-1" });
    const [image, text, latin] = [
      ...[await getOne(connection, "q"), await getOne(connection, "q"), await getOne(connection, "q")],
    ] as const;
    assert.deepEqual([image.contentType, image.contentEncoding], ["image/png", "binary"]);
    assert.deepEqual(Uint8Array.from(image.body), bytes);
    assert.deepEqual([text.contentType, text.contentEncoding], ["text/x-own", "utf-8"]);
    assert.equal(text.text(), "é");
    assert.deepEqual([latin.contentEncoding, latin.body.byteLength], ["latin-1", 1]);
    assert.equal(latin.text(), "é");
  },

  "expiration, reply queue and delivery mode are written as kombu writes them": async (
    connection,
    broker,
  ) => {
    const { userId = "u" } = broker;
    await declareQueue(connection, "q");
    await connection.producer({ routingKey: "q" }).publish("hi", {
      ...{ expirationMs: 10_000, replyTo: new Queue("answers"), deliveryMode: "transient" },
      ...{ messageId: "m", timestamp: 1_700_000_000, type: "t", userId, appId: "a", clusterId: "c" },
    });
    const { properties } = await getOne(connection, "q");
    assert.equal(properties.expiration, "10000");
    assert.equal(properties.reply_to, "answers");
    assert.equal(properties.delivery_mode, 1);
    assert.deepEqual(
      [properties.message_id, properties.timestamp, properties.type, properties.user_id],
      ["m", 1_700_000_000, "t", userId],
    );
    assert.deepEqual([properties.app_id, properties.cluster_id], ["a", "c"]);
  },

  "the receipt names the queues and the message's id": async (connection) => {
    const exchange = await declareBound(connection, "fanout", { one: "", two: "" });
    const receipt = await connection.producer({ exchange }).publish("hi", { messageId: "m-1" });
    assertQueues(receipt, ["one", "two"]);
    assert.equal(receipt.messageId, "m-1");
  },

  "onReturn gets mandatory messages that no queue takes, instead of an error": async (connection) => {
    const exchange = await declareBound(connection, "direct", { one: "key" });
    const returned: ReturnedMessage[] = [];
    const onReturn = async (message: ReturnedMessage) => void returned.push(message);
    const producer = connection.producer({ exchange, onReturn });
    const options = { routingKey: "unused", headers: { own: 1 }, correlationId: "c-1" };
    const receipt = await producer.publish({ come: "back" }, { ...options, mandatory: true });
    assert.deepEqual(receipt.queues, []);
    await producer.publish("not mandatory", options);
    await producer.publish("routed", { routingKey: "key", mandatory: true });
    assert.equal(returned.length, 1);
    const [{ error, properties, headers, ...rest }] = returned as [ReturnedMessage];
    assert.equal(error.code, "unroutable");
    assert.deepEqual([headers.own, properties.correlation_id], [1, "c-1"]);
    assert.deepEqual(rest, { exchange: "direct-exchange", routingKey: "unused", body: { come: "back" } });
  },

  "mandatory makes unroutable an error": async (connection) => {
    const exchange = await declareBound(connection, "direct", { one: "key" });
    const producer = connection.producer({ exchange });
    await rejectsWith(producer.publish("hi", { routingKey: "unused", mandatory: true }), "unroutable");
    await producer.publish("hi", { routingKey: "key", mandatory: true });
    assert.deepEqual(await drainPayloads(connection, "one"), ["hi"]);
  },

  "publishing again with the same idempotencyKey adds nothing, in any queue": needing(
    ["idempotency"],
    async (connection) => {
      const exchange = await declareBound(connection, "fanout", { one: "", two: "" });
      const producer = connection.producer({ exchange });
      for (let time = 0; time < 3; time++) await producer.publish("once", { idempotencyKey: "key-1" });
      assert.deepEqual(await drainPayloads(connection, "one"), ["once"]);
      assert.deepEqual(await drainPayloads(connection, "two"), ["once"]);
    },
  ),

  "tag and task id arrive with the message": needing(["taskIds"], async (connection) => {
    await declareQueue(connection, "q");
    const producer = connection.producer({ routingKey: "q" });
    await producer.publish("hi", { tag: "group-1", taskId: "order-7" });
    const { deliveryInfo } = await getOne(connection, "q");
    assert.equal(deliveryInfo.tag, "group-1");
    assert.equal(deliveryInfo.taskId, "order-7");
    assert.ok(deliveryInfo.enqueuedAt instanceof Date);
    assert.equal(deliveryInfo.retryCount, 1);
    await rejectsWith(producer.publish("again", { taskId: "order-7" }), "already_exists");
  }),

  "what cannot be serialized is refused, and nothing is stored": async (connection) => {
    const queue = await declareQueue(connection, "q");
    const producer = connection.producer({ routingKey: "q" });
    await rejectsWith(producer.publish({ f: () => 1 }), "not_serializable");
    await rejectsWith(producer.publish({}, { serializer: "unheard-of" }), "serializer_unknown");
    await rejectsWith(producer.publish({}, { contentType: "a/b" }), "invalid_argument");
    await rejectsWith(producer.publish("x", { priority: 10 }), "invalid_argument");
    await rejectsWith(producer.publish("x", { routing_key: "q" } as object), "invalid_argument");
    // A key that somebody forgot to fill in would be the same for all messages, and only the first be stored.
    await rejectsWith(producer.publish("x", { idempotencyKey: "" }), "invalid_argument");
    assert.deepEqual(await drainPayloads(connection, queue), []);
  },

  "a body that is larger than the broker takes is refused, and nothing is stored": needing(
    ["messageBytesMax"],
    async (connection) => {
      const queue = await declareQueue(connection, "q");
      const { messageBytesMax } = await connection.manifest();
      const body = new Uint8Array(messageBytesMax! + 1);
      await rejectsWith(connection.producer({ routingKey: "q" }).publish(body), "too_large");
      assert.deepEqual(await drainPayloads(connection, queue), []);
    },
  ),

  "many publishes at once all arrive": async (connection) => {
    const queue = await declareQueue(connection, "q");
    const producer = connection.producer({ routingKey: "q" });
    const bodies = Array.from({ length: 100 }, (_, index) => index);
    await Promise.all(bodies.map((body) => producer.publish(body)));
    const received = await drainPayloads(connection, queue);
    assert.deepEqual(
      received.toSorted((a, b) => Number(a) - Number(b)),
      bodies,
    );
  },
};
