import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { connect, type Socket } from "node:net";
import { expect, onTestFinished, test } from "vitest";
import { createHttpServer } from "../src/node-listener.js";

const LIMITS = { headersTimeoutMs: 5000, requestTimeoutMs: 5000, keepAliveMs: 5000, connectionsMax: 10 };

/** More than the buffers of both kernels hold. */
const LARGE = "x".repeat(32 * 1024 * 1024);

/** A server that gives everybody the same large answer, and its first connection. */
async function listen(silenceMs: number) {
  const handler = async () => new Response(LARGE);
  const server = createHttpServer({ handle: handler }, { ...LIMITS, silenceMs });
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const accepted = once(server, "connection").then(([socket]) => socket as Socket);
  return { port: (server.address() as AddressInfo).port, accepted };
}

test("createHttpServer() lets go of a client that does not read its answer", async () => {
  const { port, accepted } = await listen(200);
  const socket = connect(port, "127.0.0.1");
  socket.write("GET / HTTP/1.1\r\nHost: h\r\n\r\n");
  const kept = await accepted;
  await once(kept, "close");
  expect(kept.bytesWritten).toBeGreaterThan(0);
  expect(kept.writableFinished).toBe(false);
  socket.destroy();
});

test("createHttpServer() is patient with a client that reads slowly", async () => {
  const { port } = await listen(200);
  const socket = connect(port, "127.0.0.1");
  socket.write("GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n");
  let received = 0;
  for await (const chunk of socket) {
    const before = Math.floor(received / 4_000_000);
    received += (chunk as Buffer).byteLength;
    if (Math.floor(received / 4_000_000) > before) await new Promise((resolve) => setTimeout(resolve, 100));
  }
  expect(received).toBeGreaterThan(LARGE.length);
});
