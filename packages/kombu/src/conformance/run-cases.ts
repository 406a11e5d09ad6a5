import assert from "node:assert/strict";
import type { Message } from "../message.js";
import { type Cases, needing } from "./broker-under-test.js";
import {
  declareQueue,
  drainPayloads,
  getOne,
  getOrNull,
  inTime,
  put,
  rejectsWith,
  until,
  whileTimePasses,
} from "./support.js";

/** Handlers that `run` calls. */
export const runCases: Cases = {
  "a handler that returns acknowledges its message": async (connection, broker) => {
    const queue = await declareQueue(connection, "q");
    await put(connection, queue, 1, 2, 3);
    const bodies: unknown[] = [];
    const stop = new AbortController();
    await connection.consumer(queue).run(
      (message) => {
        bodies.push(message.payload);
        if (bodies.length === 3) stop.abort();
      },
      { signal: stop.signal },
    );
    assert.deepEqual(bodies, [1, 2, 3]);
    assert.deepEqual(await drainPayloads(broker.connect(), queue), []);
  },

  "a handler may settle its message itself": async (connection, broker) => {
    const queue = await declareQueue(connection, "q");
    await put(connection, queue, 1, 2);
    const stop = new AbortController();
    await connection.consumer(queue).run(
      async (message) => {
        await (message.payload === 1 ? message.requeue({ delayMs: 0 }) : message.reject());
        stop.abort();
      },
      { signal: stop.signal },
    );
    assert.equal((await drainPayloads(broker.connect(), queue)).includes(1), true);
  },

  "concurrency limits how many handlers run at once, and reaches it": async (connection) => {
    const queue = await declareQueue(connection, "q");
    await put(connection, queue, ...Array.from({ length: 12 }, (_, index) => index));
    const stop = new AbortController();
    let [running, most, done] = [0, 0, 0];
    const handler = async () => {
      running += 1;
      most = Math.max(most, running);
      await until(() => running === 4 || done >= 8, "four handlers");
      await new Promise(setImmediate);
      running -= 1;
      done += 1;
      if (done === 12) stop.abort();
    };
    await inTime(connection.consumer(queue).run(handler, { concurrency: 4, signal: stop.signal }));
    assert.equal(most, 4);
  },

  "a handler that throws gives its message back after a pause": needing(
    ["manualClock"],
    async (connection, broker) => {
      const queue = await declareQueue(connection, "q");
      await put(connection, queue, "hi");
      const errors: unknown[] = [];
      const attempts: (number | undefined)[] = [];
      const stop = new AbortController();
      const running = connection.consumer(queue).run(
        (message) => {
          attempts.push(message.deliveryInfo.attempts);
          throw new Error("again");
        },
        { signal: stop.signal, onError: (error) => errors.push(error) },
      );
      await until(() => errors.length === 1, "the first failure");
      assert.equal(await getOrNull(broker.connect(), queue), null);
      while (errors.length < 2) {
        await broker.advance(1_000);
        await new Promise(setImmediate);
      }
      stop.abort();
      await inTime(running);
      assert.deepEqual(attempts, [1, 2]);
    },
  ),

  "attemptsMax rejects a message whose handlers failed that often": needing(
    ["manualClock"],
    async (connection, broker) => {
      const queue = await declareQueue(connection, "q");
      await put(connection, queue, "poison");
      const failed: (Message | undefined)[] = [];
      const stop = new AbortController();
      const running = connection.consumer(queue).run(
        () => {
          throw new Error("never");
        },
        { attemptsMax: 3, signal: stop.signal, onError: (_error, message) => failed.push(message) },
      );
      while (failed.length < 3) {
        await broker.advance(1_000);
        await new Promise(setImmediate);
      }
      stop.abort();
      await inTime(running);
      await broker.advance(600_000);
      assert.equal(await getOrNull(broker.connect(), queue), null);
      assert.equal(failed.length, 3);
    },
  ),

  "stopping tells running handlers, gives back the rest at once, and waits for them": async (
    connection,
    broker,
  ) => {
    const queue = await declareQueue(connection, "q");
    await put(connection, queue, 1, 2, 3);
    const stop = new AbortController();
    const reason = new Error("enough");
    const seen: unknown[] = [];
    await connection.consumer(queue, { prefetchCount: 3 }).run(
      async (message) => {
        const told = new Promise<void>((resolve) => {
          message.signal.addEventListener("abort", () => resolve());
        });
        stop.abort(reason);
        await told;
        const rest = broker.connect().simpleQueue(queue);
        for (const body of [2, 3]) {
          const other = await whileTimePasses(broker, rest.get());
          assert.equal(other.payload, body);
          await other.ack();
        }
        seen.push(message.signal.reason);
      },
      { signal: stop.signal },
    );
    assert.deepEqual(seen, [reason]);
    assert.deepEqual(await drainPayloads(broker.connect(), queue), []);
  },

  "with an interruptSignal handlers finish in peace after the stop, until it tells them": async (
    connection,
    broker,
  ) => {
    const queue = await declareQueue(connection, "q");
    await put(connection, queue, 1, 2, 3);
    const [stop, interrupt] = [new AbortController(), new AbortController()];
    const reason = new Error("at once");
    const seen: unknown[] = [];
    const failures: unknown[] = [];
    let isTold: boolean | undefined;
    const handler = async (message: Message) => {
      seen.push(message.payload);
      if (message.payload === 1) {
        stop.abort();
        await whileTimePasses(broker, broker.connect().simpleQueue(queue).get()); // The rest is there already.
        isTold = message.signal.aborted;
        return;
      }
      await until(() => isTold !== undefined, "the first");
      const told = new Promise((resolve) => message.signal.addEventListener("abort", resolve));
      interrupt.abort(reason);
      await told;
      throw message.signal.reason;
    };
    const options = { concurrency: 2, signal: stop.signal, interruptSignal: interrupt.signal };
    const onError = (error: unknown) => failures.push(error);
    await inTime(connection.consumer(queue, { prefetchCount: 3 }).run(handler, { ...options, onError }));
    assert.deepEqual([seen, isTold, failures], [[1, 2], false, [reason]]);
    assert.deepEqual(await drainPayloads(broker.connect(), queue), [2]);
  },

  "a handler past timeoutMs is told so": needing(["manualClock"], async (connection, broker) => {
    const queue = await declareQueue(connection, "q");
    await put(connection, queue, 1);
    const stop = new AbortController();
    let reason: unknown;
    let started = false;
    const running = connection.consumer(queue).run(
      async ({ signal }) => {
        started = true;
        await new Promise<void>((resolve) => signal.addEventListener("abort", () => resolve()));
        reason = signal.reason;
        stop.abort();
      },
      { timeoutMs: 5_000, signal: stop.signal },
    );
    await until(() => started, "the handler");
    await broker.advance(5_000);
    await inTime(running);
    await rejectsWith(Promise.reject(reason), "timeout");
  }),

  "noAck acknowledges before the handler starts": async (connection, broker) => {
    const queue = await declareQueue(connection, "q");
    await put(connection, queue, "hi");
    const stop = new AbortController();
    const errors: unknown[] = [];
    await connection.consumer(queue, { noAck: true }).run(
      () => {
        stop.abort();
        throw new Error("too late");
      },
      { signal: stop.signal, onError: (error) => errors.push(error) },
    );
    assert.equal(errors.length, 1);
    assert.deepEqual(await drainPayloads(broker.connect(), queue), []);
  },

  "onDecodeError gets what cannot be read, and the handler does not": async (connection, broker) => {
    const queue = await declareQueue(connection, "q");
    await connection.producer({ routingKey: "q" }).publish("{", { contentType: "application/json" });
    const stop = new AbortController();
    const consumer = connection.consumer(queue, { onDecodeError: () => stop.abort() });
    await consumer.run(() => assert.fail("not called"), { signal: stop.signal });
    assert.deepEqual(await drainPayloads(broker.connect(), queue), []);
  },

  "a signal that has fired already starts nothing": async (connection, broker) => {
    const queue = await declareQueue(connection, "q");
    await put(connection, queue, 1);
    await connection.consumer(queue).run(() => assert.fail("not called"), { signal: AbortSignal.abort() });
    assert.equal((await getOne(broker.connect(), queue)).payload, 1);
  },
};
