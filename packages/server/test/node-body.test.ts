import { once } from "node:events";
import { type AddressInfo, connect } from "node:net";
import { text } from "node:stream/consumers";
import { isQueueError } from "@pullqueue/core";
import { expect, onTestFinished, test } from "vitest";
import { readBody } from "../src/body.js";
import { BodyMemory } from "../src/body-memory.js";
import { createHttpServer } from "../src/node-listener.js";

const LIMITS = { headersTimeoutMs: 5000, requestTimeoutMs: 5000, keepAliveMs: 5000, connectionsMax: 10 };
const BYTES_MAX = 1024 * 1024;

/** A server that answers with the bytes it was sent, or with the code of what went wrong. */
async function echo(): Promise<number> {
  const memory = new BodyMemory();
  const handler = async (request: Request) => {
    try {
      return new Response((await readBody(request, BYTES_MAX, memory.share())) as Uint8Array<ArrayBuffer>);
    } catch (error) {
      return new Response(isQueueError(error) ? error.code : "defect", { status: 400 });
    }
  };
  const server = createHttpServer({ handle: handler }, LIMITS);
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return (server.address() as AddressInfo).port;
}

test("a large body comes from its socket byte for byte", async () => {
  const port = await echo();
  const body = Buffer.from(Array.from({ length: BYTES_MAX }, (_, at) => at % 251));
  for (let time = 0; time < 3; time++) {
    const response = await fetch(`http://127.0.0.1:${port}/`, { method: "POST", body });
    expect(Buffer.from(await response.arrayBuffer()).equals(body)).toBe(true);
  }
});

test("whoever sends too much without having said so gets an answer on a connection that goes on", async () => {
  const port = await echo();
  const socket = connect(port, "127.0.0.1");
  const chunk = `10000\r\n${"x".repeat(0x10000)}\r\n`;
  socket.write("POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n");
  for (let sent = 0; sent <= BYTES_MAX; sent += 0x10000) socket.write(chunk);
  const [answer] = (await once(socket, "data")) as [Buffer];
  expect(answer.toString()).toMatch(/^HTTP\/1.1 400 .*too_large/s);
  socket.write("0\r\n\r\n");
  socket.end("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\nConnection: close\r\n\r\nafter");
  expect(await text(socket)).toMatch(/^HTTP\/1.1 200 .*after/s);
});

test("a body that ends early is refused, and harms nobody", async () => {
  const port = await echo();
  const socket = connect(port, "127.0.0.1");
  socket.end(`POST / HTTP/1.1\r\nHost: h\r\nContent-Length: ${BYTES_MAX}\r\n\r\n${"x".repeat(100_000)}`);
  await once(socket.resume(), "close");
  const response = await fetch(`http://127.0.0.1:${port}/`, { method: "POST", body: "still here" });
  expect(await response.text()).toBe("still here");
});
