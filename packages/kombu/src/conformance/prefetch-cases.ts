import assert from "node:assert/strict";
import type { Message } from "../message.js";
import type { Cases } from "./broker-under-test.js";
import { declareQueue, intoAndAck, put, rejectsWith } from "./support.js";

/** How many messages a consumer may hold. */
export const prefetchCases: Cases = {
  "prefetchCount n gives n messages, then none until one is settled": async (connection) => {
    const queue = await declareQueue(connection, "q");
    await put(connection, queue, 1, 2, 3, 4, 5);
    const messages: Message[] = [];
    const consumer = connection.consumer(queue, {
      prefetchCount: 2,
      callbacks: [(_body, message) => void messages.push(message)],
    });
    await consumer.consume();
    await connection.drainEvents({ timeoutMs: 5_000 });
    await connection.drainEvents({ timeoutMs: 5_000 });
    await rejectsWith(connection.drainEvents({ timeoutMs: 0 }), "timeout");
    for (const settle of ["ack", "reject"] as const) {
      await messages.at(-1)![settle]();
      await connection.drainEvents({ timeoutMs: 5_000 });
      await rejectsWith(connection.drainEvents({ timeoutMs: 0 }), "timeout");
    }
    assert.deepEqual(
      messages.map(({ payload }) => payload),
      [1, 2, 3, 4],
    );
  },

  "a slot that is freed elsewhere ends a waiting drainEvents()": async (connection) => {
    const queue = await declareQueue(connection, "q");
    await put(connection, queue, 1, 2);
    const messages: Message[] = [];
    const consumer = connection.consumer(queue, {
      prefetchCount: 1,
      callbacks: [(_body, message) => void messages.push(message)],
    });
    await consumer.consume();
    await connection.drainEvents({ timeoutMs: 5_000 });
    const waiting = connection.drainEvents();
    await messages[0]!.ack();
    await waiting;
    assert.deepEqual(
      messages.map(({ payload }) => payload),
      [1, 2],
    );
  },

  "qos() changes how many may be held": async (connection) => {
    const queue = await declareQueue(connection, "q");
    await put(connection, queue, 1, 2, 3);
    const bodies: unknown[] = [];
    const consumer = connection.consumer(queue, { callbacks: [(body) => void bodies.push(body)] });
    consumer.qos({ prefetchCount: 1 });
    await consumer.consume();
    await connection.drainEvents({ timeoutMs: 5_000 });
    await rejectsWith(connection.drainEvents({ timeoutMs: 0 }), "timeout");
    consumer.qos({ prefetchCount: 0 });
    await connection.drainEvents({ timeoutMs: 5_000 });
    await connection.drainEvents({ timeoutMs: 5_000 });
    assert.deepEqual(bodies, [1, 2, 3]);
  },

  "what is prefetched is handed out oldest first": async (connection) => {
    const queue = await declareQueue(connection, "q");
    const bodies = Array.from({ length: 30 }, (_, index) => index);
    await put(connection, queue, ...bodies);
    const received: unknown[] = [];
    const consumer = connection.consumer(queue, {
      prefetchCount: 15,
      callbacks: [intoAndAck(received)],
    });
    await consumer.consume();
    while (received.length < bodies.length) await connection.drainEvents({ timeoutMs: 5_000 });
    assert.deepEqual(received, bodies);
  },
};
