import { describe, expect, test } from "vitest";
import { startChild } from "../src/child.js";
import { freePort } from "../src/free-port.js";
import { heapSlope, type LeftBehind } from "../src/left-behind.js";
import { temporarySchema } from "../src/postgres-schema.js";
import { programPath } from "../src/program-path.js";
import { startRabbitmqInstance } from "../src/rabbitmq-instance.js";
import { startRedisInstance } from "../src/redis-instance.js";
import { startServerProcess } from "../src/server-process.js";
import { isMissing } from "../src/services.js";
import { temporaryFolder } from "../src/temp.js";

/**
 * Over ten thousand connections in all, most of them where they are cheap: what leaks above the transports leaks there. The others are
 * as many as take half a minute on a busy machine, which is mostly the start of a thread for each.
 */
const COUNTS = { memory: 9250, sqlite: 150, appengine: 150, redis: 200, postgres: 150, amqp: 150 } as const;

/** Connections that are refused or find nobody, for each transport. */
const REFUSED = 60;

/** How long a program may take, in milliseconds. */
const PATIENCE_MS = 240_000;

/**
 * What the heap may grow by: with each connection (a closure that is kept has more), and at all (code that is compiled late, caches that
 * fill), in bytes. A connection that is kept has several thousand.
 */
const GROWTH = { each: 256, once: 512 * 1024 };

/** Opens and closes connections in a process of their own; `whileThere` looks at the broker before that process ends. */
async function leftBehind(
  parameters: readonly (string | number)[],
  whileThere: () => Promise<void> = async () => {},
): Promise<void> {
  const command = ["--expose-gc", programPath("many-connections"), ...parameters.map(String)];
  await using child = startChild(process.execPath, command);
  const [line] = await child.line(/^\{.*\}$/, PATIENCE_MS);
  const report = JSON.parse(line) as LeftBehind;
  await whileThere();
  child.endInput();
  // Nothing keeps the process alive either.
  expect(await child.exited(10_000)).toEqual({ code: 0, signal: null });
  expect({ listeners: report.listeners, warnings: report.warnings }).toEqual({ listeners: 0, warnings: [] });
  expect(report.after).toEqual(report.before);
  const connections = Number(parameters[0]);
  const allowed = GROWTH.each + GROWTH.once / (connections / 2);
  expect(heapSlope(report, connections), JSON.stringify(report.heapBytes)).toBeLessThan(allowed);
}

describe("thousands of connections, opened, used and closed, leave nothing behind", () => {
  test("on memory", () => leftBehind([COUNTS.memory, "memory://many"]), PATIENCE_MS);

  test(
    "on sqlite",
    async () => {
      using folder = temporaryFolder();
      await leftBehind([COUNTS.sqlite, `sqlite://${folder.file("queue.db")}`]);
    },
    PATIENCE_MS,
  );

  test(
    "on appengine, nor on its server",
    async () => {
      await using server = await startServerProcess();
      const url = `appengine://${server.url.replace("http://", "")}/many`;
      await leftBehind([COUNTS.appengine, url]);
      await leftBehind([REFUSED, "memory://many", `appengine://127.0.0.1:${await freePort()}/many`]);
    },
    PATIENCE_MS,
  );

  test.skipIf(isMissing("postgres"))(
    "on postgres, nor on its server",
    async () => {
      await using schema = temporarySchema();
      await leftBehind([COUNTS.postgres, schema.url], async () => {
        const [sessions] = await schema.sql(
          "SELECT count(*)::int AS count FROM pg_stat_activity WHERE application_name = $1",
          [schema.name],
        );
        expect(sessions).toEqual({ count: 0 });
      });
      const nobody = new URL(schema.url);
      nobody.port = String(await freePort());
      await leftBehind([REFUSED, "memory://many", nobody.href]);
      const stranger = new URL(schema.url);
      stranger.username = "nobody_of_this_name";
      await leftBehind([REFUSED, "memory://many", stranger.href]);
    },
    PATIENCE_MS,
  );

  test.skipIf(isMissing("redis-server"))(
    "on redis, nor on its server",
    async () => {
      await using redis = await startRedisInstance({ settings: { appendfsync: "no" } });
      const others = async () => {
        const clients = (await redis.cli("CLIENT", "LIST"))
          .split("\n")
          .filter((line) => !line.includes("cmd=client"));
        expect(clients).toEqual([]);
      };
      await leftBehind([COUNTS.redis, redis.url], others);
      await leftBehind([REFUSED, "memory://many", `redis://127.0.0.1:${await freePort()}`], others);
      await leftBehind([REFUSED, "memory://many", `redis://me:wrong@127.0.0.1:${redis.port}`], others);
    },
    PATIENCE_MS,
  );

  test.skipIf(isMissing("rabbitmq-programs"))(
    "on amqp, nor on its server",
    async () => {
      await using rabbitmq = await startRabbitmqInstance();
      const others = async () => {
        const [connections, channels] = [
          await rabbitmq.control("list_connections", "pid"),
          await rabbitmq.control("list_channels", "pid"),
        ];
        expect({ connections, channels }).toEqual({ connections: "", channels: "" });
      };
      await leftBehind([COUNTS.amqp, rabbitmq.url], others);
      await leftBehind([REFUSED, "memory://many", `amqp://127.0.0.1:${await freePort()}`]);
      await leftBehind([REFUSED, "memory://many", `amqp://guest:wrong@127.0.0.1:${rabbitmq.port}/`], others);
    },
    PATIENCE_MS,
  );
});

describe("heapSlope()", () => {
  test("heapSlope() is the growth with each connection, once the process is warm", () => {
    const looks = [5_000, 9_000, 10_000, 11_000, 12_000, 13_000];
    const report = { before: {}, after: {}, heapBytes: looks, listeners: 0, warnings: [] };
    expect(heapSlope(report, 600)).toBe(10);
  });
});
