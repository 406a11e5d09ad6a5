import { fileURLToPath } from "node:url";
import { Broadcast, Connection, Exchange, Worker } from "@pullqueue/kombu";
import { isMissing, startChild } from "@pullqueue/testing";
import { startRabbitmqInstance } from "@pullqueue/testing/rabbitmq-instance";
import { startRedisInstance } from "@pullqueue/testing/redis-instance";
import { describe, expect, it } from "vitest";

const SCRIPT = fileURLToPath(new URL("./python/broadcast.py", import.meta.url));

/** How long Python may take for a step, in milliseconds. */
const PYTHON_MS = 20_000;

/** RabbitMQ starts in about six seconds on an idle machine. */
const BROKER_MS = 180_000;

const isLeftOut = {
  Redis: isMissing("redis-server") || isMissing("python3-redis"),
  RabbitMQ: isMissing("rabbitmq-programs") || isMissing("python3-kombu"),
};

for (const [name, start] of [
  ["Redis", startRedisInstance],
  ["RabbitMQ", startRabbitmqInstance],
] as const) {
  describe.skipIf(isLeftOut[name])(`Broadcast beside Python's on ${name}`, () => {
    it(
      "each program has a copy of what either publishes",
      async () => {
        await using broker = await start();
        await using connection = new Connection(broker.url);
        const bodies: unknown[] = [];
        let setReady = () => {};
        const ready = new Promise<void>((resolve) => {
          setReady = resolve;
        });
        class Listener extends Worker {
          override onConsumeReady(): void {
            setReady();
          }
        }
        const handler = ({ payload }: { payload: unknown }) => void bodies.push(payload);
        await using worker = new Listener(connection, { queues: new Broadcast("news"), handler });
        const running = worker.run();
        await ready;
        await using python = startChild("/usr/bin/python3", [SCRIPT, broker.url, "news"]);
        await python.line(/^ready bcast\.[0-9a-f-]{36}$/, PYTHON_MS);

        python.write("from-python");
        await python.line(/^got from-python$/, PYTHON_MS);
        await expect.poll(() => bodies, { timeout: PYTHON_MS }).toEqual(["from-python"]);
        await connection
          .producer({ exchange: new Exchange("news", "fanout"), serializer: "json" })
          .publish("from here");
        await python.line(/^got from here$/, PYTHON_MS);
        await expect.poll(() => bodies, { timeout: PYTHON_MS }).toEqual(["from-python", "from here"]);
        await worker.stop();
        await running;
      },
      BROKER_MS,
    );
  });
}
