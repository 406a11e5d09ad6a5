import { Connection, type Message, Queue, type SimpleQueue } from "@pullqueue/kombu";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { startPostgresInstance } from "../src/postgres-instance.js";
import { startRabbitmqInstance } from "../src/rabbitmq-instance.js";
import { startRedisInstance } from "../src/redis-instance.js";
import { startServerProcess } from "../src/server-process.js";
import { isMissing, type ServiceName } from "../src/services.js";
import { startTcpProxy } from "../src/tcp-proxy.js";

/** Brokers that hang: their sockets are open, and nothing comes from them. Whoever gave a deadline is answered all the same. */

/** A real broker of its own, which can be made to hang. */
interface Broker extends AsyncDisposable {
  readonly url: string;
  freeze(): void;
  thaw(): void;
}

/** RabbitMQ starts in about six seconds on an idle machine. */
const START_MS = 120_000;

/** The deadline that is given, and what may be added to it: a second, and what a busy machine takes. In milliseconds. */
const DEADLINE_MS = 1_000;
const LATE_MS = 1_000 + 2_000;

/** What closing may take when its broker says nothing, with what a busy machine takes. In milliseconds. */
const CLOSE_MS = 2_000 + 2_000;

async function redis(): Promise<Broker> {
  const instance = await startRedisInstance();
  return { ...instance, freeze: instance.pause, thaw: instance.resume };
}

async function amqp(): Promise<Broker> {
  const instance = await startRabbitmqInstance();
  return { ...instance, freeze: instance.pause, thaw: instance.resume };
}

async function appengine(): Promise<Broker> {
  const server = await startServerProcess();
  return {
    // What it leases for somebody who is gone when it goes on comes back when that lease ends.
    url: `appengine+${server.url}/p?leaseMs=5000`,
    freeze: () => server.signal("SIGSTOP"),
    thaw: () => server.signal("SIGCONT"),
    [Symbol.asyncDispose]: async () => void (await server.stop()),
  };
}

/** Many processes, so that its network is what stands still. */
async function postgres(): Promise<Broker> {
  const instance = await startPostgresInstance();
  const proxy = await startTcpProxy(instance.port);
  return {
    url: instance.url.replace(String(instance.port), String(proxy.port)),
    freeze: proxy.freeze,
    thaw: proxy.cut,
    [Symbol.asyncDispose]: async () => {
      await proxy[Symbol.asyncDispose]();
      await instance[Symbol.asyncDispose]();
    },
  };
}

const ROWS: readonly { name: string; open: () => Promise<Broker>; needs?: ServiceName }[] = [
  { name: "redis", open: redis, needs: "redis-server" },
  { name: "amqp", open: amqp, needs: "rabbitmq-programs" },
  { name: "appengine", open: appengine },
  { name: "postgres", open: postgres, needs: "postgres-programs" },
];

for (const { name, open, needs } of ROWS) {
  const isAway = needs !== undefined && isMissing(needs);
  describe.skipIf(isAway)(`${name} that hangs`, { timeout: 60_000 }, () => {
    let broker: Broker;
    let names = 0;
    beforeAll(async () => {
      broker = await open();
    }, START_MS);
    afterAll(async () => {
      broker?.thaw();
      await broker?.[Symbol.asyncDispose]();
    }, START_MS);

    /** A connection in use, with a message in its hands. */
    async function inUse() {
      const warnings: Error[] = [];
      const connection = new Connection(broker.url, { onWarning: (warning) => void warnings.push(warning) });
      const queue = new Queue(`frozen${names++}`);
      const simple: SimpleQueue = connection.simpleQueue(queue);
      await simple.put("held");
      const message: Message = await simple.get({ timeoutMs: 10_000 });
      return { connection, queue, simple, message, warnings };
    }

    test("answers and closes within the time that it was given, and loses nothing", async () => {
      const [getting, waiting, draining, acking, publishing, closing] = await Promise.all(
        Array.from({ length: 6 }, inUse),
      );
      const { connection, queue } = draining!;
      await connection.consumer(queue, { callbacks: [() => {}] }).consume();
      await getting!.simple.put("next");
      const waits = timed(() => waiting!.simple.get({ timeoutMs: 2 * DEADLINE_MS }));
      await new Promise((resolve) => setTimeout(resolve, DEADLINE_MS)); // It is in the middle of waiting.
      broker.freeze();
      const fresh = new Connection(broker.url);
      const opening = new Connection(broker.url);
      const connecting = opening.connect().catch((error: unknown) => error);
      const timeoutMs = DEADLINE_MS;
      const outcomes = await Promise.all([
        waits,
        timed(() => getting!.simple.get({ timeoutMs })),
        timed(() => fresh.simpleQueue("fresh").get({ timeoutMs })),
        timed(() => connection.drainEvents({ timeoutMs })),
        timed(() => acking!.message.ack({ timeoutMs })),
        timed(() => publishing!.simple.put("late", { timeoutMs })),
      ]);
      for (const { error, tookMs } of outcomes) {
        expect(error).toMatchObject({ code: expect.stringMatching(/^(?:unavailable|timeout|empty)$/) });
        expect(tookMs).toBeLessThan(2 * DEADLINE_MS + LATE_MS);
      }
      for (const { tookMs } of outcomes.slice(1)) expect(tookMs).toBeLessThan(DEADLINE_MS + LATE_MS);
      const closes = await Promise.all([
        timed(() => closing!.connection.close()),
        timed(() => fresh.close()),
        timed(() => opening.close()),
      ]);
      for (const { error, tookMs } of closes) {
        expect(error).toBeUndefined();
        expect(tookMs).toBeLessThan(CLOSE_MS);
      }
      expect(closing!.warnings).toMatchObject([
        { code: "unavailable", message: expect.stringContaining("did not answer while") },
      ]);
      expect(await connecting).toMatchObject({ code: "closed" });
      broker.thaw();
      // What the broker may have handed out meanwhile was given back.
      const next = await getting!.simple.get({ timeoutMs: 20_000 });
      expect(["next", "held"]).toContain(next.payload);
      const others = [getting!, waiting!, draining!, acking!, publishing!];
      await Promise.all(others.map((one) => one.connection.close()));
    });
  });
}

/** What came of a call, and when. */
async function timed(
  call: () => Promise<unknown>,
): Promise<{ readonly error: unknown; readonly tookMs: number }> {
  const startMs = performance.now();
  const error = await call().then(
    () => undefined,
    (reason: unknown) => reason,
  );
  return { error, tookMs: performance.now() - startMs };
}
