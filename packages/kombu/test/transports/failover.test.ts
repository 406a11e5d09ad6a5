import { Connection, isLeaseLost, type Message, Queue } from "@pullqueue/kombu";
import { isMissing, startServerProcess } from "@pullqueue/testing";
import { startRabbitmqInstance } from "@pullqueue/testing/rabbitmq-instance";
import { startRedisInstance } from "@pullqueue/testing/redis-instance";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";

/** RabbitMQ starts in about six seconds on an idle machine. */
const START_MS = 240_000;

/** How long a producer and a consumer may take to go on elsewhere, in milliseconds. Connecting to what listens nowhere takes none. */
const MOVE_MS = 5_000;

/** A broker of a test's own, by what is done to it. */
interface Broker {
  readonly url: string;
  /** Its end: it comes back with what it had, or never. */
  end(): Promise<unknown>;
  comeBack: (() => PromiseLike<void>) | undefined;
  dispose(): PromiseLike<void>;
}

async function startRedis(): Promise<Broker> {
  const instance = await startRedisInstance();
  const dispose = () => instance[Symbol.asyncDispose]();
  return { url: instance.url, end: () => instance.kill9(), comeBack: () => instance.start(), dispose };
}

async function startRabbitmq(): Promise<Broker> {
  const instance = await startRabbitmqInstance();
  const dispose = () => instance[Symbol.asyncDispose]();
  return { url: instance.url, end: () => instance.kill9(), comeBack: () => instance.start(), dispose };
}

async function startPullqueue(): Promise<Broker> {
  const server = await startServerProcess();
  const url = `${server.url.replace("http:", "appengine:")}/p`;
  return {
    url,
    end: () => server.kill9(),
    comeBack: undefined,
    dispose: async () => void (await server.stop()),
  };
}

const BROKERS = [
  ["redis", "redis-server", startRedis, "redis://127.0.0.1:1"],
  ["amqp", "rabbitmq-programs", startRabbitmq, "amqp://127.0.0.1:1"],
  ["appengine", undefined, startPullqueue, "appengine://127.0.0.1:1/p"],
] as const;

for (const [name, service, start, nowhere] of BROKERS) {
  describe.skipIf(service !== undefined && isMissing(service))(`failover of ${name}`, () => {
    let [first, second]: Broker[] = [];
    beforeAll(async () => {
      [first, second] = await Promise.all([start(), start()]);
    }, START_MS);
    afterAll(async () => {
      await Promise.all([first?.dispose(), second?.dispose()]);
    }, START_MS);
    const until = (condition: () => unknown) => vi.waitUntil(condition, { timeout: MOVE_MS, interval: 10 });

    it("of three URLs only the last of which is alive, that one is found without waiting", async () => {
      await using connection = new Connection(`${nowhere};${nowhere};${second!.url}`);
      const started = performance.now();
      await connection.connect();
      expect(performance.now() - started).toBeLessThan(MOVE_MS);
      expect(connection.info().uri).toBe(new Connection(second!.url).asUri());
      await connection.simpleQueue("three").put("hi");
      await using past = new Connection(second!.url);
      expect((await past.simpleQueue("three").get({ timeoutMs: MOVE_MS })).payload).toBe("hi");
    });

    it("a connection to nowhere but dead places fails by its deadline", async () => {
      await using connection = new Connection([nowhere, nowhere]);
      const started = performance.now();
      const publish = connection
        .producer({ routingKey: "q" })
        .publish("hi", { retryPolicy: { timeoutMs: 500 } });
      // The latter when the time was up during an attempt.
      await expect(publish).rejects.toMatchObject({
        code: expect.stringMatching(/^(?:unavailable|timeout)$/),
      });
      await expect(connection.connect()).rejects.toMatchObject({ code: "unavailable" });
      expect(performance.now() - started).toBeLessThan(MOVE_MS);
    });

    it(
      "producer and consumer go on at the second when the first is killed, and what was held is lost",
      async () => {
        await using connection = new Connection([first!.url, second!.url]);
        const queue = new Queue("moving");
        const seen: unknown[] = [];
        const stop = new AbortController();
        let held: Message | undefined;
        const handler = async (message: Message) => {
          seen.push(message.payload);
          if (message.payload !== "held") return;
          held = message;
          await new Promise((resolve) => message.signal.addEventListener("abort", resolve));
        };
        const running = connection.consumer(queue, { prefetchCount: 5 }).run(handler, {
          ...{ signal: stop.signal, concurrency: 3, onError: () => {} },
        });
        const producer = connection.producer({ routingKey: queue.name });
        const publish = (body: unknown) => producer.publish(body, { declare: [queue], retry: true });
        await publish("before");
        await publish("held");
        await until(() => seen.length === 2);
        await first!.end();
        await Promise.all([publish("after"), publish("too")]);
        await until(() => seen.includes("after") && seen.includes("too"));
        expect(connection.info().uri).toBe(new Connection(second!.url).asUri());
        expect(isLeaseLost(held?.signal.reason)).toBe(true);
        await expect(held?.ack()).rejects.toSatisfy(isLeaseLost);
        if (first!.comeBack !== undefined) {
          await first!.comeBack();
          await second!.end();
          await publish("back");
          await until(() => seen.includes("back"));
        }
        stop.abort();
        await running;
      },
      START_MS,
    );
  });
}
