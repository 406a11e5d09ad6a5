import assert from "node:assert/strict";
import { Exchange } from "../exchange.js";
import { Queue } from "../queue.js";
import { type Cases, needing } from "./broker-under-test.js";
import { assertQueues, declareBound, drainPayloads, rejectsWith } from "./support.js";

/** Rows of the topic table: pattern, routing key, whether AMQP says that they match. */
const TOPIC_ROWS: readonly (readonly [pattern: string, key: string, matches: boolean])[] = [
  ["stock.#", "stock.us.nasdaq", true],
  ["stock.us.*", "stock.us.nasdaq", true],
  ["stock.#", "stock.europe.OSE", true],
  ["stock.us.*", "stock.europe.OSE", false],
  ["stock.#", "stockxeuropexOSE", false],
  ["stock.us.*", "stockxeuropexOSE", false],
  ["a.*", "a.b", true],
  ["a.*", "a.b.c", false],
  ["*", "a.b", false],
  ["*.b", "x.y.b", false],
  ["a.#", "a", true],
  ["a.#.b", "a.b", true],
  ["#.b", "b", true],
  ["#", "", true],
  ["a*.b", "axx.b", false],
];

/** How messages find queues. */
export const exchangeCases: Cases = {
  "a direct exchange reaches every queue with an equal key, and no other": async (connection) => {
    const exchange = await declareBound(connection, "direct", { one: "key", two: "key", other: "else" });
    const receipt = await connection.producer({ exchange }).publish("hi", { routingKey: "key" });
    assertQueues(receipt, ["one", "two"]);
    assert.deepEqual(await drainPayloads(connection, "one"), ["hi"]);
    assert.deepEqual(await drainPayloads(connection, "two"), ["hi"]);
    assert.deepEqual(await drainPayloads(connection, "other"), []);
  },

  "a direct exchange discards what no key is bound for": async (connection) => {
    const exchange = await declareBound(connection, "direct", { one: "key" });
    const receipt = await connection.producer({ exchange }).publish("hi", { routingKey: "unused" });
    assert.deepEqual(receipt.queues, []);
    assert.deepEqual(await drainPayloads(connection, "one"), []);
  },

  "a fanout exchange reaches all bound queues, whatever the key": async (connection) => {
    const exchange = await declareBound(connection, "fanout", { one: "", two: "two" });
    await connection.producer({ exchange }).publish("hi", { routingKey: "whatever" });
    assert.deepEqual(await drainPayloads(connection, "one"), ["hi"]);
    assert.deepEqual(await drainPayloads(connection, "two"), ["hi"]);
  },

  "a topic exchange follows AMQP's rules": async (connection) => {
    const channel = await connection.channel();
    for (const [index, [pattern, key, matches]] of TOPIC_ROWS.entries()) {
      const exchange = new Exchange(`topic-${index}`, "topic");
      const queue = new Queue(`queue-${index}`, { exchange, routingKey: pattern });
      await queue.bind(channel).declare();
      const receipt = await connection.producer({ exchange }).publish("hi", { routingKey: key });
      assertQueues(receipt, matches ? [queue.name] : []);
      const received = await drainPayloads(connection, queue);
      assert.deepEqual(received, matches ? ["hi"] : [], `${pattern} and ${JSON.stringify(key)}`);
    }
  },

  "a queue bound four times with overlapping patterns gets one copy": async (connection) => {
    const exchange = await declareBound(connection, "topic", { one: "a.b" });
    const queue = new Queue("one").bind(await connection.channel());
    for (const routingKey of ["a.*", "a.#", "#", "#"]) await queue.bindTo(exchange, { routingKey });
    await connection.producer({ exchange }).publish("hi", { routingKey: "a.b" });
    assert.deepEqual(await drainPayloads(connection, "one"), ["hi"]);
  },

  "declaring the same exchange again is accepted, a different one refused": async (connection) => {
    const channel = await connection.channel();
    await new Exchange("x", "topic").bind(channel).declare();
    await new Exchange("x", "topic").bind(channel).declare();
    const others = [
      new Exchange("x", "direct"),
      new Exchange("x", "topic", { durable: false }),
      new Exchange("x", "topic", { autoDelete: true }),
      new Exchange("x", "topic", { arguments: { a: 1 } }),
    ];
    for (const other of others) await rejectsWith(other.bind(channel).declare(), "precondition_failed");
  },

  "a passive declaration only looks": async (connection) => {
    const channel = await connection.channel();
    await rejectsWith(new Exchange("x", "topic").bind(channel).declare({ passive: true }), "not_found");
    await new Exchange("x", "topic").bind(channel).declare();
    await new Exchange("x", "topic").bind(channel).declare({ passive: true });
  },

  "publishing to a topic exchange without queues succeeds": async (connection) => {
    const producer = connection.producer({ exchange: new Exchange("empty", "topic") });
    assert.deepEqual((await producer.publish("hi", { routingKey: "a" })).queues, []);
  },

  "publishing to an exchange that nobody declared is an error": async (connection) => {
    await rejectsWith(connection.producer().publish("hi", { exchange: "nobody" }), "not_found");
  },

  "deleting an exchange removes its bindings and leaves its queues": async (connection) => {
    const exchange = await declareBound(connection, "direct", { one: "key" });
    await connection.producer({ exchange }).publish("kept", { routingKey: "key" });
    const channel = await connection.channel();
    await exchange.bind(channel).delete();
    await exchange.bind(channel).declare();
    const { queues } = await connection.producer({ exchange }).publish("lost", { routingKey: "key" });
    assert.deepEqual(queues, []);
    assert.deepEqual(await drainPayloads(connection, "one"), ["kept"]);
  },

  "delete() with ifUnused keeps an exchange that has bindings": async (connection) => {
    const exchange = await declareBound(connection, "direct", { one: "key" });
    const channel = await connection.channel();
    await rejectsWith(exchange.bind(channel).delete({ ifUnused: true }), "precondition_failed");
    assertQueues(await connection.producer({ exchange }).publish("kept", { routingKey: "key" }), ["one"]);
    await new Queue("one").bind(channel).unbindFrom(exchange, { routingKey: "key" });
    await exchange.bind(channel).delete({ ifUnused: true });
    await rejectsWith(connection.producer().publish("nowhere", { exchange: exchange.name }), "not_found");
  },

  "binding twice is one binding, and unbinding what is not bound is quiet": async (connection) => {
    const exchange = await declareBound(connection, "direct", { one: "key" });
    const queue = new Queue("one").bind(await connection.channel());
    await queue.bindTo(exchange, { routingKey: "key" });
    await queue.unbindFrom(exchange, { routingKey: "unknown" });
    await queue.unbindFrom("unknown-exchange", { routingKey: "key" });
    await connection.producer({ exchange }).publish("once", { routingKey: "key" });
    assert.deepEqual(await drainPayloads(connection, "one"), ["once"]);
    await queue.unbindFrom(exchange, { routingKey: "key" });
    assert.deepEqual(
      (await connection.producer({ exchange }).publish("hi", { routingKey: "key" })).queues,
      [],
    );
  },

  "an exchange of one connection is not known in another": needing(
    ["localExchanges"],
    async (connection, broker) => {
      await declareBound(connection, "direct", { one: "key" });
      const other = broker.connect();
      await rejectsWith(other.producer().publish("hi", { exchange: "direct-exchange" }), "not_found");
    },
  ),
};
