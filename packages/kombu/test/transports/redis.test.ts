import type { RedisOptions } from "@pullqueue/kombu";
import { transportSuite } from "@pullqueue/kombu/conformance";
import { isMissing } from "@pullqueue/testing";
import { brokerOf, LEASE_MS } from "@pullqueue/testing/brokers";
import { type RedisInstance, startRedisInstance } from "@pullqueue/testing/redis-instance";
import { Redis } from "ioredis";
import { afterAll, beforeAll, describe, test } from "vitest";

/** How long what a turned clock fired may take over the sockets, in milliseconds. */
const ROUND_TRIP_MS = 20;

/** Kombu's own defaults but for the lease; and everything that can lie elsewhere lying elsewhere. */
const LAYOUTS = {
  "in kombu's layout": {},
  "with a prefix, steps and a separator of its own": {
    ...{ globalKeyprefix: "app1:", sep: "::", prioritySteps: [0, 5], deliveryCount: true },
    ...{ unackedKey: "held", unackedIndexKey: "held_since", fanoutPrefix: false, urgentFirst: "highest" },
  },
} as const satisfies Readonly<Record<string, RedisOptions>>;

describe.skipIf(isMissing("redis-server"))("the redis transport", () => {
  let redis: RedisInstance;
  let admin: Redis;
  beforeAll(async () => {
    redis = await startRedisInstance({ settings: { appendonly: "no" } });
    admin = new Redis(redis.port);
  });
  afterAll(async () => {
    admin.disconnect();
    await redis[Symbol.asyncDispose]();
  });

  describe.each<[string, RedisOptions]>(Object.entries(LAYOUTS))("%s", (_title, layout) => {
    transportSuite({
      describe,
      test,
      factory: async () => {
        await admin.flushall();
        return brokerOf({
          roundTripMs: ROUND_TRIP_MS,
          target: (options) => ({
            transport: "redis",
            transportOptions: {
              ...{ host: "127.0.0.1", port: redis.port, visibilityTimeoutMs: LEASE_MS, ...layout },
              ...options,
            },
          }),
          takeAway: async () => {
            const { unackedKey = "unacked", globalKeyprefix = "" }: RedisOptions = layout;
            await admin.del(globalKeyprefix + unackedKey);
          },
        });
      },
    });
  });
});
