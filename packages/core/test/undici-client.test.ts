import { once } from "node:events";
import { createServer } from "node:net";
import { describe, expect, test } from "vitest";
import { manualClock } from "../src/clock.js";
import { undiciClient } from "../src/undici-client.js";
import { deferred } from "./support/deferred.js";
import { startTestServer } from "./support/http-server.js";

const GET = { method: "GET", path: "/x?y=1", timeoutMs: 5_000 };
const text = (body: Uint8Array) => Buffer.from(body).toString();

describe("undiciClient()", () => {
  test("send() carries method, path, headers and body there, and status, headers and body back", async () => {
    await using server = await startTestServer((request, response) => {
      const chunks: Buffer[] = [];
      request.on("data", (chunk) => chunks.push(chunk));
      request.on("end", () => {
        response.writeHead(207, { "X-Kind": "a", "set-cookie": ["b", "c"] });
        response.end(`${request.method} ${request.url} ${request.headers["x-ask"]} ${Buffer.concat(chunks)}`);
      });
    });
    const client = undiciClient({ endpoint: `${server.url}/base/` });
    const answer = await client.send({ ...GET, method: "POST", headers: { "X-Ask": "q" }, body: "é" });
    expect(answer).toMatchObject({ status: 207, headers: { "x-kind": "a", "set-cookie": "b, c" } });
    expect(text(answer.body)).toBe("POST /base/x?y=1 q é");
    await client.close();
  });

  test("send() keeps its connections open for the next request", async () => {
    await using server = await startTestServer((_, response) => void response.end("ok"));
    const client = undiciClient({ endpoint: server.url });
    for (let call = 0; call < 5; call++) await client.send(GET);
    expect(server.connections()).toBeLessThan(5);
    await client.close();
  });

  test("send() lets no waiting request stand before others", async () => {
    const waiting: Array<() => void> = [];
    await using server = await startTestServer((request, response) => {
      if (request.url === "/wait") waiting.push(() => response.end("waited"));
      else response.end("at once");
    });
    const client = undiciClient({ endpoint: server.url, connections: 1, waitingConnections: 2 });
    const waits = [1, 2, 3].map(() => client.send({ ...GET, path: "/wait", waiting: true }));
    expect(text((await client.send(GET)).body)).toBe("at once");
    for (let answered = 0; answered < 3; ) {
      waiting.shift()?.();
      await Promise.race(waits);
      answered += 1;
      await client.send(GET);
    }
    expect((await Promise.all(waits)).map((answer) => text(answer.body))).toEqual(Array(3).fill("waited"));
    await client.close();
  });

  test("send() rejects with unavailable and the endpoint when nobody listens, before anything was sent", async () => {
    const server = await startTestServer(() => undefined);
    await server[Symbol.asyncDispose]();
    const client = undiciClient({ endpoint: server.url });
    let sent = false;
    const call = client.send({ ...GET, onSent: () => (sent = true) });
    await expect(call).rejects.toMatchObject({
      code: "unavailable",
      message: expect.stringContaining(`${server.url} cannot be reached (ECONNREFUSED)`),
    });
    expect(sent).toBe(false);
    await client.close();
  });

  test("send() rejects with unavailable when the connection breaks in the middle of an answer", async () => {
    await using server = await startTestServer((_, response) => {
      response.writeHead(200, { "content-length": "100" });
      response.write("half");
      setImmediate(() => response.destroy());
    });
    const client = undiciClient({ endpoint: server.url });
    let sent = false;
    await expect(client.send({ ...GET, onSent: () => (sent = true) })).rejects.toMatchObject({
      code: "unavailable",
    });
    expect(sent).toBe(true);
    await client.close();
  });

  test("send() rejects with invalid_argument when what answers does not speak HTTP", async () => {
    const server = createServer((socket) => void socket.end("220 smtp ready\r\n")).listen(0, "127.0.0.1");
    await once(server, "listening");
    const { port } = server.address() as { port: number };
    const client = undiciClient({ endpoint: `http://127.0.0.1:${port}` });
    await expect(client.send(GET)).rejects.toMatchObject({ code: "invalid_argument" });
    await client.close();
    server.close();
  });

  test("send() rejects with timeout when time is up, and cuts the connection", async () => {
    const clock = manualClock();
    const asked = deferred<void>();
    const cut = deferred<void>();
    await using server = await startTestServer((request) => {
      request.on("close", () => cut.resolve());
      asked.resolve();
    });
    const client = undiciClient({ endpoint: server.url, clock });
    const call = expect(client.send(GET)).rejects.toMatchObject({ code: "timeout" });
    await asked.promise;
    clock.advance(5_000);
    await call;
    await cut.promise;
    await client.close();
  });

  test("send() rejects with the abort's reason itself: before, while queued, and while the server works", async () => {
    const cut = deferred<void>();
    const asked = deferred<void>();
    await using server = await startTestServer((request) => {
      request.on("close", () => cut.resolve());
      asked.resolve();
    });
    const client = undiciClient({ endpoint: server.url, connections: 1 });
    const reason = { not: "an error" };
    await expect(client.send({ ...GET, signal: AbortSignal.abort(reason) })).rejects.toBe(reason);
    const first = new AbortController();
    const second = new AbortController();
    const working = expect(client.send({ ...GET, signal: first.signal })).rejects.toBe(reason);
    const queued = expect(client.send({ ...GET, signal: second.signal })).rejects.toBe(reason);
    await asked.promise;
    second.abort(reason);
    await queued;
    first.abort(reason);
    await working;
    await cut.promise;
    await client.close();
  });

  test("send() refuses an answer above the limit without reading it all", async () => {
    await using server = await startTestServer((_, response) => {
      const more = () => {
        while (response.write(Buffer.alloc(65_536)));
        response.once("drain", more);
      };
      more();
    });
    const client = undiciClient({ endpoint: server.url, responseBytesMax: 100_000 });
    await expect(client.send(GET)).rejects.toMatchObject({ code: "too_large" });
    await client.close();
  });

  test("close() lets running requests finish, refuses later ones, and may be called twice", async () => {
    const asked = deferred<() => void>();
    await using server = await startTestServer((_, response) => asked.resolve(() => response.end("done")));
    const client = undiciClient({ endpoint: server.url });
    const call = client.send(GET);
    const answer = await asked.promise;
    const closing = client.close();
    expect(client.close()).toBe(closing);
    await expect(client.send(GET)).rejects.toMatchObject({ code: "closed" });
    answer();
    expect((await call).status).toBe(200);
    await closing;
  });

  test.each([
    ["ftp://host", "a URL such as"],
    ["127.0.0.1:8085", "a URL such as"],
    ["http://user:secret@host", "no user or password"],
    ["http://host/?a=b", "without ? and #"],
  ])("undiciClient() refuses the endpoint %s", (endpoint, sentence) => {
    expect(() => undiciClient({ endpoint })).toThrow(sentence);
    expect(() => undiciClient({ endpoint })).not.toThrow("secret");
  });
});
