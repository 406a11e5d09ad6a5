import { once } from "node:events";
import { mkdtemp, rm, stat, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  BASE_PATH,
  limits,
  manualClock,
  openHttpStore,
  type QueueAdmin,
  type QueueStore,
} from "@pullqueue/core";
import { openMemoryStore } from "@pullqueue/core/stores/memory";
import { afterEach, describe, expect, onTestFinished, test } from "vitest";
import { loadConfig } from "../src/config.js";
import { createLog } from "../src/log.js";
import { type RunningServer, startServer } from "../src/start-server.js";
import { RawSocket } from "./raw-socket.js";

const QUEUE = `${BASE_PATH}p/taskqueues/q`;
const KEY = { project: "p", queue: "q" };
const log = createLog({ level: "silent", format: "json" });

const running: RunningServer[] = [];
afterEach(async () => {
  await Promise.all(running.splice(0).map((server) => server.close()));
});

/** A server on a free port over a memory store that the test can look into. */
async function start(flags: Record<string, unknown> = {}) {
  const store = openMemoryStore();
  const config = await loadConfig({ flags: { port: 0, store: "memory:", ...flags } });
  const server = await startServer(config, { store, log });
  running.push(server);
  return { ...server, store };
}

/** Resolves when this many leases wait in the store, by looking at what it was asked. */
function watchLeases(store: QueueStore & QueueAdmin): {
  readonly waiting: Promise<void>;
  readonly ended: Promise<unknown>;
} {
  let begin: () => void;
  let end: (outcome: unknown) => void;
  const waiting = new Promise<void>((resolve) => {
    begin = resolve;
  });
  const ended = new Promise<unknown>((resolve) => {
    end = resolve;
  });
  const lease = store.lease.bind(store);
  Object.defineProperty(store, "lease", {
    value: (...args: Parameters<QueueStore["lease"]>) => {
      const leased = lease(...args);
      begin();
      leased.then(
        (tasks) => end(tasks),
        (error) => end(error),
      );
      return leased;
    },
  });
  return { waiting, ended };
}

const WAITING_LEASE = `POST ${QUEUE}/tasks/lease?numTasks=1&leaseSecs=600&waitMs=50000 HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\n\r\n`;

async function insert(server: { readonly url: string }): Promise<Response> {
  return fetch(`${server.url}${QUEUE}/tasks`, { method: "POST", body: '{"payloadBase64":"eA=="}' });
}

async function stillAvailable(store: QueueStore & QueueAdmin) {
  return (await store.getQueue(KEY, { stats: true })).stats?.availableTasks;
}

describe("startServer()", () => {
  test("startServer() listens on a free port and says how queues come into being", async () => {
    const server = await start();
    expect(server.url).toBe(`http://127.0.0.1:${server.port}`);
    expect(server.notices).toEqual([expect.stringContaining("come into being on first use")]);
    expect((await insert(server)).status).toBe(200);
  });

  test("startServer() keeps tasks in an SQLite file whose own folder it makes for its user alone", async () => {
    const folder = await mkdtemp(join(tmpdir(), "pullqueue-"));
    onTestFinished(() => rm(folder, { recursive: true }));
    const path = join(folder, ".pullqueue", "queue.db");
    const config = await loadConfig({ flags: { port: 0, store: `sqlite:${path}` } });
    const first = await startServer(config, { log });
    expect((await insert(first)).status).toBe(200);
    await first.close();
    expect((await stat(join(folder, ".pullqueue"))).mode & 0o777).toBe(0o700);
    const second = await startServer(config, { log });
    running.push(second);
    const list = (await (await fetch(`${second.url}${QUEUE}/tasks`)).json()) as { items: unknown[] };
    expect(list.items).toHaveLength(1);
  });

  test("startServer() rejects with a sentence when its port is taken, and closes the store", async () => {
    const other = createServer().listen(0, "127.0.0.1");
    await once(other, "listening");
    onTestFinished(() => void other.close());
    const { port } = other.address() as { port: number };
    const store = openMemoryStore();
    const config = await loadConfig({ flags: { port, store: "memory:" } });
    await expect(startServer(config, { store, log })).rejects.toMatchObject({
      code: "unavailable",
      message: expect.stringContaining("choose another with --port"),
    });
    await expect(store.getQueue(KEY)).rejects.toMatchObject({ code: "closed" });
  });

  test("startServer() with a queue.yaml serves those queues alone and disables those gone from it", async () => {
    const folder = await mkdtemp(join(tmpdir(), "pullqueue-"));
    onTestFinished(() => rm(folder, { recursive: true }));
    const file = join(folder, "queue.yaml");
    const config = { port: 0, store: `sqlite:${join(folder, "q.db")}`, queues: file, project: "s~p" };
    await writeFile(file, "queue:\n- {name: q, mode: pull}\n- {name: old, mode: pull}\n- {name: pushed}\n");
    const first = await startServer(await loadConfig({ flags: config }), { log });
    expect((await insert(first)).status).toBe(200);
    await first.close();
    await writeFile(
      file,
      "queue:\n- name: q\n  mode: pull\n  retry_parameters: {task_retry_limit: 3}\n- {name: pushed}\n",
    );
    const server = await startServer(await loadConfig({ flags: config }), { log });
    running.push(server);
    expect(server.notices.join("\n")).toMatch(
      /2 queues of .* for the project "p".*"old" is not in .* is disabled/s,
    );
    const status = async (path: string, method = "POST", body?: string) =>
      (await fetch(`${server.url}${BASE_PATH}p/taskqueues${path}`, { method, ...(body ? { body } : {}) }))
        .status;
    expect(await status("/unknown/tasks", "POST", '{"payloadBase64":""}')).toBe(404);
    expect(await status("/unknown/tasks/lease?numTasks=1&leaseSecs=1")).toBe(404);
    expect(await status("/old/tasks", "POST", '{"payloadBase64":""}')).toBe(200);
    expect(await status("/old/tasks/lease?numTasks=1&leaseSecs=1")).toBe(404);
    expect(await status("/pushed/tasks/lease?numTasks=1&leaseSecs=1")).toBe(400);
    expect(await status("", "POST", '{"id":"new"}')).toBe(403);
    const queue = await (await fetch(`${server.url}${QUEUE}`)).json();
    expect(queue).toMatchObject({ maxLeases: 3 });
  });

  test("startServer() rejects a bad queue.yaml before it opens anything", async () => {
    const folder = await mkdtemp(join(tmpdir(), "pullqueue-"));
    onTestFinished(() => rm(folder, { recursive: true }));
    const file = join(folder, "queue.yaml");
    const store = `sqlite:${join(folder, "q.db")}`;
    await writeFile(file, "queue:\n- name: q\n  mode: poll\n");
    const bad = await loadConfig({ flags: { port: 0, store, queues: file } });
    await expect(startServer(bad, { log })).rejects.toThrow(/line 3: mode .* got "poll"/);
    await writeFile(file, "queue:\n- {name: q, mode: pull}\n");
    await expect(startServer(bad, { log })).rejects.toThrow(/--project/);
    await expect(stat(join(folder, "q.db"))).rejects.toThrow();
  });
});

describe("close()", () => {
  test("close() answers waiting leases with 503, ends idle connections and is idempotent", async () => {
    const server = await start();
    const { waiting } = watchLeases(server.store);
    const idle = await RawSocket.open(server.port);
    idle.send("GET /healthz HTTP/1.1\r\nHost: h\r\n\r\n");
    await idle.receives(/ok\n/);
    const lease = await RawSocket.open(server.port);
    lease.send(WAITING_LEASE);
    await waiting;
    const closes = [server.close(), server.close()];
    expect(closes[0]).toBe(closes[1]);
    await closes[0];
    expect(await lease.closed).toMatch(
      /^HTTP\/1.1 503 Service Unavailable\r\n.*retry-after: 1\r\n.*connection: close.*the server is closing/is,
    );
    await idle.closed;
    await expect(RawSocket.open(server.port)).rejects.toThrow(/ECONNREFUSED/);
    await expect(server.store.getQueue(KEY)).rejects.toMatchObject({ code: "closed" });
    await server.close();
  });

  test("a server held with await using is closed at the end of its block", async () => {
    let port: number;
    {
      const config = await loadConfig({ flags: { port: 0, store: "memory:" } });
      await using server = await startServer(config, { log });
      port = server.port;
    }
    await expect(RawSocket.open(port)).rejects.toThrow(/ECONNREFUSED/);
  });

  test("close() lets a running request finish", async () => {
    const server = await start();
    const socket = await RawSocket.open(server.port);
    socket.send(
      `POST ${QUEUE}/tasks HTTP/1.1\r\nHost: h\r\nContent-Length: 24\r\nExpect: 100-continue\r\n\r\n`,
    );
    await socket.receives(/100 Continue/);
    const closed = server.close();
    socket.send('{"payloadBase64":"eA=="}');
    expect(await socket.closed).toMatch(/HTTP\/1.1 200 OK.*eA==/s);
    await closed;
  });
});

test("close() waits 5 s for a sender that never ends, and no longer", async () => {
  const clock = manualClock();
  const store = openMemoryStore();
  const config = await loadConfig({ flags: { port: 0, store: "memory:" } });
  const server = await startServer(config, { store, log, clock });
  const socket = await RawSocket.open(server.port);
  socket.send(
    `POST ${QUEUE}/tasks HTTP/1.1\r\nHost: h\r\nContent-Length: 24\r\nExpect: 100-continue\r\n\r\n`,
  );
  await socket.receives(/100 Continue/);
  const closed = server.close();
  clock.advance(5000);
  await closed;
  await socket.closed;
});

test("startServer() logs a task that is dropped at its retry limit, and counts", async () => {
  const lines: string[] = [];
  const stream = { write: (line: string) => void lines.push(line) };
  const config = await loadConfig({ flags: { port: 0, store: "memory:" } });
  const server = await startServer(config, { log: createLog({ level: "warn", format: "json", stream }) });
  running.push(server);
  const call = async (method: string, path: string, body?: string) => {
    const init = { method, ...(body === undefined ? {} : { body }) };
    return (await fetch(`${server.url}${QUEUE}${path}`, init)).json() as Promise<{ items?: unknown[] }>;
  };
  await call("PUT", "", '{"maxLeases":1}');
  for (const id of ["a", "b"]) await call("POST", "/tasks", `{"payloadBase64":"","id":"${id}"}`);
  expect((await call("POST", "/tasks/lease?numTasks=9&leaseSecs=0")).items).toHaveLength(2);
  expect((await call("POST", "/tasks/lease?numTasks=9&leaseSecs=0")).items).toBeUndefined();
  expect(lines.map((line) => JSON.parse(line) as object)).toEqual([
    expect.objectContaining({ project: "p", queue: "q", task: "a", retryCount: 1, dropped: 1 }),
    expect.objectContaining({ task: "b", dropped: 2 }),
  ]);
});

test("startServer() takes a limit for headers above that of the request", async () => {
  const server = await start({ headersTimeoutMs: 5000, requestTimeoutMs: 1000 });
  expect((await fetch(`${server.url}/healthz`)).status).toBe(200);
});

describe("a client that goes away", () => {
  test.each(["destroys its socket", "half-closes its socket"])(
    "a waiting lease ends and leases nothing when its client %s",
    async (how) => {
      const server = await start();
      const { waiting, ended } = watchLeases(server.store);
      const client = await RawSocket.open(server.port);
      client.send(WAITING_LEASE);
      await waiting;
      if (how.startsWith("half")) client.finish();
      else client.destroy();
      await ended;
      expect((await insert(server)).status).toBe(200);
      expect(await stillAvailable(server.store)).toBe(1);
    },
  );

  test("a client that goes away in the middle of a body stores nothing and harms nobody", async () => {
    const server = await start();
    const client = await RawSocket.open(server.port);
    client.send(`POST ${QUEUE}/tasks HTTP/1.1\r\nHost: h\r\nContent-Length: 100\r\n\r\n{"payload`);
    client.destroy();
    await client.closed;
    expect((await insert(server)).status).toBe(200);
    expect(await stillAvailable(server.store)).toBe(1);
  });
});

test("startServer() takes a lease of as many queues with names as long as they may be", async () => {
  const server = await start();
  await using client = openHttpStore({ endpoint: server.url });
  const queues = Array.from({ length: limits.LEASE_QUEUES_MAX }, (_, index) => ({
    project: "p",
    queue: `${"é".repeat(126)}${String(index).padStart(3, "0")}`,
  }));
  await server.store.insert(queues[99]!, [{ payload: new Uint8Array(1) }]);
  expect(await client.lease(queues, { maxTasks: 1, leaseMs: 1000, waitMs: 1000 })).toMatchObject([
    { queue: queues[99] },
  ]);
});

describe("what is not a good request", () => {
  test.each([
    [
      "garbage",
      "\x16\x03\x01 hello\r\n\r\n",
      /^HTTP\/1.1 400 Bad Request\r\n.*X-Request-Id: [0-9a-f]{16}-\d+\r\n.*"badRequest"/s,
    ],
    ["no Host", "GET /healthz HTTP/1.1\r\n\r\n", /^HTTP\/1.1 400 .*x-request-id: .*Host header/s],
    [
      "a bad Host",
      "GET /healthz HTTP/1.1\r\nHost: a b/c\r\n\r\n",
      /^HTTP\/1.1 400 .*x-request-id: .*Host header/s,
    ],
    [
      "an expectation that nobody knows",
      `GET ${QUEUE}/tasks/none HTTP/1.1\r\nHost: 127.0.0.1\r\nExpect: x\r\nConnection: close\r\n\r\n`,
      /^HTTP\/1.1 404 .*"error"/s,
    ],
    ["a bad target", "GET * HTTP/1.1\r\nHost: h\r\n\r\n", /^HTTP\/1.1 400 /],
    [
      "headers of 97 KiB",
      `GET /healthz HTTP/1.1\r\nHost: h\r\nX: ${"x".repeat(97 * 1024)}\r\n\r\n`,
      /^HTTP\/1.1 431 .*at most 98304 bytes/s,
    ],
    [
      "two lengths",
      `POST ${QUEUE}/tasks HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n{}`,
      /^HTTP\/1.1 400 /,
    ],
  ])("%s is answered in words and the connection closed", async (_, bytes, expected) => {
    const server = await start();
    const socket = await RawSocket.open(server.port);
    socket.send(bytes);
    if (!/no Host|bad Host|bad target/.test(_)) expect(await socket.closed).toMatch(expected);
    else await socket.receives(expected);
    socket.destroy();
    expect((await fetch(`${server.url}/healthz`)).status).toBe(200);
  });

  test("what is not a request is in the log under the id of its answer", async () => {
    const lines: string[] = [];
    const stream = { write: (line: string) => void lines.push(line) };
    const config = await loadConfig({ flags: { port: 0, store: "memory:" } });
    const server = await startServer(config, { log: createLog({ level: "info", format: "json", stream }) });
    running.push(server);
    const socket = await RawSocket.open(server.port);
    socket.send("hello\r\n\r\n");
    const [, id] = /X-Request-Id: (\S+)/.exec(await socket.closed) ?? [];
    expect(lines.map((line) => JSON.parse(line) as object)).toEqual([
      expect.objectContaining({ request: id, status: 400, msg: "not a request" }),
    ]);
  });

  test.each(["announced", "chunked"])("a body of 3 MiB, %s, is 413 and is not buffered", async (how) => {
    const server = await start();
    const socket = await RawSocket.open(server.port);
    const length = how === "announced" ? `Content-Length: ${3 * 1024 * 1024}` : "Transfer-Encoding: chunked";
    socket.send(`POST ${QUEUE}/tasks HTTP/1.1\r\nHost: h\r\n${length}\r\n\r\n`);
    const piece = Buffer.alloc(64 * 1024, "x");
    for (let i = 0; i < 40; i++) {
      if (how === "chunked") socket.send("10000\r\n");
      socket.send(piece);
      if (how === "chunked") socket.send("\r\n");
    }
    expect(await socket.receives(/\}\n$/)).toMatch(/^HTTP\/1.1 413 .*"uploadTooLarge".*2097152 bytes/s);
    socket.destroy();
  });

  test.each([
    ["headers", "GET /healthz HTTP/1.1\r\nHost:"],
    ["a body", `POST ${QUEUE}/tasks HTTP/1.1\r\nHost: h\r\nContent-Length: 100\r\n\r\n{`],
  ])("a sender that stops within %s is answered with 408", async (_, bytes) => {
    const server = await start({ headersTimeoutMs: 300, requestTimeoutMs: 300 });
    const socket = await RawSocket.open(server.port);
    socket.send(bytes);
    expect(await socket.closed).toMatch(/^HTTP\/1.1 408 Request Timeout\r\n.*"requestTimeout"/s);
  });

  test("pipelined requests are answered in order", async () => {
    const server = await start();
    const socket = await RawSocket.open(server.port);
    const body = '{"payloadBase64":"eA=="}';
    socket.send(
      `POST ${QUEUE}/tasks HTTP/1.1\r\nHost: h\r\nContent-Length: ${body.length}\r\n\r\n${body}` +
        "GET /healthz HTTP/1.1\r\nHost: h\r\n\r\n" +
        "GET /nowhere HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n",
    );
    expect(await socket.closed).toMatch(/ 200 .*eA==.* 200 .*ok\n.* 404 /s);
  });

  test("a lease's small body is read, so that the connection goes on", async () => {
    const server = await start();
    const socket = await RawSocket.open(server.port);
    socket.send(
      `POST ${QUEUE}/tasks/lease?numTasks=1&leaseSecs=1 HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\n{}` +
        "GET /healthz HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n",
    );
    expect(await socket.closed).toMatch(/ 200 .*taskqueue#tasks.* 200 .*ok\n$/s);
  });
});

describe("the discovery document over a socket", () => {
  test("the discovery document shows the address by which the client came, or the configured one", async () => {
    const path = "/discovery/v1/apis/taskqueue/v1beta2/rest";
    const server = await start();
    const seen = (await (await fetch(`${server.url}${path}`)).json()) as { rootUrl: string };
    expect(seen.rootUrl).toBe(`${server.url}/`);
    const behindProxy = await start({ publicUrl: "https://queues.example.com/" });
    const shown = (await (await fetch(`${behindProxy.url}${path}`)).json()) as { baseUrl: string };
    expect(shown.baseUrl).toBe("https://queues.example.com/taskqueue/v1beta2/projects/");
  });
});
