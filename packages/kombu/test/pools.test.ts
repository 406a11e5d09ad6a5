import { manualClock } from "@pullqueue/core";
import {
  Connection,
  insured,
  isClosed,
  KombuError,
  Pools,
  ProducerPool,
  Queue,
  SerializerRegistry,
} from "@pullqueue/kombu";
import { describe, expect, test } from "vitest";
import { storeWith } from "./support.js";

describe("connection.pool()", () => {
  test("pool() gives connections to the same place, and uses them again", async () => {
    await using connection = new Connection("memory://pooled");
    await connection.simpleQueue("q").put("hi");
    await using pool = connection.pool({ limit: 1 });
    const first = await pool.acquire();
    expect(first.resource).not.toBe(connection);
    expect((await first.resource.simpleQueue("q").getNowait()).payload).toBe("hi");
    await expect(pool.acquire({ timeoutMs: 0 })).rejects.toMatchObject({ code: "resource_exhausted" });
    await first.release();
    expect((await pool.acquire()).resource).toBe(first.resource);
    await pool.forceCloseAll();
    expect(first.resource.connected).toBe(false);
  });

  test("a pooled connection whose user closed it, or found it broken, is not given to another", async () => {
    await using pool = new Connection("memory://broken").pool({ limit: 1 });
    const seen = new Set<Connection>();
    await pool.use(async (connection) => {
      seen.add(connection);
      await connection.close();
    });
    const broken = new KombuError("unavailable", "the broker went away");
    const failing = pool.use(async (connection) => {
      seen.add(connection);
      await connection.channel();
      throw broken;
    });
    await expect(failing).rejects.toBe(broken);
    expect([...seen].map(({ connected }) => connected)).toEqual([false, false]);
    await pool.use((connection) => void seen.add(connection));
    expect(seen.size).toBe(3);
  });

  test("a replaced connection gives back what its user held", async () => {
    const { connect } = storeWith();
    await using watcher = connect();
    await watcher.simpleQueue("q").put("held");
    await using pool = watcher.pool({ limit: 1 });
    const held = await pool.acquire();
    await held.resource.simpleQueue("q").getNowait();
    expect(await watcher.simpleQueue("q").qsize()).toBe(0);
    await held.replace();
    expect((await watcher.simpleQueue("q").getNowait()).payload).toBe("held");
  });

  test("channelPool() pools channels of one connection, and ends with it", async () => {
    const connection = new Connection("memory://channels");
    const pool = connection.channelPool({ limit: 2 });
    const [one, two] = [await pool.acquire(), await pool.acquire()];
    expect(one.resource).not.toBe(two.resource);
    await new Queue("q").bind(one.resource).declare();
    await one.release();
    await connection.close();
    await expect(pool.acquire()).rejects.toSatisfy(isClosed);
    await two.release();
    await pool.close();
    expect(pool.size).toBe(0);
  });
});

describe("ProducerPool", () => {
  test("producers take turns on the connections of the pool, and nobody waits for two things", async () => {
    await using connection = new Connection("memory://producers");
    await connection.channel();
    await using connections = connection.pool({ limit: 2 });
    const producers = new ProducerPool(connections);
    const publish = (body: number) =>
      producers.use((producer) => producer.publish(body), { producer: { routingKey: "q" } });
    await Promise.all(Array.from({ length: 20 }, (_, body) => publish(body)));
    expect([connections.size, connections.inUse]).toEqual([2, 0]);
    expect(await connection.simpleQueue("q").qsize()).toBe(20);
    await using held = await producers.acquire({ producer: { routingKey: "q" } });
    await held.resource.publish(20);
    expect(connections.inUse).toBe(1);
    await expect(producers.acquire({ producer: { routingKey: 1 as never } })).rejects.toThrow(/routingKey/);
    expect(connections.inUse).toBe(1);
  });
});

describe("insured()", () => {
  test("insured() does work again on a pooled connection after errors that may pass, and gives it back", async () => {
    await using pool = new Connection("memory://insured").pool({ limit: 1 });
    let tries = 0;
    const work = async (connection: Connection) => {
      tries += 1;
      if (tries === 1) throw new KombuError("unavailable", "just restarting");
      return await connection.producer({ routingKey: "q" }).publish("hi");
    };
    expect((await insured(pool, work, { intervalStartMs: 0 })).queues).toEqual(["q"]);
    expect([tries, pool.inUse]).toEqual([2, 0]);
    const mistake = new Error("the work's own");
    await expect(insured(pool, () => Promise.reject(mistake))).rejects.toBe(mistake);
    expect(pool.inUse).toBe(0);
  });
});

describe("connection.isLike()", () => {
  const like = (one: Connection, two: Connection) => one.isLike(two) && two.isLike(one);
  const amqp = (query: string, password = "secret") =>
    new Connection(`amqp://me:${password}@broker/shop${query}`);

  test("isLike() compares places, options and secrets", () => {
    expect(like(amqp(""), amqp(""))).toBe(true);
    expect(like(amqp(""), amqp("?heartbeat=5"))).toBe(false);
    expect(like(amqp(""), amqp("", "other"))).toBe(false);
    expect(like(new Connection("memory://a"), new Connection("memory://b"))).toBe(false);
    const redis = (...prioritySteps: number[]) =>
      new Connection({ transport: "redis", transportOptions: { prioritySteps } });
    expect(like(redis(0, 5), redis(0, 5))).toBe(true);
    expect(like(redis(0, 5), redis(0, 6))).toBe(false);
  });

  test("isLike() takes the program's own objects for what they are", () => {
    const transport = async () => Promise.reject(new Error("not opened"));
    expect(like(new Connection({ transport }), new Connection({ transport }))).toBe(true);
    expect(like(new Connection({ transport }), new Connection({ transport: async () => transport() }))).toBe(
      false,
    );
    const [clock, serializers] = [manualClock(), new SerializerRegistry()];
    const one = new Connection("memory://x", { clock, serializers });
    expect(like(one, new Connection("memory://x", { clock, serializers }))).toBe(true);
    expect(like(one, new Connection("memory://x", { clock }))).toBe(false);
    expect(like(one, new Connection("memory://x", { serializers }))).toBe(false);
    expect(like(new Connection("memory://x"), new Connection("memory://x").clone())).toBe(false);
    const original = new Connection("memory://x");
    expect(like(original, original.clone())).toBe(true);
  });
});

describe("Pools", () => {
  test("connections that are alike share a pool, others do not", async () => {
    await using pools = new Pools();
    const pool = pools.connections(new Connection("memory://one"));
    expect(pools.connections(new Connection("memory://one"))).toBe(pool);
    expect(pools.connections(new Connection("memory://one?lease_secs=120"))).not.toBe(pool);
    expect(pools.producers(new Connection("memory://one")).connections).toBe(pool);
    expect(pool.limit).toBe(10);
    await using others = new Pools();
    expect(others.connections(new Connection("memory://one"))).not.toBe(pool);
  });

  test("setLimit() changes all pools, present and future", async () => {
    await using pools = new Pools({ limit: 2 });
    const [one, two] = ["one", "two"].map((name) => pools.connections(new Connection(`memory://${name}`)));
    const held = [await two!.acquire(), await two!.acquire()];
    await expect(pools.setLimit(1)).rejects.toMatchObject({ code: "precondition_failed" });
    await pools.setLimit(1, { force: true });
    expect([one!.limit, two!.limit, pools.connections(new Connection("memory://three")).limit]).toEqual([
      1, 1, 1,
    ]);
    for (const one of held) await one.release();
    await pools.setLimit(0);
    expect([pools.limit, one!.limit]).toEqual([0, undefined]);
  });

  test("reset() closes all connections and makes new pools; close() ends all of it", async () => {
    const pools = new Pools();
    const connection = new Connection("memory://reset");
    const pool = pools.connections(connection);
    const held = await pool.acquire();
    await held.resource.channel();
    await pools.reset();
    expect(held.resource.connected).toBe(false);
    await expect(pool.acquire()).rejects.toSatisfy(isClosed);
    const next = pools.connections(connection);
    expect(next).not.toBe(pool);
    await pools.close();
    await expect(next.acquire()).rejects.toSatisfy(isClosed);
    expect(() => pools.connections(connection)).toThrow(/closed/);
  });
});
