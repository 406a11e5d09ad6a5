import { Connection, Queue, type RedisOptions } from "@pullqueue/kombu";
import { isMissing } from "@pullqueue/testing";
import { describe, expect, it, onTestFinished, vi } from "vitest";
import { useRedis } from "./redis-support.js";

describe.skipIf(isMissing("redis-server"))("the redis transport, when the server hangs", () => {
  const under = useRedis();
  /** With the system's clock, which is compared with the server's. */
  function connect(options: RedisOptions) {
    const { port } = under.instance;
    const connection = new Connection({
      transport: "redis",
      transportOptions: { host: "127.0.0.1", port, ...options },
    });
    onTestFinished(() => connection.close());
    return connection;
  }

  /** Two messages, of which the first was taken and acknowledged, so that everything is warm. */
  async function started(socketTimeoutMs: number) {
    const connection = connect({ socketTimeoutMs });
    const simple = connection.simpleQueue("q");
    await simple.put("first");
    await simple.put("second");
    await (await simple.get()).ack();
    return { connection, simple };
  }
  const lengths = async () => [await under.admin.llen("q"), await under.admin.exists("unacked")];

  it("get() that gave up leaves the message for the next, whether its answer came late", async () => {
    const { simple } = await started(10_000);
    under.instance.pause();
    await expect(simple.get({ timeoutMs: 100 })).rejects.toMatchObject({
      code: "unavailable",
      message: expect.stringContaining("did not answer within 1500 ms"),
    });
    under.instance.resume();
    await vi.waitFor(async () => expect(await lengths()).toEqual([1, 0]), { timeout: 10_000 });
    expect(await simple.get({ timeoutMs: 10_000 })).toMatchObject({ payload: "second" });
  });

  it("get() that gave up leaves the message for the next, or never came", async () => {
    const { simple } = await started(300);
    under.instance.pause();
    await expect(simple.get({ timeoutMs: 100 })).rejects.toMatchObject({ code: "unavailable" });
    under.instance.resume();
    await vi.waitFor(async () => expect(await lengths()).toEqual([1, 0]), { timeout: 10_000 });
    expect(await simple.get({ timeoutMs: 10_000 })).toMatchObject({ payload: "second" });
  });

  it("takes nothing for a connection that was closed before the server went on", async () => {
    const { connection, simple } = await started(300);
    under.instance.pause();
    await expect(simple.get({ timeoutMs: 100 })).rejects.toMatchObject({ code: "unavailable" });
    await connection.close();
    under.instance.resume();
    await vi.waitFor(async () => expect(await under.admin.ping()).toBe("PONG"));
    expect(await lengths()).toEqual([1, 0]);
  });

  it("an event loop that was blocked does not take the server for gone", async () => {
    const connection = connect({ socketTimeoutMs: 200, leaseRenewal: "loop" });
    const producer = connection.producer({ routingKey: "q" });
    await producer.publish(1, { declare: [new Queue("q")] });
    const clients = async () => String(await under.admin.client("LIST")).match(/^id=\d+/gm);
    const before = await clients();
    const publishing = producer.publish(2);
    await new Promise(setImmediate);
    const untilMs = performance.now() + 1_000;
    while (performance.now() < untilMs); // Blocks for longer than a command may take.
    await publishing;
    expect(await clients()).toEqual(before);
  });
});
