import { Connection, Exchange, isKombuError, Queue } from "@pullqueue/kombu";
import { loadConfig, startServer } from "@pullqueue/server";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { temporarySchema } from "../src/postgres-schema.js";
import { startRabbitmqInstance } from "../src/rabbitmq-instance.js";
import { startRedisInstance } from "../src/redis-instance.js";
import { isMissing } from "../src/services.js";
import { startTcpProxy, type TcpProxy } from "../src/tcp-proxy.js";
import { temporaryFolder } from "../src/temp.js";

/** Connections on different transports, in one process and under the same names, for every two transports. */

/** How long a broker takes to start, and a test on a busy machine, in milliseconds. */
const [START_MS, TEST_MS] = [120_000, 60_000];

/** A place to connect to; those behind a socket have a door that can be shut. */
interface Place {
  readonly url: string;
  readonly door?: TcpProxy;
}

const closings: (() => PromiseLike<void> | void)[] = [];

/** The same address by way of a door. */
async function behindDoor(address: string): Promise<Place> {
  const url = new URL(address);
  const door = await startTcpProxy(Number(url.port));
  closings.push(() => door[Symbol.asyncDispose]());
  url.port = String(door.port);
  return { url: url.href, door };
}

const STARTERS = {
  memory: async (): Promise<Place> => ({ url: "memory://side-by-side" }),
  async sqlite(): Promise<Place> {
    const folder = temporaryFolder();
    closings.push(() => folder[Symbol.dispose]());
    return { url: `sqlite://${folder.file("queue.db")}` };
  },
  async appengine() {
    const flags = { port: "0", store: "memory:", logLevel: "silent" };
    const server = await startServer(await loadConfig({ flags, env: {} }));
    closings.push(() => server.close());
    return await behindDoor(`appengine://${new URL(server.url).host}/side-by-side`);
  },
  async postgres() {
    const schema = temporarySchema();
    closings.push(() => schema[Symbol.asyncDispose]());
    return await behindDoor(schema.url);
  },
  async redis() {
    const redis = await startRedisInstance();
    closings.push(() => redis[Symbol.asyncDispose]());
    return await behindDoor(redis.url);
  },
  async amqp() {
    const rabbitmq = await startRabbitmqInstance();
    closings.push(() => rabbitmq[Symbol.asyncDispose]());
    return await behindDoor(rabbitmq.url);
  },
} as const;

type Name = keyof typeof STARTERS;

const SERVICES = { postgres: "postgres", redis: "redis-server", amqp: "rabbitmq-programs" } as const;
const names = (Object.keys(STARTERS) as Name[]).filter(
  (name) => !(name in SERVICES && isMissing(SERVICES[name as keyof typeof SERVICES])),
);
const ordered = names.flatMap((one) => names.filter((two) => two !== one).map((two) => [one, two] as const));
const pairs = ordered.filter(([one, two]) => names.indexOf(one) < names.indexOf(two));
const withDoor = ordered.filter(([one]) => one !== "memory" && one !== "sqlite");

const places = new Map<Name, Place>();

beforeAll(async () => {
  await Promise.all(names.map(async (name) => void places.set(name, await STARTERS[name]())));
}, START_MS);
afterAll(async () => {
  for (const close of closings.reverse()) await close();
}, START_MS);

const connect = (name: Name) => new Connection(places.get(name)!.url);

/** Publishes numbers, and takes all that is there. */
async function exchangeNumbers(
  connection: Connection,
  queue: string,
  numbers: readonly number[],
): Promise<unknown[]> {
  const simple = connection.simpleQueue(queue);
  const got: unknown[] = [];
  for (const number of numbers) await simple.put(number);
  for (const _ of numbers) {
    const message = await simple.get({ timeoutMs: 10_000 });
    got.push(message.payload);
    await message.ack();
  }
  return got;
}

describe("two connections on different transports, under the same names", () => {
  test.each(pairs)(
    "%s and %s: each gets its own, and goes on when the other closes",
    async (one, two) => {
      const name = `${one}-${two}`;
      const [first, second] = [connect(one), connect(two)];
      await using _second = second;
      const collect = async (connection: Connection, type: "direct" | "topic") => {
        const exchange = new Exchange(`${name}-exchange`, type);
        const queue = new Queue(name, { exchange, routingKey: type === "topic" ? "a.*" : "a.b" });
        await queue.bind(await connection.channel()).declare();
        const bodies: unknown[] = [];
        const running = connection.consumer(queue).run((message) => void bodies.push(message.payload));
        return { bodies, running, producer: connection.producer({ exchange, routingKey: "a.b" }) };
      };
      const [left, right] = [await collect(first, "topic"), await collect(second, "direct")];
      for (let number = 0; number < 5; number++) {
        await Promise.all([
          left.producer.publish(`${one} ${number}`),
          right.producer.publish(`${two} ${number}`),
        ]);
      }
      const all = (of: Name, count: number) =>
        Array.from({ length: count }, (_, number) => `${of} ${number}`);
      await expect.poll(() => left.bodies.toSorted(), { timeout: 20_000 }).toEqual(all(one, 5));
      await expect.poll(() => right.bodies.toSorted(), { timeout: 20_000 }).toEqual(all(two, 5));
      const ended = expect(left.running).rejects.toMatchObject({ code: "closed" });
      const [, receipt] = await Promise.all([first.close(), right.producer.publish(`${two} 5`)]);
      await ended;
      expect(receipt.queues ?? [name]).toEqual([name]);
      await right.producer.publish(`${two} 6`);
      await expect.poll(() => right.bodies.toSorted(), { timeout: 20_000 }).toEqual(all(two, 7));
      // What is new on it works as well as what was there.
      await (await second.channel()).close();
      await expect(second.drainEvents({ timeoutMs: 0 })).rejects.toMatchObject({ code: "timeout" });
      expect(await exchangeNumbers(second, `${name}-after`, [1, 2])).toEqual([1, 2]);
      const stopped = expect(right.running).rejects.toMatchObject({ code: "closed" });
      await second.close();
      await stopped;
    },
    TEST_MS,
  );

  test.each(withDoor)(
    "%s is away, and %s does not notice; then it is there again",
    async (away, there) => {
      const name = `${away}-away-${there}`;
      await using lost = connect(away);
      await using kept = connect(there);
      expect(await exchangeNumbers(lost, name, [0])).toEqual([0]);
      expect(await exchangeNumbers(kept, name, [0])).toEqual([0]);
      const { door } = places.get(away)!;
      door!.shut();
      try {
        const failing = lost
          .simpleQueue(name)
          .put("lost", { timeoutMs: 500 })
          .catch((error: unknown) => error);
        expect(await exchangeNumbers(kept, name, [1, 2, 3])).toEqual([1, 2, 3]);
        expect(isKombuError(await failing)).toBe(true);
        expect(await exchangeNumbers(kept, name, [4])).toEqual([4]);
      } finally {
        door!.open();
      }
      expect(await exchangeNumbers(lost, name, [5])).toEqual([5]);
    },
    TEST_MS,
  );
});
