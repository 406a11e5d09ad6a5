import { systemClock } from "@pullqueue/core";
import { type Connection, Exchange, Queue } from "@pullqueue/kombu";
import { isMissing } from "@pullqueue/testing";
import { describe, expect, it } from "vitest";
import { useRedis } from "./redis-support.js";

/** What consumers may take to go on after the server's return, in milliseconds. */
const REJOIN_MS = 2_000;

describe.skipIf(isMissing("redis-server"))("the redis transport over restarts", () => {
  const under = useRedis();
  const real = { clock: systemClock() };

  /** Consumes until stopped; tells about each payload. */
  function consume(connection: Connection, queue: Queue) {
    const stop = new AbortController();
    const seen: unknown[] = [];
    const waiting: { readonly count: number; readonly tell: () => void }[] = [];
    const running = connection.consumer(queue).run(
      (message) => {
        seen.push(message.payload);
        for (const { count, tell } of waiting) if (seen.length >= count) tell();
      },
      { signal: stop.signal, onError: () => {} },
    );
    const until = (count: number) =>
      new Promise<void>((tell) => {
        if (seen.length >= count) tell();
        waiting.push({ count, tell });
      });
    return {
      seen,
      until,
      end: async () => {
        stop.abort();
        await running;
      },
    };
  }

  it("a consumer that waits goes on within two seconds of the server's return, by itself", async () => {
    const queue = new Queue("q");
    const consumer = consume(under.connect({}, real), queue);
    const producer = under.connect({}, real).producer({ routingKey: "q" });
    await producer.publish(1);
    await consumer.until(1);
    for (const [stop, awayMs] of [
      ["stop", 9_000],
      ["kill9", 500],
    ] as const) {
      await under.instance[stop]();
      await new Promise((resolve) => setTimeout(resolve, awayMs)); // The first is long enough for pauses to grow.
      await under.instance.start();
      const started = performance.now();
      await producer.publish(stop);
      await consumer.until(stop === "stop" ? 2 : 3);
      expect(performance.now() - started).toBeLessThan(REJOIN_MS);
    }
    expect(consumer.seen).toEqual([1, "stop", "kill9"]);
    await consumer.end();
  });

  it("what is published, received and acknowledged over restarts is lost never, and doubled never", async () => {
    const consumer = consume(under.connect({}, real), new Queue("q"));
    const producer = under.connect({}, real).producer({ routingKey: "q" });
    const published: number[] = [];
    let isOver = false;
    const publishing = (async () => {
      for (let number = 0; !isOver; number++) {
        await producer.publish(number);
        published.push(number);
      }
    })();
    for (const stop of ["stop", "kill9", "kill9"] as const) {
      const before = consumer.seen.length;
      await consumer.until(before + 50);
      await under.instance[stop]();
      await under.instance.start();
    }
    isOver = true;
    await publishing;
    await consumer.until(published.length);
    await consumer.end();
    expect(consumer.seen.toSorted((a, b) => Number(a) - Number(b))).toEqual(published);
    expect(await under.admin.exists("q", "unacked", "unacked_index")).toBe(0);
  });

  it("a server that is away at the start is found when it comes", async () => {
    await under.instance.stop();
    const consumer = consume(under.connect({}, real), new Queue("q"));
    const publishing = under.connect({}, real).producer({ routingKey: "q" }).publish("hi");
    await new Promise((resolve) => setTimeout(resolve, 500)); // Both have tried by now.
    await under.instance.start();
    await publishing;
    await consumer.until(1);
    await consumer.end();
  });

  it("a producer fails by its deadline, and says what is wrong; one that does not wait for a message says it at once", async () => {
    await under.instance.stop();
    const connection = under.connect({}, real);
    const started = performance.now();
    const publish = connection.producer({ routingKey: "q" }).publish("hi", { timeoutMs: 300 });
    await expect(publish).rejects.toMatchObject({
      code: "timeout",
      message: expect.stringMatching(
        /^redis:\/\/127.0.0.1.* within 300 ms .* away since 20\d\d-.* \(Redis cannot be reached: .*ECONNREFUSED/,
      ),
      cause: { code: "unavailable" },
    });
    await expect(new Queue("q").bind(await connection.channel()).get()).rejects.toMatchObject({
      code: "unavailable",
      message: expect.stringMatching(/Redis cannot be reached: .*ECONNREFUSED/),
    });
    expect(performance.now() - started).toBeLessThan(2_000);
    await under.instance.start();
  });

  it("nothing burns while the server is away", async () => {
    await under.connect({}, real).channel();
    const consumers = Array.from({ length: 5 }, () => consume(under.connect({}, real), new Queue("q")));
    await under.instance.stop();
    const before = process.cpuUsage();
    await new Promise((resolve) => setTimeout(resolve, 2_000)); // What is measured is this time.
    const { user, system } = process.cpuUsage(before);
    expect((user + system) / 1000).toBeLessThan(300);
    await under.instance.start();
    await Promise.all(consumers.map((consumer) => consumer.end()));
  });

  it("a server that hangs is given up when a command has had its time, and found again", async () => {
    const connection = under.connect({ socketTimeoutMs: 300 }, real);
    const producer = connection.producer({ routingKey: "q" });
    await producer.publish(1);
    under.instance.pause();
    const publishing = producer.publish(2);
    await new Promise((resolve) => setTimeout(resolve, 600)); // Longer than a command may take.
    under.instance.resume();
    await publishing;
    expect(await under.admin.llen("q")).toBe(2);
  });

  it("publishing to a server that hangs ends with its signal and at its deadline, and not with the command's time", async () => {
    const producer = under.connect({}, real).producer({ routingKey: "q" });
    await producer.publish(1);
    under.instance.pause();
    const [started, reason] = [performance.now(), new Error("enough")];
    const controller = new AbortController();
    const aborted = producer.publish(2, { signal: controller.signal });
    const late = producer.publish(3, { timeoutMs: 200 });
    setTimeout(() => controller.abort(reason), 100);
    await expect(aborted).rejects.toBe(reason);
    await expect(late).rejects.toMatchObject({ code: "timeout" });
    expect(performance.now() - started).toBeLessThan(2_000);
    under.instance.resume();
  });

  it("a silent socket is noticed by the health check while nobody asks anything", async () => {
    const connection = under.connect({ socketTimeoutMs: 200, healthCheckIntervalMs: 100 }, real);
    const consumer = consume(connection, new Queue("q"));
    await under.admin.lpush("q", "x");
    await consumer.until(1);
    while ((await under.admin.exists("unacked")) === 1) await new Promise(setImmediate);
    const clients = async () => new Set(await idsOfOthers());
    const before = await clients();
    under.instance.pause();
    await new Promise((resolve) => setTimeout(resolve, 600)); // A check and its time.
    under.instance.resume();
    while ([...(await clients())].some((id) => before.has(id))) await new Promise(setImmediate);
    await under.admin.lpush("q", "y");
    await consumer.until(2);
    await consumer.end();
  });

  it("bindings that the server has lost are there again with the connection", async () => {
    const exchange = new Exchange("e", "topic");
    const connection = under.connect({}, real);
    const channel = await connection.channel();
    await new Queue("kept", { exchange, routingKey: "a.#" }).bind(channel).declare();
    const gone = new Queue("gone", { exchange, routingKey: "a.b" }).bind(channel);
    await gone.declare();
    await gone.delete();
    await under.admin.flushall();
    for (const id of await idsOfOthers()) await under.admin.call("CLIENT", "KILL", "ID", id);
    const { queues } = await connection.producer({ exchange }).publish("hi", { routingKey: "a.b" });
    expect(queues).toEqual(["kept"]);
  });

  it("bound fanout queues hear again after a restart", async () => {
    const exchange = new Exchange("f", "fanout");
    const connection = under.connect({}, real);
    const queue = new Queue("a", { exchange }).bind(await connection.channel());
    await queue.declare();
    await under.instance.stop();
    await under.instance.start();
    const consumer = consume(connection, new Queue("a"));
    const producer = under.connect({}, real).producer({ exchange });
    while ((await producer.publish("hi")).queues?.length === 0) await new Promise(setImmediate);
    await consumer.until(1);
    await consumer.end();
  });

  /** Connections to the server that are not our own look into it. */
  async function idsOfOthers(): Promise<readonly string[]> {
    const own = await under.admin.client("ID");
    const list = String(await under.admin.client("LIST"));
    return [...list.matchAll(/^id=(\d+)/gm)].map(([, id]) => id!).filter((id) => id !== String(own));
  }
});
