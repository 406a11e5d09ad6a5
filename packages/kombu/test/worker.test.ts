import { getEventListeners } from "node:events";
import { QueueError } from "@pullqueue/core";
import {
  type Consumer,
  type ConsumerFactory,
  ConsumerMixin,
  type ConsumerMixinOptions,
  isKombuError,
  KombuError,
  type Message,
  Queue,
  type Schema,
  Worker,
  type WorkSignals,
} from "@pullqueue/kombu";
import { describe, expect, test, vi } from "vitest";
import { settled, storeWith } from "./support.js";

const queue = new Queue("q");

/** Mixins whose hooks write down what was called. */
function programOf(
  connection: ReturnType<ReturnType<typeof storeWith>["connect"]>,
  calls: unknown[],
  options: ConsumerMixinOptions = {},
) {
  class Program extends ConsumerMixin {
    getConsumers(consumer: ConsumerFactory) {
      const callback = async (body: unknown, message: Message) => {
        calls.push(body);
        await message.ack();
      };
      return [consumer(queue, { callbacks: [callback] })];
    }
    override onConnectionError(error: unknown, intervalMs: number) {
      calls.push([(error as { code: string }).code, intervalMs > 0]);
    }
    override onIteration() {
      calls.push("iteration");
    }
  }
  return new Program(connection, options);
}

/** A broker that is away for the first so many declarations. */
function brokerAway(times: number, code: "unavailable" | "unauthenticated" = "unavailable") {
  let calls = 0;
  const world = storeWith((real) => ({
    async getQueue(...call) {
      calls += 1;
      if (calls <= times) throw new QueueError(code, "away");
      return real.getQueue(...call);
    },
  }));
  return { ...world, calls: () => calls };
}

describe("ConsumerMixin", () => {
  test("begins anew after an outage, at most once a second, and says why", async () => {
    const { connect, advance, calls } = brokerAway(3);
    await using connection = connect();
    const seen: unknown[] = [];
    const program = programOf(connection, seen);
    const running = program.run();
    await settled();
    expect([calls(), seen]).toEqual([1, [["unavailable", true]]]);
    await advance(900, 100);
    expect(calls()).toBe(1);
    await advance(2_200, 100);
    expect(seen.slice(0, 4)).toEqual([...Array(3).fill(["unavailable", true]), "iteration"]);
    await connection.producer({ routingKey: "q" }).publish("hi");
    await settled();
    expect(seen).toContain("hi");
    await program.stop();
    await running;
  });

  test("connectMaxRetries lets run() reject with the last error", async () => {
    const { connect, advance, calls } = brokerAway(100);
    await using connection = connect();
    const program = programOf(connection, []);
    program.connectMaxRetries = 2;
    const outcome = expect(program.run()).rejects.toSatisfy((e) => isKombuError(e, "unavailable"));
    await advance(10_000);
    await outcome;
    expect(calls()).toBe(3);
  });

  test("an error that time does not mend ends run() at once", async () => {
    const { connect, calls } = brokerAway(100, "unauthenticated");
    await using connection = connect();
    const running = programOf(connection, []).run();
    await expect(running).rejects.toSatisfy((e) => isKombuError(e, "unauthenticated"));
    expect(calls()).toBe(1);
  });

  test("connectMaxRetries counts rounds that could not begin, not those that broke off", async () => {
    const { connect, advance } = storeWith();
    await using connection = connect();
    const seen: unknown[] = [];
    const program = programOf(connection, seen);
    program.connectMaxRetries = 1;
    vi.spyOn(program, "onIteration").mockImplementation(() => {
      if (seen.length < 3) throw new KombuError("unavailable", "away");
      seen.push("iteration");
    });
    const running = program.run();
    await settled();
    await advance(10_000);
    expect(seen.slice(0, 4)).toEqual([...Array(3).fill(["unavailable", true]), "iteration"]);
    await program.stop();
    await running;
  });

  test("rounds leave no listeners behind, and neither does run() when its producer's connection fails to close", async () => {
    const { connect, advance } = brokerAway(3);
    await using connection = connect();
    let interrupting: AbortSignal | undefined;
    class Program extends ConsumerMixin {
      getConsumers(consumer: ConsumerFactory) {
        return [consumer(queue, { callbacks: [() => {}] })];
      }
      override onConnectionError() {}
      protected override work(consumers: readonly Consumer[], signals: WorkSignals) {
        interrupting = signals.interrupting;
        return super.work(consumers, signals);
      }
    }
    const listening = () => process.listenerCount("SIGTERM");
    const before = listening();
    const program = new Program(connection, { handleSignals: true });
    const running = program.run();
    expect(listening()).toBe(before + 1);
    const failed = expect(running).rejects.toThrow("the socket is stuck");
    await settled();
    await advance(10_000);
    // The one round that lives has its connection's, and what its consumer runs by.
    expect(getEventListeners(interrupting!, "abort").length).toBeLessThanOrEqual(2);
    vi.spyOn(program.producerConnection, "close").mockRejectedValue(new Error("the socket is stuck"));
    await program.stop();
    await failed;
    expect(listening()).toBe(before);
  });

  test("work that ends with the reason of the stop has ended in time: nobody is told that it was abandoned", async () => {
    const { connect } = storeWith();
    await using connection = connect();
    const errors: unknown[] = [];
    let isWorking = false;
    class Program extends ConsumerMixin {
      getConsumers(consumer: ConsumerFactory) {
        return [consumer(queue, { callbacks: [() => {}] })];
      }
      override onError(error: unknown) {
        errors.push(error);
      }
      protected override work(_consumers: readonly Consumer[], { stopping }: WorkSignals) {
        isWorking = true;
        return new Promise<void>((_, reject) => {
          stopping.addEventListener("abort", () => reject(stopping.reason));
        });
      }
    }
    const program = new Program(connection);
    const running = program.run();
    await vi.waitUntil(() => isWorking);
    await program.stop();
    await running;
    expect(errors).toEqual([]);
  });

  test("work that fails without a reason ends run() as any other failure does", async () => {
    const { connect } = storeWith();
    await using connection = connect();
    class Program extends ConsumerMixin {
      getConsumers(consumer: ConsumerFactory) {
        return [consumer(queue, { callbacks: [() => {}] })];
      }
      protected override work() {
        return Promise.reject();
      }
    }
    await expect(new Program(connection).run()).rejects.toBeUndefined();
  });

  test("stop() ends the pause between two rounds", async () => {
    const { connect } = brokerAway(100);
    await using connection = connect();
    const program = programOf(connection, []);
    const running = program.run();
    await settled();
    await program.stop();
    await running;
  });

  test("onIteration is called once a second, and what it throws ends run()", async () => {
    const { connect, advance } = storeWith();
    await using connection = connect();
    const seen: unknown[] = [];
    const program = programOf(connection, seen);
    const running = program.run();
    await settled();
    await advance(3_000);
    expect(seen).toEqual(Array(4).fill("iteration"));
    vi.spyOn(program, "onIteration").mockImplementation(() => {
      throw new Error("mistake");
    });
    const outcome = expect(running).rejects.toThrow("mistake");
    await advance(1_000);
    await outcome;
  });

  test("a message that cannot be decoded is acknowledged with a warning, and a callback that throws is no end", async () => {
    const { connect, advance, store } = storeWith();
    await using connection = connect();
    const warnings: string[] = [];
    const warn = vi.spyOn(process, "emitWarning").mockImplementation((warning) => {
      warnings.push(String(warning));
    });
    const seen: unknown[] = [];
    class Program extends ConsumerMixin {
      getConsumers(consumer: ConsumerFactory) {
        const callback = async (body: unknown, message: Message) => {
          seen.push(body);
          if (seen.length === 1) throw new Error("the first time");
          await message.ack();
        };
        return [consumer(queue, { callbacks: [callback] })];
      }
    }
    const producer = connection.producer({ routingKey: "q" });
    await producer.publish("{", { contentType: "application/json" });
    await producer.publish({ a: 1 });
    const program = new Program(connection);
    const running = program.run();
    await settled();
    await advance(2_000);
    await program.stop();
    await running;
    warn.mockRestore();
    expect(seen).toEqual([{ a: 1 }, { a: 1 }]);
    expect(warnings).toEqual([
      expect.stringMatching(/^message .* is dropped: .*JSON/),
      expect.stringContaining("the first time"),
    ]);
    const key = { project: "p", queue: "q" };
    expect((await store.getQueue(key, { stats: true })).stats?.totalTasks).toBe(0);
  });

  test("signals of the process stop it if asked to, a second one without waiting for handlers", async () => {
    const { connect } = storeWith();
    await using connection = connect();
    await connection.producer({ routingKey: "q" }).publish("endless");
    const before = process.listenerCount("SIGTERM");
    let signal: AbortSignal | undefined;
    const errors: unknown[] = [];
    const worker = new Worker(connection, {
      ...{ queues: queue, handleSignals: true, onError: (error: unknown) => errors.push(error) },
      handler: (message) => {
        signal = message.signal;
        return new Promise(() => {});
      },
    });
    const running = worker.run();
    await settled();
    process.emit("SIGTERM", "SIGTERM");
    await settled();
    expect([worker.shouldStop, signal?.aborted]).toEqual([true, false]);
    process.emit("SIGINT", "SIGINT");
    await running;
    expect([signal?.aborted, errors.length]).toEqual([true, 1]);
    expect(process.listenerCount("SIGTERM")).toBe(before);
    expect((await connection.simpleQueue("q").getNowait()).payload).toBe("endless");
  });
});

describe("Worker", () => {
  test("complains about all options that are wrong at once", () => {
    const { connect } = storeWith();
    const wrong = { concurency: 3, graceMs: -1 } as never;
    expect(() => new Worker(connect(), wrong)).toThrow(
      /queues must be .* got nothing; .*handler must be a function.*concurency \(did you mean concurrency\?\).*graceMs must be/,
    );
  });

  test("payloads have the type of the queue's schema", async () => {
    const { connect } = storeWith();
    const validate = (value: unknown) => ({ value: Number(value) });
    const schema: Schema<unknown, number> = { "~standard": { version: 1, vendor: "test", validate } };
    const numbers = new Queue("q", { schema });
    await using connection = connect();
    await connection.producer({ routingKey: "q" }).publish("41");
    let sum = 0;
    const stop = new AbortController();
    const handler = (message: Message<number>) => {
      sum = message.payload + 1;
      stop.abort();
    };
    const worker = new Worker(connection, { queues: numbers, handler });
    stop.signal.addEventListener("abort", () => void worker.stop());
    await worker.run();
    expect(sum).toBe(42);
  });
});
