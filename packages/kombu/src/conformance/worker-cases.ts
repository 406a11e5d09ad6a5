import assert from "node:assert/strict";
import type { Consumer } from "../consumer.js";
import { type ConsumerFactory, ConsumerMixin } from "../consumer-mixin.js";
import { Exchange } from "../exchange.js";
import type { Message } from "../message.js";
import { Queue } from "../queue.js";
import { Worker } from "../worker.js";
import { type Cases, needing } from "./broker-under-test.js";
import { declareQueue, drainPayloads, inTime, put, until, whileTimePasses } from "./support.js";

/** A promise that resolves when the message's handler is told to stop. */
function told({ signal }: Message): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener("abort", () => resolve());
  });
}

/** Programs that work until they are stopped. */
export const workerCases: Cases = {
  "a worker calls its handler until it is stopped, and leaves nothing leased": async (connection, broker) => {
    const queue = await declareQueue(connection, "q");
    const bodies: unknown[] = [];
    const handler = (message: Message) => void bodies.push(message.payload);
    const worker = new Worker(connection, { queues: queue, handler, concurrency: 3 });
    const running = worker.run();
    await put(connection, queue, ...Array.from({ length: 10 }, (_, index) => index));
    await whileTimePasses(
      broker,
      until(() => bodies.length === 10, "ten handlers"),
    );
    await inTime(worker.stop());
    await inTime(running);
    assert.deepEqual(bodies.toSorted(), [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
    await put(connection, queue, "later");
    assert.deepEqual(await drainPayloads(broker.connect(), queue), ["later"]);
  },

  "stop() lets a running handler finish and acknowledge, and gives others the rest at once": async (
    connection,
    broker,
  ) => {
    const queue = await declareQueue(connection, "q");
    await put(connection, queue, 1, 2, 3);
    const seen: unknown[] = [];
    let worker: Worker | undefined;
    const handler = async (message: Message) => {
      void worker?.stop();
      const rest = broker.connect().simpleQueue(queue);
      for (const body of [2, 3]) {
        const other = await whileTimePasses(broker, rest.get());
        assert.equal(other.payload, body);
        await other.ack();
      }
      seen.push(message.payload, message.signal.aborted);
    };
    worker = new Worker(connection, { queues: queue, handler, prefetchCount: 3 });
    await inTime(worker.run());
    assert.deepEqual(seen, [1, false]);
    assert.deepEqual(await drainPayloads(broker.connect(), queue), []);
  },

  "a handler that is told to stop when the grace is over may still acknowledge, or gives its message back":
    async (connection, broker) => {
      const queue = await declareQueue(connection, "q");
      await put(connection, queue, "done", "undone");
      const started: unknown[] = [];
      const errors: unknown[] = [];
      const handler = async (message: Message) => {
        started.push(message.payload);
        await told(message);
        if (message.payload === "undone") throw message.signal.reason;
      };
      const onError = (error: unknown) => errors.push(error);
      const worker = new Worker(connection, { queues: queue, handler, concurrency: 2, onError });
      const running = worker.run();
      await whileTimePasses(
        broker,
        until(() => started.length === 2, "both handlers"),
      );
      await inTime(worker.stop({ graceMs: 0 }));
      await inTime(running);
      assert.equal(errors.length, 1);
      assert.deepEqual(await drainPayloads(broker.connect(), queue), ["undone"]);
    },

  "graceMs and endMs limit how long a handler is waited for, whose message then goes back": needing(
    ["manualClock"],
    async (connection, broker) => {
      const queue = await declareQueue(connection, "q");
      await put(connection, queue, "endless");
      let [isStarted, isTold, isStopped] = [false, false, false];
      const errors: unknown[] = [];
      const handler = (message: Message) => {
        isStarted = true;
        void told(message).then(() => {
          isTold = true;
        });
        return new Promise(() => {});
      };
      const worker = new Worker(connection, {
        ...{ queues: queue, handler, graceMs: 10_000, endMs: 2_000 },
        onError: (error) => errors.push(error),
      });
      const running = worker.run();
      await until(() => isStarted, "the handler");
      const stopping = worker.stop().then(() => {
        isStopped = true;
      });
      await broker.advance(9_000);
      assert.equal(isTold, false);
      await broker.advance(1_000);
      assert.deepEqual([isTold, isStopped], [true, false]);
      await broker.advance(2_000);
      await inTime(Promise.all([stopping, running]));
      assert.equal(errors.length, 1);
      assert.deepEqual(await drainPayloads(broker.connect(), queue), ["endless"]);
    },
  ),

  "the signal of stop() ends the grace early": async (connection, broker) => {
    const queue = await declareQueue(connection, "q");
    await put(connection, queue, 1);
    let isStarted = false;
    const handler = async (message: Message) => {
      isStarted = true;
      await told(message);
    };
    const worker = new Worker(connection, { queues: queue, handler, graceMs: 1_000_000 });
    const running = worker.run();
    await whileTimePasses(
      broker,
      until(() => isStarted, "the handler"),
    );
    const hurry = new AbortController();
    const stopping = worker.stop({ signal: hurry.signal });
    hurry.abort();
    await inTime(Promise.all([stopping, running]));
    assert.deepEqual(await drainPayloads(broker.connect(), queue), []);
  },

  "a worker's scope stops it, also before it has begun": async (connection, broker) => {
    const queue = await declareQueue(connection, "q");
    await put(connection, queue, 1);
    const handler = () => assert.fail("not called");
    const worker = new Worker(connection, { queues: queue, handler });
    {
      await using _scope = worker;
    }
    await inTime(worker.run());
    assert.deepEqual(await drainPayloads(broker.connect(), queue), [1]);
  },

  "workers that come and go all the time lose nothing and do nothing twice": async (connection, broker) => {
    const queue = await declareQueue(connection, "q");
    const bodies = Array.from({ length: 60 }, (_, index) => index);
    await put(connection, queue, ...bodies);
    const done: unknown[] = [];
    const handler = async (message: Message) => {
      for (let turns = Number(message.payload) % 5; turns > 0; turns--) await new Promise(setImmediate);
      done.push(message.payload);
    };
    const comeAndGo = async (lane: number) => {
      for (let life = 0; done.length < bodies.length; life++) {
        const worker = new Worker(connection, { queues: queue, handler, concurrency: 3, prefetchCount: 6 });
        const running = worker.run();
        const before = done.length;
        // Every third one is stopped while it begins.
        if ((life + lane) % 3 > 0) {
          await until(() => done.length > before || done.length === bodies.length, "some messages");
        }
        await inTime(worker.stop());
        await running;
      }
    };
    await whileTimePasses(broker, Promise.all([0, 1, 2].map(comeAndGo)));
    assert.deepEqual(
      done.toSorted((a, b) => Number(a) - Number(b)),
      bodies,
    );
    assert.deepEqual(await drainPayloads(broker.connect(), queue), []);
  },

  "a ConsumerMixin calls its hooks in order, and its callbacks settle their messages": async (
    connection,
    broker,
  ) => {
    const queue = await declareQueue(connection, "q");
    await put(connection, queue, 1, "left", 3);
    const calls: string[] = [];
    class Program extends ConsumerMixin {
      getConsumers(consumer: ConsumerFactory): readonly Consumer[] {
        calls.push("getConsumers");
        const callback = async (body: unknown, message: Message) => {
          calls.push(String(body));
          if (body !== "left") await message.ack();
          if (body === 3) this.shouldStop = true;
        };
        return [consumer(queue, { callbacks: [callback] })];
      }
      override onConnectionRevived() {
        calls.push("revived");
      }
      override extraContext(): AsyncDisposable {
        calls.push("context");
        return { [Symbol.asyncDispose]: async () => void calls.push("context ends") };
      }
      override onConsumeReady() {
        calls.push("ready");
      }
      override onConsumeEnd() {
        calls.push("end");
      }
    }
    await whileTimePasses(broker, new Program(connection).run());
    assert.deepEqual(calls, [
      ...["revived", "getConsumers", "context", "ready", "1", "left", "3", "context ends", "end"],
    ]);
    assert.deepEqual(await drainPayloads(broker.connect(), queue), ["left"]);
  },

  "a worker publishes replies on a connection of its own": async (connection, broker) => {
    const [queue, replies] = [await declareQueue(connection, "q"), await declareQueue(connection, "other")];
    await put(connection, queue, 20);
    const worker: Worker = new Worker(connection, {
      queues: queue,
      handler: async (message) => {
        await worker.producer.publish(Number(message.payload) + 1, { routingKey: replies.name });
        void worker.stop();
      },
    });
    await whileTimePasses(broker, worker.run());
    assert.deepEqual(await drainPayloads(broker.connect(), replies), [21]);
    assert.equal(worker.producerConnection.connected, false);
  },

  "an error that trying again would not mend ends a worker": needing(
    ["managesQueues"],
    async (connection, broker) => {
      const channel = await connection.channel();
      await new Exchange("taken", "direct").bind(channel).declare();
      const queues = new Queue("q", { exchange: new Exchange("taken", "fanout") });
      // Where exchanges live in the connection, the two meet in the worker's own.
      const both = [new Queue("other", { exchange: new Exchange("taken", "direct") }), queues];
      const worker = new Worker(connection, { queues: both, handler: () => {} });
      const outcome = await whileTimePasses(
        broker,
        worker.run().then(
          () => undefined,
          (error: unknown) => error,
        ),
      );
      assert.equal((outcome as { code?: string }).code, "precondition_failed");
    },
  ),
};
