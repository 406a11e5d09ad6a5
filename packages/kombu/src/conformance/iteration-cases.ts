import assert from "node:assert/strict";
import { setImmediate as turn } from "node:timers/promises";
import type { Message } from "../message.js";
import type { Cases } from "./broker-under-test.js";
import {
  declareQueue,
  drainPayloads,
  getOne,
  inTime,
  intoAndAck,
  put,
  rejectsWith,
  whileTimePasses,
} from "./support.js";

/** Messages by `for await`. */
export const iterationCases: Cases = {
  "for await gives the messages in order, and waits for more": async (connection, broker) => {
    const queue = await declareQueue(connection, "q");
    await put(connection, queue, 1, 2);
    const bodies: unknown[] = [];
    const loop = async () => {
      for await (const message of connection.consumer(queue)) {
        bodies.push(message.payload);
        await message.ack();
        if (bodies.length === 2) setImmediate(() => void put(connection, queue, 3));
        if (bodies.length === 3) break;
      }
    };
    await whileTimePasses(broker, loop());
    assert.deepEqual(bodies, [1, 2, 3]);
  },

  "leaving the loop gives back what was not settled": async (connection, broker) => {
    const queue = await declareQueue(connection, "q");
    await put(connection, queue, 1, 2, 3);
    for await (const _message of connection.consumer(queue, { prefetchCount: 3 })) break;
    assert.deepEqual(await drainPayloads(broker.connect(), queue), [1, 2, 3]);
  },

  "an error in the loop gives back what was not settled": async (connection, broker) => {
    const queue = await declareQueue(connection, "q");
    await put(connection, queue, 1, 2);
    const loop = async () => {
      for await (const _message of connection.consumer(queue, { prefetchCount: 2 })) throw new Error("body");
    };
    await assert.rejects(loop(), /body/);
    assert.deepEqual(await drainPayloads(broker.connect(), queue), [1, 2]);
  },

  "what was settled in the loop stays settled": async (connection, broker) => {
    const queue = await declareQueue(connection, "q");
    await put(connection, queue, 1, 2);
    for await (const message of connection.consumer(queue, { prefetchCount: 2 })) {
      await message.ack();
      break;
    }
    assert.deepEqual(await drainPayloads(broker.connect(), queue), [2]);
  },

  "cancel() ends the loop without an error": async (connection) => {
    const consumer = connection.consumer(await declareQueue(connection, "q"));
    const loop = (async () => {
      for await (const _message of consumer) assert.fail("there are no messages");
    })();
    await turn();
    await consumer.cancel();
    await inTime(loop);
  },

  "return() ends a next() that waits": async (connection) => {
    const iterator = connection.consumer(await declareQueue(connection, "q")).messages();
    const waiting = iterator.next();
    await turn();
    await iterator.return();
    assert.equal((await inTime(waiting)).done, true);
  },

  "one loop at a time: a second one is refused, and one after the other is fine": async (connection) => {
    const queue = await declareQueue(connection, "q");
    await put(connection, queue, 1);
    const consumer = connection.consumer(queue);
    for await (const _message of consumer) {
      await rejectsWith(consumer.messages().next(), "invalid_argument");
      await rejectsWith(
        consumer.run(() => {}),
        "invalid_argument",
      );
      break;
    }
    for await (const message of consumer) {
      await message.ack();
      break;
    }
  },

  "a queue that is started while the loop waits is received from": async (connection, broker) => {
    const [one, two] = [await declareQueue(connection, "one"), await declareQueue(connection, "two")];
    const consumer = connection.consumer(one);
    const iterator = consumer.messages();
    const waiting = iterator.next();
    for (let turns = 0; turns < 10; turns++) await turn();
    await consumer.addQueue(two);
    await consumer.consume();
    await put(broker.connect(), two, "second");
    const { value } = await whileTimePasses(broker, waiting);
    assert.equal(value?.payload, "second");
    await value?.ack();
    await iterator.return();
  },

  "after the loop other consumers are drained as before": async (connection) => {
    const [one, two] = [await declareQueue(connection, "one"), await declareQueue(connection, "two")];
    await put(connection, one, 1);
    for await (const message of connection.consumer(one)) {
      await message.ack();
      break;
    }
    const bodies: unknown[] = [];
    await connection.consumer(two, { callbacks: [intoAndAck(bodies)] }).consume();
    await put(connection, two, 2);
    await connection.drainEvents({ timeoutMs: 5_000 });
    assert.deepEqual(bodies, [2]);
  },

  "a message that is kept past the loop was given back": async (connection, broker) => {
    const queue = await declareQueue(connection, "q");
    await put(connection, queue, 1);
    let kept: Message | undefined;
    for await (const message of connection.consumer(queue)) {
      kept = message;
      break;
    }
    await rejectsWith(kept!.ack(), "message_state");
    assert.equal((await getOne(broker.connect(), queue)).payload, 1);
  },
};
