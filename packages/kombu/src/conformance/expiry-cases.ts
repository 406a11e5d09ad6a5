import assert from "node:assert/strict";
import { type Cases, needing } from "./broker-under-test.js";
import { declareQueue, drainPayloads, getOrNull, put, rejectsWith } from "./support.js";

/** Messages with a time: expired ones are never delivered, delayed ones not yet. */
export const expiryCases: Cases = {
  "an expired message is never delivered": needing(["manualClock"], async (connection, broker) => {
    const queue = await declareQueue(connection, "q");
    const producer = connection.producer({ routingKey: "q" });
    await producer.publish("short", { expirationMs: 10_000 });
    await producer.publish("long", { expirationMs: 60_000 });
    await broker.advance(11_000);
    assert.deepEqual(await drainPayloads(connection, queue), ["long"]);
    assert.equal(await connection.simpleQueue(queue).qsize(), 0);
  }),

  "an expired message is never delivered by a simple queue": needing(
    ["manualClock"],
    async (connection, broker) => {
      const simple = connection.simpleQueue("q");
      await simple.put("short", { expirationMs: 10_000 });
      await broker.advance(11_000);
      await rejectsWith(simple.getNowait(), "empty");
    },
  ),

  "a message that expires while it waits in a consumer is not handed out": needing(
    ["manualClock"],
    async (connection, broker) => {
      const queue = await declareQueue(connection, "q");
      const producer = connection.producer({ routingKey: "q" });
      await producer.publish("first");
      await producer.publish("short", { expirationMs: 10_000 });
      const bodies: unknown[] = [];
      const consumer = connection.consumer(queue, {
        prefetchCount: 10,
        callbacks: [(body) => void bodies.push(body)],
      });
      await consumer.consume();
      await connection.drainEvents({ timeoutMs: 0 });
      await broker.advance(11_000);
      await rejectsWith(connection.drainEvents({ timeoutMs: 0 }), "timeout");
      assert.deepEqual(bodies, ["first"]);
    },
  ),

  "a queue's messageTtlMs holds for messages that say nothing": needing(
    ["manualClock"],
    async (connection, broker) => {
      const queue = await declareQueue(connection, "q", { messageTtlMs: 10_000 });
      await put(connection, queue, "short");
      await broker.advance(11_000);
      assert.deepEqual(await drainPayloads(connection, queue), []);
    },
  ),

  "a delayed message is received when its time has come": needing(
    ["manualClock", "delay"],
    async (connection, broker) => {
      const queue = await declareQueue(connection, "q");
      await connection.producer({ routingKey: "q" }).publish("later", { delayMs: 10_000 });
      assert.equal(await getOrNull(connection, queue), null);
      await broker.advance(10_000);
      assert.deepEqual(await drainPayloads(connection, queue), ["later"]);
    },
  ),
};
