import { Connection, Queue, Worker } from "@pullqueue/kombu";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { type Child, startChild } from "../src/child.js";
import { programPath } from "../src/program-path.js";
import { startRabbitmqInstance } from "../src/rabbitmq-instance.js";
import { startRedisInstance } from "../src/redis-instance.js";
import { startServerProcess } from "../src/server-process.js";
import { isMissing, type ServiceName } from "../src/services.js";
import { temporaryFolder } from "../src/temp.js";

/** How long a process may take for a step, in milliseconds: Node, its modules, a broker, on a busy machine. */
const STEP_MS = 30_000;

/** RabbitMQ starts in about six seconds on an idle machine. */
const BROKER_MS = 180_000;

/** A broker of a test's own. */
interface Broker extends AsyncDisposable {
  readonly url: string;
  /** Stops it and starts it again, its address and messages being the same. */
  restart(): Promise<void>;
  /** How many messages of a queue somebody holds, when none is there for others. */
  held(queue: string): Promise<number>;
}

async function server(): Promise<Broker> {
  const folder = temporaryFolder();
  const store = `sqlite:${folder.file("queue.db")}`;
  let process = await startServerProcess({ store });
  const { host, port } = new URL(process.url);
  return {
    url: `appengine://${host}/my_project`,
    restart: async () => {
      await process.stop();
      process = await startServerProcess({ store, port: Number(port) });
    },
    held: async (queue) => {
      const path = `/taskqueue/v1beta2/projects/my_project/taskqueues/${queue}?getStats=true`;
      const answer = await fetch(`${process.url}${path}`);
      const { stats } = (await answer.json()) as { stats: { totalTasks: string | number } };
      return Number(stats.totalTasks);
    },
    [Symbol.asyncDispose]: async () => {
      await process.stop();
      folder[Symbol.dispose]();
    },
  };
}

async function redis(): Promise<Broker> {
  const instance = await startRedisInstance();
  return {
    url: instance.url,
    restart: async () => {
      await instance.stop();
      await instance.start();
    },
    held: async () => Number((await instance.cli("HLEN", "unacked")).replace(/\D/g, "")),
    [Symbol.asyncDispose]: () => instance[Symbol.asyncDispose](),
  };
}

async function rabbitmq(): Promise<Broker> {
  const instance = await startRabbitmqInstance();
  return {
    url: instance.url,
    restart: async () => {
      await instance.stop();
      await instance.start();
    },
    held: async (queue) => {
      const columns = ["name", "messages_unacknowledged"];
      const listed = await instance.control("list_queues", "--no-table-headers", ...columns);
      return Number(new RegExp(`^${queue}\\s+(\\d+)$`, "m").exec(listed)?.[1]);
    },
    [Symbol.asyncDispose]: () => instance[Symbol.asyncDispose](),
  };
}

const BROKERS: readonly [string, ServiceName | undefined, () => Promise<Broker>][] = [
  ["a server with SQLite", undefined, server],
  ["Redis", "redis-server", redis],
  ["RabbitMQ", "rabbitmq-programs", rabbitmq],
];

const children: Child[] = [];

afterEach(async () => {
  await Promise.all(children.splice(0).map((child) => child.stop()));
});

/** Starts a worker, and writes down what it says. */
function startWorker(
  broker: Broker,
  queue: string,
  settings: { concurrency: number; graceMs: number; endMs: number },
) {
  const lines: string[] = [];
  const numbers = [settings.concurrency, settings.graceMs, settings.endMs].map(String);
  const child = startChild(
    process.execPath,
    [programPath("graceful-worker"), broker.url, queue, ...numbers],
    { onLine: (line) => lines.push(line) },
  );
  children.push(child);
  const bodies = (word: string) =>
    lines.flatMap((line) => new RegExp(`^${word} (.*)$`).exec(line)?.[1] ?? []);
  return { child, lines, bodies };
}

async function publish(broker: Broker, queue: string, bodies: readonly string[]): Promise<void> {
  await using connection = new Connection(broker.url);
  await new Queue(queue).bind(await connection.channel()).declare();
  const producer = connection.producer({ routingKey: queue });
  for (const body of bodies) await producer.publish(body);
}

const isTold = expect.poll; // The lines of a process come when they come.

describe.each(BROKERS.filter(([, service]) => service === undefined || !isMissing(service)))(
  "worker processes on %s",
  (_name, _service, start) => {
    let broker: Broker;
    beforeAll(async () => {
      broker = await start();
    }, BROKER_MS);
    afterAll(async () => broker[Symbol.asyncDispose](), BROKER_MS);

    test("SIGTERM lets running handlers finish, a second process gets the rest at once, and nothing is done twice", async () => {
      const bodies = Array.from({ length: 12 }, (_, index) => String(index));
      await publish(broker, "shared", bodies);
      const settings = { concurrency: 3, graceMs: 60_000, endMs: 1_000 };
      const first = startWorker(broker, "shared", settings);
      await isTold(() => first.bodies("started").length, { timeout: STEP_MS }).toBe(3);
      first.child.signal("SIGTERM");

      const second = startWorker(broker, "shared", settings);
      second.child.write("go");
      await isTold(() => second.bodies("done").length, { timeout: STEP_MS }).toBe(9);
      expect(first.bodies("done")).toEqual([]);

      first.child.write("go");
      expect(await first.child.exited(STEP_MS)).toEqual({ code: 0, signal: null });
      expect(first.lines.at(-1)).toBe("stopped");
      second.child.signal("SIGTERM");
      expect(await second.child.exited(STEP_MS)).toEqual({ code: 0, signal: null });
      const done = [...first.bodies("done"), ...second.bodies("done")];
      expect(done.toSorted((a, b) => Number(a) - Number(b))).toEqual(bodies);
      expect([first.child.stderr(), second.child.stderr()]).toEqual(["", ""]);
      expect(await broker.held("shared")).toBe(0);
    });

    test("a handler that does not end is left behind, and its message is had by others at once", async () => {
      await publish(broker, "left", ["endless"]);
      const worker = startWorker(broker, "left", { concurrency: 1, graceMs: 50, endMs: 50 });
      await worker.child.line(/^started endless$/, STEP_MS);
      worker.child.signal("SIGTERM");
      expect(await worker.child.exited(STEP_MS)).toEqual({ code: 0, signal: null });
      expect(worker.bodies("done")).toEqual([]);
      await using connection = new Connection(broker.url);
      const message = await connection.simpleQueue(new Queue("left")).getNowait();
      expect(message.payload).toBe("endless");
      await message.ack();
      expect(await broker.held("left")).toBe(0);
    });

    test("a worker works on after its broker was restarted", async () => {
      await publish(broker, "kept", ["before"]);
      await using connection = new Connection(broker.url);
      const bodies: unknown[] = [];
      await using worker = new Worker(connection, {
        queues: new Queue("kept"),
        handler: ({ payload }) => void bodies.push(payload),
        onError: () => {},
      });
      const running = worker.run();
      await isTold(() => bodies, { timeout: STEP_MS }).toEqual(["before"]);
      await broker.restart();
      await publish(broker, "kept", ["after"]);
      await isTold(() => bodies, { timeout: STEP_MS }).toEqual(["before", "after"]);
      await worker.stop();
      await running;
      expect(await broker.held("kept")).toBe(0);
    });
  },
  BROKER_MS,
);
