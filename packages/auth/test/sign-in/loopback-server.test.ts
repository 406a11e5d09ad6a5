import { once } from "node:events";
import { connect, createServer, type Socket } from "node:net";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { systemClock } from "../../src/clock.js";
import { LOOPBACK_CLOSE_MS, LOOPBACK_CONNECTIONS_MAX, LOOPBACK_HEAD_BYTES_MAX } from "../../src/limits.js";
import { type LoopbackServer, startLoopbackServer } from "../../src/sign-in/loopback-server.js";
import { successPage } from "../../src/sign-in/pages.js";
import { manualClock } from "../support/manual-clock.js";

const ADDRESS = { host: "127.0.0.1", port: 0, path: "/back" } as const;
const isAnswer = (parameters: URLSearchParams) => parameters.get("state") === "right";
let server: LoopbackServer;

beforeEach(async () => {
  server = await startLoopbackServer({ addresses: [ADDRESS], isAnswer, clock: systemClock });
});

afterEach(async () => {
  await server.close();
});

/** Sends text as it is, and returns all that comes until the server ends the connection. */
async function send(text: string): Promise<string> {
  const socket = connect(server.address.port, "127.0.0.1");
  const chunks: Buffer[] = [];
  socket.on("data", (chunk) => chunks.push(chunk));
  // A server that refuses may end the connection while we still write.
  socket.on("error", () => {});
  socket.write(text);
  await once(socket, "close");
  return Buffer.concat(chunks).toString();
}

function request(target: string, { method = "GET", host = `127.0.0.1:${server.address.port}` } = {}) {
  return `${method} ${target} HTTP/1.1\r\nHost: ${host}\r\n\r\n`;
}

/** Whether the answer is still waited for, shown by taking it. */
async function expectStillWaiting(): Promise<void> {
  const answered = send(request("/back?state=right&code=c"));
  const { parameters, show } = await server.arrival;
  expect(parameters.get("code")).toBe("c");
  show(successPage("me@example.com"));
  expect(await answered).toMatch(/^HTTP\/1\.1 200 OK\r\n/);
}

describe("startLoopbackServer()", () => {
  test.each([
    ["another path", "/favicon.ico", {}, 404],
    ["a path below", "/back/x?state=right&code=c", {}, 404],
    ["a path that begins with a host", "//evil.example/back?state=right&code=c", {}, 404],
    ["an absolute address", "http://127.0.0.1/back?state=right&code=c", {}, 404],
    ["HEAD", "/back?state=right&code=c", { method: "HEAD" }, 405],
    ["POST", "/back?state=right&code=c", { method: "POST" }, 405],
    ["OPTIONS", "/back?state=right&code=c", { method: "OPTIONS" }, 405],
    ["a foreign host", "/back?state=right&code=c", { host: "evil.example" }, 421],
    ["a host with another port", "/back?state=right&code=c", { host: "127.0.0.1:1" }, 421],
    ["a host without a port", "/back?state=right&code=c", { host: "localhost" }, 421],
    ["an empty host", "/back?state=right&code=c", { host: "" }, 421],
    ["no state", "/back?code=c", {}, 400],
    ["a wrong state", "/back?state=wrong&code=c", {}, 400],
  ])("startLoopbackServer() refuses %s, and goes on waiting", async (_, target, how, status) => {
    const answer = await send(request(target, how));
    expect(answer).toContain(`HTTP/1.1 ${status} `);
    expect(answer).toContain("cache-control: no-store");
    await expectStillWaiting();
  });

  test.each([
    ["garbage", "\x16\x03\x01\x02\x00\x01\x00\r\n\r\n"],
    ["HTTP/1.0 without a host", "GET /back?state=right&code=c HTTP/1.0\r\n\r\n"],
    ["HTTP/1.1 without a host", "GET /back?state=right&code=c HTTP/1.1\r\n\r\n"],
    ["a head without end", `GET /back?${"x".repeat(LOOPBACK_HEAD_BYTES_MAX)}`],
    ["a method of nobody", "BREW /back?state=right HTTP/1.1\r\nHost: x\r\n\r\n"],
    ["a tunnel", "CONNECT 127.0.0.1:80 HTTP/1.1\r\nHost: 127.0.0.1:80\r\n\r\n"],
  ])("startLoopbackServer() is not disturbed by %s", async (_, text) => {
    const answer = await send(text);
    expect(answer).not.toContain("200 OK");
    await expectStillWaiting();
  });

  test("startLoopbackServer() does not wait for a request that does not end", async () => {
    const slow = connect(server.address.port, "127.0.0.1").on("error", () => {});
    slow.write("GET /back?state=right&code=c HTTP/1.1\r\nHost: ");
    await once(slow, "connect");
    await expectStillWaiting();
    const ended = once(slow, "close");
    await server.close();
    await ended;
  });

  test("startLoopbackServer() ends a connection that goes on sending a body", async () => {
    const head = `POST /back HTTP/1.1\r\nHost: localhost:${server.address.port}\r\nContent-Length: 99999999\r\n\r\n`;
    expect(await send(`${head}${"x".repeat(100_000)}`)).toContain("HTTP/1.1 405 ");
    await expectStillWaiting();
  });

  test("startLoopbackServer() answers one request of a connection, not those sent along", async () => {
    const answer = await send(request("/back?state=wrong") + request("/back?state=right&code=stolen"));
    expect(answer.match(/HTTP\/1\.1/g)).toHaveLength(1);
    await expectStillWaiting();
  });

  test("startLoopbackServer() lets the browser in past connections that say nothing", async () => {
    const silent: Socket[] = [];
    for (let count = 0; count < LOOPBACK_CONNECTIONS_MAX * 2; count++) {
      const socket = connect(server.address.port, "127.0.0.1");
      socket.on("error", () => {});
      silent.push(socket);
      await once(socket, "connect");
    }
    await expectStillWaiting();
    for (const socket of silent) socket.destroy();
  });

  test("startLoopbackServer() keeps the connection that waits for its page when others crowd in", async () => {
    const answered = send(request("/back?state=right&code=c"));
    const { show } = await server.arrival;
    const crowd = Array.from({ length: LOOPBACK_CONNECTIONS_MAX + 1 }, () =>
      connect(server.address.port, "127.0.0.1").on("error", () => {}),
    );
    await once(crowd[0]!, "close");
    show(successPage(undefined));
    expect(await answered).toContain("You are signed in");
    for (const socket of crowd) socket.destroy();
  });

  test("startLoopbackServer() gives an answer to one of many that come at once", async () => {
    const many = Array.from({ length: 20 }, () => send(request("/back?state=right&code=c")));
    const { show } = await server.arrival;
    const others = await Promise.all(
      // The first cannot end before its page is shown.
      many.map((answer) => Promise.race([answer, settled(many, 19)])),
    );
    expect(others.filter((answer) => answer?.startsWith("HTTP/1.1 410 "))).toHaveLength(19);
    show(successPage(undefined));
    const all = await Promise.all(many);
    expect(all.filter((answer) => answer.startsWith("HTTP/1.1 200 "))).toHaveLength(1);
  });

  test("startLoopbackServer() calls the redirect used when the answer came another way", async () => {
    server.markUsed();
    expect(await send(request("/back?state=right&code=c"))).toContain("HTTP/1.1 410 ");
  });

  test("startLoopbackServer() counts answers that are not its sign-in's", async () => {
    await send(request("/back?state=wrong"));
    await send(request("/other"));
    expect(server.foreignCount).toBe(1);
  });

  test("startLoopbackServer() takes the first port that is free, on both addresses of localhost", async () => {
    await using taken = createServer().listen(0, "::1");
    await once(taken, "listening");
    const { port } = taken.address() as { port: number };
    const local = { host: "localhost", path: "" } as const;
    const addresses = [
      { ...local, port },
      { ...local, port: 0 },
    ];
    const other = await startLoopbackServer({ addresses, isAnswer, clock: systemClock });
    expect(other.address.port).not.toBe(port);
    for (const host of ["127.0.0.1", "[::1]"]) {
      const answer = await fetch(`http://${host}:${other.address.port}/`);
      expect(answer.status).toBe(400);
    }
    await other.close();
    const refused = startLoopbackServer({ addresses: [{ ...local, port }], isAnswer, clock: systemClock });
    await expect(refused).rejects.toThrow(`port ${port} is taken`);
  });
});

describe("startLoopbackServer()'s close()", () => {
  test("close() ends connections that wait, after the last page or LOOPBACK_CLOSE_MS", async () => {
    const clock = manualClock();
    const other = await startLoopbackServer({ addresses: [ADDRESS], isAnswer, clock });
    const idle = connect(other.address.port, "127.0.0.1");
    await once(idle, "connect");
    const asking = connect(other.address.port, "127.0.0.1");
    asking.write(`GET /back?state=right HTTP/1.1\r\nHost: 127.0.0.1:${other.address.port}\r\n\r\n`);
    await other.arrival;
    const ended = Promise.all([once(idle, "close"), once(asking, "close")]);
    const closed = other.close();
    await clock.waitedOn(LOOPBACK_CLOSE_MS);
    clock.advance(LOOPBACK_CLOSE_MS);
    await closed;
    await ended;
  });

  test("close() lets the last page arrive whole", async () => {
    const answered = send(request("/back?state=right&code=c"));
    const { show } = await server.arrival;
    show(successPage("me@example.com"));
    await server.close();
    expect(await answered).toContain("</html>");
  });
});

/** Resolves with undefined when so many have settled. */
async function settled(promises: readonly Promise<unknown>[], count: number): Promise<undefined> {
  let left = count;
  await new Promise<void>((resolve) => {
    for (const promise of promises) {
      void promise.finally(() => {
        left--;
        if (left === 0) resolve();
      });
    }
  });
}
