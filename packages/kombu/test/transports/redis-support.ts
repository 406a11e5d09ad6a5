import { type Clock, type ManualClock, manualClock, randomFraction } from "@pullqueue/core";
import { Connection, type ConnectionExtras, type RedisOptions, type Transport } from "@pullqueue/kombu";
import { openRedisTransport, redisSettings } from "@pullqueue/kombu/transports/redis";
import {
  type RedisInstance,
  type RedisInstanceOptions,
  startRedisInstance,
} from "@pullqueue/testing/redis-instance";
import { Redis } from "ioredis";
import { afterAll, afterEach, beforeAll, beforeEach } from "vitest";

/** A Redis for the tests of one file, empty before each of them, and what they open on it. */
export interface RedisUnderTest {
  readonly instance: RedisInstance;
  /** Looks into it. */
  readonly admin: Redis;
  readonly clock: ManualClock;
  open(options?: RedisOptions, clock?: Clock): Promise<Transport>;
  connect(options?: RedisOptions, extras?: ConnectionExtras): Connection;
}

/** Starts one before the tests of a file or block, and stops it after them. */
export function useRedis(options: RedisInstanceOptions = {}): RedisUnderTest {
  let instance: RedisInstance;
  let admin: Redis;
  let clock = manualClock();
  const opened: AsyncDisposable[] = [];
  const kept = <T extends AsyncDisposable>(one: T): T => {
    opened.push(one);
    return one;
  };
  beforeAll(async () => {
    instance = await startRedisInstance(options);
    admin = new Redis(instance.port, { retryStrategy: () => 50, maxRetriesPerRequest: null });
    admin.on("error", () => {}); // Of tests that stop it.
  });
  afterAll(async () => {
    admin.disconnect();
    await instance[Symbol.asyncDispose]();
  });
  beforeEach(async () => {
    await instance.start();
    await admin.flushall();
    clock = manualClock();
  });
  afterEach(async () => {
    await Promise.all(opened.splice(0).map((one) => one[Symbol.asyncDispose]()));
  });
  const place = () => ({ host: "127.0.0.1", port: instance.port });
  return {
    get instance() {
      return instance;
    },
    get admin() {
      return admin;
    },
    get clock() {
      return clock;
    },
    open: async (more = {}, own = clock) =>
      kept(
        await openRedisTransport(redisSettings({ ...place(), ...more }), {
          clock: own,
          random: randomFraction,
        }),
      ),
    connect: (more = {}, extras = {}) =>
      kept(
        new Connection(
          { transport: "redis", transportOptions: { ...place(), ...more } },
          { clock, ...extras },
        ),
      ),
  };
}
