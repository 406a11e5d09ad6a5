import assert from "node:assert/strict";
import { setImmediate as turn } from "node:timers/promises";
import type { Connection } from "../connection.js";
import { Queue } from "../queue.js";
import type { Cases } from "./broker-under-test.js";
import { declareQueue, drainPayloads, getOrNull, inTime, put, rejectsWithReason } from "./support.js";

/** Every call that can wait for a message. */
const WAITS: Readonly<Record<string, (connection: Connection, signal: AbortSignal) => Promise<unknown>>> = {
  "SimpleQueue.get()": (connection, signal) => connection.simpleQueue("q").get({ signal }),
  "drainEvents()": async (connection, signal) => {
    const consumer = connection.consumer(new Queue("q"), { callbacks: [() => {}] });
    await consumer.consume();
    await connection.drainEvents({ signal });
  },
  "messages()": async (connection, signal) => {
    for await (const message of connection.consumer(new Queue("q")).messages({ signal })) await message.ack();
  },
};

const cases: [string, Cases[string]][] = Object.entries(WAITS).flatMap(([name, wait]) => [
  [
    `${name} aborted beforehand takes nothing`,
    async (connection, broker) => {
      const queue = await declareQueue(connection, "q");
      await put(connection, queue, "hi");
      const reason = new Error("before");
      await rejectsWithReason(wait(connection, AbortSignal.abort(reason)), reason);
      assert.deepEqual(await drainPayloads(broker.connect(), "q"), ["hi"]);
    },
  ],
  [
    `${name} aborted while it waits ends with the reason, and takes nothing`,
    async (connection, broker) => {
      await declareQueue(connection, "q");
      const controller = new AbortController();
      const reason = new Error("during");
      const waiting = wait(connection, controller.signal);
      waiting.catch(() => {});
      for (let turns = 0; turns < 20; turns++) await turn();
      controller.abort(reason);
      await rejectsWithReason(inTime(waiting), reason);
      const other = broker.connect();
      await put(other, new Queue("q"), "hi");
      assert.deepEqual(await drainPayloads(other, "q"), ["hi"]);
    },
  ],
  [
    `${name} aborted at any moment around a message leaves nothing leased`,
    async (connection, broker) => {
      const queue = await declareQueue(connection, "q");
      const other = broker.connect();
      for (let turns = 0; turns < 8; turns++) {
        const own = broker.connect();
        const controller = new AbortController();
        const waiting = wait(own, controller.signal).catch(() => {});
        await put(other, queue, turns);
        for (let step = 0; step < turns; step++) await turn();
        controller.abort();
        await inTime(waiting);
        await own.close();
        const message = await getOrNull(other, queue);
        // Either it was acknowledged, or it is here again.
        if (name !== "messages()") assert.ok(message !== null, `lost after ${turns} turns`);
        await message?.ack();
      }
    },
  ],
]);

/** Signals in every call that waits. */
export const abortCases: Cases = Object.fromEntries(cases);
