import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { Exchange, type Message, Queue, type QueueOptions, type RunOptions } from "@pullqueue/kombu";
import { isMissing } from "@pullqueue/testing";
import { describe, expect, it, vi } from "vitest";
import { rabbitmqFixture } from "../rabbitmq-fixture.js";

const script = fileURLToPath(new URL("../python/kombu_amqp.py", import.meta.url));

/** How long a Python program may take, in milliseconds. */
const PYTHON_MS = 60_000;

const AT_ONCE: RunOptions = {
  backoff: { initialMs: 0, maxMs: 0, factor: 1, jitter: 0 },
  onError: () => {},
};

describe.skipIf(isMissing("rabbitmq-programs"))("amqp's dead letters", () => {
  const { running, connect, name, declared } = rabbitmqFixture();

  it("attempts of a classic queue are counted in the message, which stays what it was", async () => {
    const connection = connect();
    const exchange = new Exchange(name(), "topic");
    const queue = await declared(connection, { exchange, routingKey: "a.#" });
    await connection
      .producer({ exchange, routingKey: "a.b" })
      .publish({ order: 7 }, { headers: { own: 1 }, expirationMs: 60_000, priority: 3 });
    const seen: unknown[] = [];
    const stop = new AbortController();
    const handler = ({ payload, headers, properties, deliveryInfo, contentType }: Message) => {
      const { attempts, exchange: from, routingKey, redelivered } = deliveryInfo;
      seen.push({ attempts, payload, headers, contentType, from, routingKey, redelivered });
      expect(Number(properties.expiration)).toBeGreaterThan(30_000);
      expect(properties.priority).toBe(3);
      if (seen.length === 3) stop.abort();
      else throw new Error("again");
    };
    await connection.consumer(queue).run(handler, { ...AT_ONCE, attemptsMax: 5, signal: stop.signal });
    const same = {
      ...{ payload: { order: 7 }, headers: { own: 1 }, contentType: "application/json" },
      ...{ from: exchange.name, routingKey: "a.b", redelivered: false },
    };
    expect(seen).toEqual([1, 2, 3].map((attempts) => ({ attempts, ...same })));
  });

  it("a count does not follow the message into another queue", async () => {
    const connection = connect();
    const dead = new Queue(name()).bind(await connection.channel());
    const queue = await declared(connection, { deadLetterQueue: new Queue(dead.name) });
    await connection.producer({ routingKey: queue.name }).publish("poison");
    const stop = new AbortController();
    const run = { ...AT_ONCE, attemptsMax: 3, signal: stop.signal };
    const running = connection.consumer(queue).run(() => Promise.reject(new Error("never")), run);
    const letter = await vi.waitUntil(() => dead.get());
    stop.abort();
    await running;
    expect(letter.deliveryInfo.attempts).toBe(1);
    expect(Object.keys(letter.headers).filter((header) => header.startsWith("x-pullqueue"))).toEqual([]);
    await letter.ack();
  });

  it.skipIf(isMissing("python3-kombu"))(
    "Python reads a dead letter with its headers, ours and the broker's",
    { timeout: PYTHON_MS },
    async () => {
      const connection = connect();
      const dead = await declared(connection);
      const policies: readonly [QueueOptions, object][] = [
        [{}, { deadLetter: { queue: new Queue(dead.name) } }],
        [{ deadLetterQueue: new Queue(dead.name) }, {}],
      ];
      for (const [options, consumer] of policies) {
        const queue = await declared(connection, options);
        await connection
          .producer({ routingKey: queue.name })
          .publish({ order: 7 }, { headers: { own: "kept" }, correlationId: "c" });
        for await (const message of connection.consumer(queue, consumer)) {
          await message.reject();
          break;
        }
        await vi.waitUntil(async () => (await connection.simpleQueue(dead).qsize()) === 1);
        const { status, stdout, stderr } = spawnSync("/usr/bin/python3", [script, running().url, "jobs"], {
          ...{ input: JSON.stringify([{ verb: "read", queue: dead.name }]), encoding: "utf8" },
          timeout: PYTHON_MS,
        });
        expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
        const death = { reason: "rejected", queue: queue.name, count: 1, exchange: "" };
        expect(JSON.parse(stdout)).toMatchObject([
          {
            payload: { order: 7 },
            properties: { correlation_id: "c" },
            headers: {
              own: "kept",
              "x-first-death-queue": queue.name,
              "x-death": [{ ...death, "routing-keys": [queue.name], time: { date: expect.any(Number) } }],
            },
          },
        ]);
      }
    },
  );
});
