import assert from "node:assert/strict";
import { Binding } from "../binding.js";
import { Exchange } from "../exchange.js";
import { Queue } from "../queue.js";
import { type Cases, needing } from "./broker-under-test.js";
import { declareBound, declareQueue, drainPayloads, put, rejectsWith } from "./support.js";

/** Where messages wait. */
export const queueCases: Cases = {
  "a passive declaration of a queue only looks": async (connection) => {
    const channel = await connection.channel();
    await rejectsWith(new Queue("nowhere").bind(channel).declare({ passive: true }), "not_found");
    await declareQueue(connection, "here");
    assert.equal(await new Queue("here").bind(channel).declare({ passive: true }), "here");
  },

  "declaring the same queue again is accepted, a different one refused": async (connection) => {
    const channel = await connection.channel();
    await new Queue("q").bind(channel).declare();
    await new Queue("q").bind(channel).declare();
    await rejectsWith(new Queue("q", { durable: false }).bind(channel).declare(), "precondition_failed");
  },

  "a declaration says how many messages wait": async (connection) => {
    const queue = await declareQueue(connection, "q");
    await put(connection, queue, 1, 2, 3);
    const counts: (number | undefined)[] = [];
    const looking = new Queue("q", { onDeclared: ({ messageCount }) => void counts.push(messageCount) });
    await looking.bind(await connection.channel()).declare();
    assert.deepEqual(counts, [3]);
  },

  "a queue declared in one connection is there in another, with its messages": async (connection, broker) => {
    const queue = await declareQueue(connection, "q");
    await put(connection, queue, "hi");
    assert.deepEqual(await drainPayloads(broker.connect(), "q"), ["hi"]);
  },

  "purge() removes all messages and says how many": async (connection) => {
    const queue = await declareQueue(connection, "q");
    await put(connection, queue, 1, 2, 3);
    assert.equal(await queue.bind(await connection.channel()).purge(), 3);
    assert.deepEqual(await drainPayloads(connection, queue), []);
  },

  "delete() removes the queue with its messages and bindings": needing(
    ["managesQueues"],
    async (connection) => {
      const exchange = await declareBound(connection, "direct", { one: "key" });
      const producer = connection.producer({ exchange, routingKey: "key" });
      await producer.publish("gone");
      const queue = new Queue("one").bind(await connection.channel());
      assert.equal(await queue.delete(), 1);
      assert.deepEqual((await producer.publish("nowhere")).queues, []);
      await rejectsWith(queue.declare({ passive: true }), "not_found");
    },
  ),

  "delete() really deletes a queue that has no binding": async (connection) => {
    const queue = await declareQueue(connection, "q");
    await put(connection, queue, "gone");
    await queue.bind(await connection.channel()).delete();
    await declareQueue(connection, "q");
    assert.deepEqual(await drainPayloads(connection, "q"), []);
  },

  "delete() with ifEmpty keeps a queue that has messages, and is quiet about an unknown one": async (
    connection,
  ) => {
    const queue = await declareQueue(connection, "q");
    await put(connection, queue, "kept");
    const channel = await connection.channel();
    assert.equal(await queue.bind(channel).delete({ ifEmpty: true }), 0);
    assert.deepEqual(await drainPayloads(connection, queue), ["kept"]);
    assert.equal(await new Queue("unknown").bind(channel).delete(), 0);
  },

  "a queue with several bindings gets what any of them takes": async (connection) => {
    const [one, two] = [new Exchange("x1"), new Exchange("x2", "fanout")];
    const queue = new Queue("q", { bindings: [new Binding(one, { routingKey: "k" }), new Binding(two)] });
    await queue.bind(await connection.channel()).declare();
    await connection.producer({ exchange: one, routingKey: "k" }).publish(1);
    await connection.producer({ exchange: two }).publish(2);
    assert.deepEqual(await drainPayloads(connection, queue), [1, 2]);
  },

  "queueDeclare(), queueBind() and queueUnbind() are the single steps of declare()": async (connection) => {
    const channel = await connection.channel();
    const exchange = new Exchange("x");
    const queue = new Queue("q", { exchange, routingKey: "k" }).bind(channel);
    await rejectsWith(new Queue("nowhere").bind(channel).queueDeclare({ passive: true }), "not_found");
    assert.equal((await queue.queueDeclare()).name, "q");
    await rejectsWith(queue.queueBind(), "not_found");
    await exchange.bind(channel).declare();
    const producer = connection.producer({ exchange, routingKey: "k" });
    assert.deepEqual((await producer.publish("nowhere")).queues, []);
    await queue.queueBind();
    await producer.publish("kept");
    await queue.queueUnbind();
    await queue.queueUnbind();
    assert.deepEqual((await producer.publish("nowhere")).queues, []);
    assert.deepEqual(await drainPayloads(connection, "q"), ["kept"]);
  },

  "a Binding binds a queue and unbinds it": async (connection) => {
    const channel = await connection.channel();
    const exchange = new Exchange("x", "topic");
    const queue = (await declareQueue(connection, "q")).bind(channel);
    const binding = new Binding(exchange, { routingKey: "a.*" });
    await binding.declare(channel);
    await binding.bind(queue);
    const producer = connection.producer({ exchange, routingKey: "a.b" });
    await producer.publish("kept");
    await binding.unbind(queue);
    assert.deepEqual((await producer.publish("nowhere")).queues, []);
    assert.deepEqual(await drainPayloads(connection, "q"), ["kept"]);
  },

  "a queue without a name gets one of its own": needing(["anyQueueName"], async (connection) => {
    const [a, b] = [new Queue(), new Queue()];
    assert.notEqual(a.name, b.name);
    assert.notEqual(a.name, "");
    await a.bind(await connection.channel()).declare();
    await put(connection, a, "hi");
    assert.deepEqual(await drainPayloads(connection, a), ["hi"]);
  }),

  "a queue's name may hold dots, slashes, spaces and any letters": needing(
    ["anyQueueName"],
    async (connection) => {
      for (const name of ["celery.pidbox", "a/b", "with space", "日本", "100%", "q?x=1#y"]) {
        const queue = await declareQueue(connection, name);
        await put(connection, queue, name);
        assert.deepEqual(await drainPayloads(connection, queue), [name]);
      }
    },
  ),
};
