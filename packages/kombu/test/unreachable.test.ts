import { Connection, Queue, Worker } from "@pullqueue/kombu";
import { freePort } from "@pullqueue/testing/free-port";
import { beforeAll, describe, expect, it } from "vitest";

/** What is asked of a broker, for half a second. */
const calls: readonly (readonly [string, (connection: Connection) => Promise<unknown>])[] = [
  ["publish()", (c) => c.producer({ routingKey: "q" }).publish("hi", { timeoutMs: 500 })],
  [
    "publish() with retry",
    (c) => c.producer({ routingKey: "q" }).publish("hi", { timeoutMs: 500, retry: true }),
  ],
  ["ensureConnection()", (c) => c.ensureConnection({ timeoutMs: 500 })],
  [
    "ensure()",
    (c) =>
      c.ensure((signal) => new Queue("q").bind(c.defaultChannel).declare({ signal }), { timeoutMs: 500 }),
  ],
  ["call()", (c) => c.rpc("q").call("hi", { timeoutMs: 500 })],
  ["get()", (c) => c.simpleQueue("q").get({ timeoutMs: 0 })],
];

describe.each(["redis", "amqp"])("where nobody listens, with %s", (scheme) => {
  // The client's package is loaded by the first use, which takes longer than these deadlines.
  beforeAll(async () => {
    await using connection = new Connection(`${scheme}://127.0.0.1:${await freePort()}`);
    await expect(connection.connect()).rejects.toThrow("ECONNREFUSED");
  });

  it.concurrent.each(calls)("%s fails at its deadline with an error that says why", async (_name, call) => {
    const port = await freePort();
    await using connection = new Connection(`${scheme}://127.0.0.1:${port}`);
    const outcome = await call(connection).catch((error: unknown) => error);
    expect(outcome).toMatchObject({
      code: expect.stringMatching(/^(?:timeout|unavailable)$/),
      message: expect.stringContaining(`ECONNREFUSED 127.0.0.1:${port}`),
      cause: expect.any(Error),
    });
  });

  it("a worker says so at once, and goes on trying", async () => {
    await using connection = new Connection(`${scheme}://127.0.0.1:${await freePort()}`);
    const worker = new Worker(connection, { queues: new Queue("q"), handler: () => {} });
    const told = new Promise<unknown>((resolve) => {
      worker.onConnectionError = resolve;
    });
    const running = worker.run();
    expect(await told).toMatchObject({
      code: "unavailable",
      message: expect.stringContaining("ECONNREFUSED"),
    });
    await worker.stop();
    await running;
  });
});
