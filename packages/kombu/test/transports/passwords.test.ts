import { systemClock } from "@pullqueue/core";
import { Connection, type ConnectionOptions, type PasswordFunction } from "@pullqueue/kombu";
import { isMissing } from "@pullqueue/testing";
import { startRabbitmqInstance } from "@pullqueue/testing/rabbitmq-instance";
import { startRedisInstance } from "@pullqueue/testing/redis-instance";
import { afterAll, beforeAll, describe, expect, it } from "vitest";

/** A broker whose one password changes, which ends the connections that came in with the old one. */
interface Broker {
  readonly port: number;
  change(password: string): Promise<void>;
  dispose(): PromiseLike<void>;
}

/** RabbitMQ starts in about six seconds on an idle machine, and each word to it in one or two. */
const RABBITMQ_MS = 240_000;

const PATIENCE_MS = 20_000;

async function startRedis(password: string): Promise<Broker> {
  const redis = await startRedisInstance({ settings: { requirepass: password } });
  let current = password;
  return {
    port: redis.port,
    change: async (next) => {
      await redis.cli("--no-auth-warning", "-a", current, "CONFIG", "SET", "requirepass", next);
      current = next;
      await redis.cli("--no-auth-warning", "-a", current, "CLIENT", "KILL", "TYPE", "normal");
      await redis.cli("--no-auth-warning", "-a", current, "CLIENT", "KILL", "TYPE", "pubsub");
    },
    dispose: () => redis[Symbol.asyncDispose](),
  };
}

async function startRabbitmq(password: string): Promise<Broker> {
  const rabbitmq = await startRabbitmqInstance();
  await rabbitmq.control("change_password", "guest", password);
  return {
    port: rabbitmq.port,
    change: async (next) => {
      await rabbitmq.control("change_password", "guest", next);
      await rabbitmq.control("close_all_user_connections", "guest", "the password has changed");
    },
    dispose: () => rabbitmq[Symbol.asyncDispose](),
  };
}

describe.each([
  { transport: "redis", service: "redis-server", start: startRedis },
  { transport: "amqp", service: "rabbitmq-programs", start: startRabbitmq },
] as const)("a function as password of $transport", ({ transport, service, start }) => {
  let broker: Broker | undefined;

  beforeAll(async () => {
    if (!isMissing(service)) broker = await start("first");
  }, RABBITMQ_MS);
  afterAll(() => broker?.dispose(), RABBITMQ_MS);

  const connect = (password: PasswordFunction, more: object = {}) => {
    const transportOptions = { host: "127.0.0.1", port: broker!.port, password, ...more };
    return new Connection({ transport, transportOptions, clock: systemClock() } as ConnectionOptions);
  };

  it.skipIf(isMissing(service))(
    "is asked again for each connection, so that a password may change",
    async () => {
      let current = "first";
      const given: string[] = [];
      await using connection = connect(async () => {
        given.push(current);
        return current;
      });
      const queue = connection.simpleQueue("q");
      await queue.put("before", { timeoutMs: PATIENCE_MS });
      const asked = given.length;
      expect(given.every((password) => password === "first")).toBe(true);

      current = "second";
      await broker!.change("second");
      await queue.put("after", { timeoutMs: PATIENCE_MS, retry: true });
      expect(given.slice(asked)).toContain("second");
      for (const expected of ["before", "after"]) {
        const message = await queue.get({ timeoutMs: PATIENCE_MS });
        expect(message.payload).toBe(expected);
        await message.ack();
      }
      await broker!.change("first");
    },
    RABBITMQ_MS,
  );

  it.skipIf(isMissing(service))("that fails or gives no text is told, and what it gave is not", async () => {
    await using failing = connect(() => Promise.reject(new Error("the vault is sealed")));
    await expect(failing.connect()).rejects.toMatchObject({
      code: "unavailable",
      message: expect.stringContaining("the function password failed"),
    });
    await using odd = connect((() => 4711) as unknown as PasswordFunction);
    const error: Error = await odd.connect().then(
      () => new Error("no error"),
      (reason) => reason,
    );
    expect(error).toMatchObject({ code: "unauthenticated" });
    expect(error.message).not.toContain("4711");
    await using slow = connect(() => new Promise(() => {}), { connectTimeoutMs: 100 });
    await expect(slow.connect()).rejects.toMatchObject({ message: expect.stringContaining("within 100 ms") });
  });

  it.skipIf(isMissing(service))(
    "ends with the connection that waits for it, and stands in no URL",
    async () => {
      let signal: AbortSignal | undefined;
      const connection = connect((request) => {
        signal = request.signal;
        return new Promise(() => {});
      });
      expect(connection.asUri()).toContain("**@");
      expect(connection.asUri({ includePassword: true })).not.toContain("function");
      const opening = expect(connection.connect()).rejects.toMatchObject({ code: "closed" });
      await expect.poll(() => signal).toBeDefined();
      await connection.close();
      await opening;
      expect(signal?.aborted).toBe(true);
    },
  );
});
