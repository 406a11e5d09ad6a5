import { once } from "node:events";
import { createServer as createHttpServer } from "node:http";
import { type AddressInfo, createServer, type Server } from "node:net";
import { Connection, Queue } from "@pullqueue/kombu";
import { freePort } from "@pullqueue/testing/free-port";
import { describe, expect, it, onTestFinished } from "vitest";

/** Nobody waits for a connect timeout where the other end has shown that it is something else. In milliseconds, on a busy machine. */
const SOON_MS = 4_000;

async function portOf(server: Server): Promise<number> {
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  onTestFinished(() => void server.close());
  return (server.address() as AddressInfo).port;
}

const http = () => portOf(createHttpServer((_request, response) => response.end("hi")));

/** As RabbitMQ answers what is not AMQP. */
const amqp = () =>
  portOf(
    createServer((socket) => socket.on("error", () => {}).once("data", () => socket.end("AMQP\0\0\t\x01"))),
  );

describe.each([
  ["redis", "an HTTP server", http, (port: number) => `redis://127.0.0.1:${port}`],
  ["redis", "RabbitMQ", amqp, (port: number) => `redis://127.0.0.1:${port}`],
  ["amqp", "an HTTP server", http, (port: number) => `amqp://127.0.0.1:${port}`],
  ["appengine", "RabbitMQ", amqp, (port: number) => `appengine+http://127.0.0.1:${port}/p`],
] as const)("%s at the port of %s", (_transport, _other, start, url) => {
  it("connect() says that something else answers there, and where", async () => {
    const port = await start();
    await using connection = new Connection(url(port));
    const startMs = performance.now();
    await expect(connection.connect()).rejects.toMatchObject({
      code: "invalid_argument",
      message: expect.stringMatching(new RegExp(`127.0.0.1:${port} does not speak .*is this the right port`)),
      cause: expect.any(Error),
    });
    expect(performance.now() - startMs).toBeLessThan(SOON_MS);
  });

  it("run() does not wait for it as for a broker that is away", async () => {
    await using connection = new Connection(url(await start()));
    const running = connection.consumer(new Queue("q")).run(() => {}, { onError: () => {} });
    await expect(running).rejects.toMatchObject({ code: "invalid_argument" });
  });
});

it("connect() to a server that nobody runs is refused at once, also over HTTP", async () => {
  await using connection = new Connection(`appengine+http://127.0.0.1:${await freePort()}/p`);
  const startMs = performance.now();
  await expect(connection.connect()).rejects.toMatchObject({
    code: "unavailable",
    message: expect.stringContaining("ECONNREFUSED"),
  });
  expect(performance.now() - startMs).toBeLessThan(SOON_MS);
});
