import { BASE_PATH, manualClock, type QueueAdmin, type QueueStore, systemClock } from "@pullqueue/core";
import { openMemoryStore } from "@pullqueue/core/stores/memory";
import { afterEach, describe, expect, test } from "vitest";
import { loadConfig } from "../src/config.js";
import { BROKEN_GRACE_MS } from "../src/limits.js";
import { createLog } from "../src/log.js";
import { type RunningServer, startServer } from "../src/start-server.js";
import { RawSocket } from "./raw-socket.js";

const KEY = { project: "p", queue: "q" };
const TASKS = `${BASE_PATH}p/taskqueues/q/tasks`;
const BODY = '{"payloadBase64":"QQ=="}';
const INSERT = `POST ${TASKS} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: ${BODY.length}\r\n\r\n${BODY}`;
const WAITING_LEASE = `POST ${TASKS}/lease?numTasks=1&leaseSecs=600&waitMs=50000 HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 0\r\n\r\n`;
/** Two equal headers send a request the general way. */
const INSERT_BY_FETCH = INSERT.replace("\r\nContent", "\r\nX-Twice: 1\r\nX-Twice: 2\r\nContent");
const LEASE_BY_FETCH = WAITING_LEASE.replace("\r\nContent", "\r\nX-Twice: 1\r\nX-Twice: 2\r\nContent");

const running: RunningServer[] = [];
afterEach(async () => {
  await Promise.all(running.splice(0).map((server) => server.close()));
});

/** A server over a memory store, its time, and the lines of its log. */
async function start({ store = openMemoryStore(), clock = systemClock() } = {}) {
  const lines: Record<string, unknown>[] = [];
  const stream = { write: (line: string) => void lines.push(JSON.parse(line)) };
  const log = createLog({ level: "info", format: "json", stream });
  const config = await loadConfig({ flags: { port: 0, store: "memory:" } });
  const server = await startServer(config, { store, clock, log });
  running.push(server);
  return { port: server.port, close: server.close, store, lines };
}

/** A store whose inserts wait until they may go on; `begun` resolves with the first of them. */
function holdingInserts(store = openMemoryStore()) {
  let begin = () => {};
  let goOn = () => {};
  const begun = new Promise<void>((resolve) => {
    begin = resolve;
  });
  const gate = new Promise<void>((resolve) => {
    goOn = resolve;
  });
  const insert = store.insert.bind(store);
  Object.defineProperty(store, "insert", {
    value: async (...args: Parameters<QueueStore["insert"]>) => {
      begin();
      await gate;
      return insert(...args);
    },
  });
  return { store, begun, goOn };
}

/** A store that tells when this many leases wait. */
function countingLeases(wanted: number) {
  const store = openMemoryStore();
  let reach = () => {};
  const waiting = new Promise<void>((resolve) => {
    reach = resolve;
  });
  let begun = 0;
  const lease = store.lease.bind(store);
  Object.defineProperty(store, "lease", {
    value: (...args: Parameters<QueueStore["lease"]>) => {
      begun += 1;
      if (begun === wanted) reach();
      return lease(...args);
    },
  });
  return { store, waiting };
}

const statuses = (received: string) =>
  [...received.matchAll(/HTTP\/1\.1 (\d+) /g)].map(([, status]) => Number(status));

async function counts(store: QueueStore & QueueAdmin) {
  const { stats } = await store.getQueue(KEY, { stats: true });
  return { total: stats?.totalTasks ?? 0, leased: stats?.leasedTasks ?? 0 };
}

/** A task that comes now goes to nobody who has gone. Nothing tells that it was not taken, so that time has to pass. */
async function expectNobodyLeases(store: QueueStore & QueueAdmin): Promise<void> {
  await store.insert(KEY, [{ payload: new Uint8Array(1) }]);
  await new Promise((resolve) => setTimeout(resolve, 50));
  expect((await counts(store)).leased).toBe(0);
}

describe("unreadable bytes behind whole requests", () => {
  test.each([
    ["one byte too many behind an insert", `${INSERT}}`, [200, 400], 1],
    ["a line behind an insert", `${INSERT}hello\r\n\r\n`, [200, 400], 1],
    ["garbage behind three inserts", `${INSERT}${INSERT}${INSERT}hello\r\n\r\n`, [200, 200, 200, 400], 3],
    ["garbage behind an insert the general way", `${INSERT_BY_FETCH}}`, [200, 400], 1],
    [
      "garbage behind inserts by both ways",
      `${INSERT_BY_FETCH}${INSERT}${INSERT_BY_FETCH}}`,
      [200, 200, 200, 400],
      3,
    ],
    [
      "too many headers behind an insert",
      `${INSERT}GET / HTTP/1.1\r\nX: ${"x".repeat(97 * 1024)}`,
      [200, 431],
      1,
    ],
    [
      "two lengths behind an insert",
      `${INSERT}${INSERT.replace("Content", "Content-Length: 1\r\nContent")}`,
      [200, 400],
      1,
    ],
    [
      "a request behind one that is to be the last",
      `${INSERT.replace("Content", "Connection: close\r\nContent")}${INSERT}`,
      [200],
      1,
    ],
    ["CONNECT behind an insert", `${INSERT}CONNECT x:80 HTTP/1.1\r\nHost: x:80\r\n\r\n`, [200, 405], 1],
  ])("%s: what was done is answered so, and the connection closed", async (_, bytes, expected, tasks) => {
    const { port, store } = await start();
    const socket = await RawSocket.open(port);
    socket.send(bytes);
    expect(statuses(await socket.closed)).toEqual(expected);
    expect((await counts(store)).total).toBe(tasks);
  });

  test("an answer that takes a while comes before that to the garbage, however much of it there is", async () => {
    const { store, begun, goOn } = holdingInserts();
    const { port, lines } = await start({ store });
    const socket = await RawSocket.open(port);
    socket.send(`${INSERT}${INSERT}hello\r\n\r\n`);
    await begun;
    for (let i = 0; i < 20; i++) {
      socket.send("more\r\n\r\n");
      await new Promise((resolve) => setImmediate(resolve));
    }
    goOn();
    expect(statuses(await socket.closed)).toEqual([200, 200, 400]);
    expect(lines.filter(({ msg }) => msg === "not a request")).toHaveLength(1);
  });

  test("nobody waits longer than a moment for what such a connection still owes", async () => {
    const clock = manualClock();
    const { store, begun, goOn } = holdingInserts();
    const { port } = await start({ store, clock });
    const socket = await RawSocket.open(port);
    socket.send(`${INSERT}hello\r\n\r\n`);
    await begun;
    clock.advance(BROKEN_GRACE_MS);
    expect(await socket.closed).toBe("");
    goOn();
  });

  test.each([
    ["alone", WAITING_LEASE, []],
    ["behind an insert", `${INSERT}${WAITING_LEASE}`, [200]],
    ["behind another, and before an insert", `${WAITING_LEASE}${WAITING_LEASE}${INSERT}`, []],
  ])("a lease that would wait ends at once and holds nothing, %s", async (_, bytes, expected) => {
    // Its time stands still: nothing ends because time is up.
    const { port, store } = await start({ clock: manualClock() });
    const socket = await RawSocket.open(port);
    socket.send(`${bytes}hello\r\n\r\n`);
    expect(statuses(await socket.closed)).toEqual(expected);
    await expectNobodyLeases(store);
  });

  test("a lease that has found its task meanwhile is answered in its turn", async () => {
    const withTask = openMemoryStore();
    await withTask.insert(KEY, [{ payload: new Uint8Array(1) }]);
    const { store, begun, goOn } = holdingInserts(withTask);
    const { port } = await start({ store });
    const socket = await RawSocket.open(port);
    socket.send(INSERT + WAITING_LEASE);
    await begun;
    await expect.poll(() => counts(store)).toMatchObject({ leased: 1 });
    socket.send("hello\r\n\r\n");
    // Until the server has read that.
    await new Promise((resolve) => setTimeout(resolve, 50));
    goOn();
    expect(statuses(await socket.closed)).toEqual([200, 200, 400]);
  });

  test("leases that wait already end at once and hold nothing", async () => {
    const { store, waiting } = countingLeases(3);
    const { port } = await start({ store, clock: manualClock() });
    const socket = await RawSocket.open(port);
    socket.send(WAITING_LEASE.repeat(3));
    await waiting;
    socket.send("hello\r\n\r\n");
    expect(await socket.closed).toBe("");
    await expectNobodyLeases(store);
  });

  test("leases that wait the general way end a moment later and hold nothing", async () => {
    const clock = manualClock();
    const { store, waiting } = countingLeases(2);
    const { port } = await start({ store, clock });
    const socket = await RawSocket.open(port);
    socket.send(`${LEASE_BY_FETCH}${LEASE_BY_FETCH}hello\r\n\r\n`);
    await waiting;
    clock.advance(BROKEN_GRACE_MS);
    expect(await socket.closed).toBe("");
    await expectNobodyLeases(store);
  });
});

describe("a client that goes away from pipelined requests", () => {
  test.each([
    ["the short way", WAITING_LEASE, ""],
    ["the general way", LEASE_BY_FETCH, ""],
    ["the short way, with garbage behind it", WAITING_LEASE, "hello\r\n\r\n"],
    ["the general way, with garbage behind it", LEASE_BY_FETCH, "hello\r\n\r\n"],
  ])("all of its waiting leases end and hold nothing, %s", async (_, lease, garbage) => {
    const { store, waiting } = countingLeases(3);
    const { port } = await start({ store });
    const socket = await RawSocket.open(port);
    socket.send(lease.repeat(3));
    await waiting;
    if (garbage !== "") socket.send(garbage);
    socket.destroy();
    await socket.closed;
    await new Promise((resolve) => setTimeout(resolve, 50));
    await expectNobodyLeases(store);
  });

  test.each([
    ["resets", INSERT, "hello\r\n\r\n"],
    ["half-closes", INSERT, "hello\r\n\r\n"],
    ["resets", INSERT_BY_FETCH, "hello\r\n\r\n"],
    ["half-closes", "", "CONNECT x:80 HTTP/1.1\r\n\r\n"],
    ["resets", INSERT, "CONNECT x:80 HTTP/1.1\r\n\r\n and more"],
    ["half-closes", INSERT, "CONNECT x:80 HTTP/1.1\r\n\r\n and more"],
  ])("one that %s behind garbage leaves no socket and no error", async (how, insert, garbage) => {
    const { store, begun, goOn } = holdingInserts();
    const { port, close } = await start({ store });
    const socket = await RawSocket.open(port);
    socket.send(insert + garbage);
    if (insert !== "") await begun;
    if (how === "resets") socket.reset();
    else socket.finish();
    await socket.closed;
    goOn();
    const startedMs = performance.now();
    await close();
    // No socket was left for the end of the grace.
    expect(performance.now() - startedMs).toBeLessThan(BROKEN_GRACE_MS);
  });

  test("a server that closes does not wait for what a broken connection owes", async () => {
    const clock = manualClock();
    const { store, begun, goOn } = holdingInserts();
    const { port, close } = await start({ store, clock });
    const socket = await RawSocket.open(port);
    socket.send(`${INSERT}hello\r\n\r\n`);
    await begun;
    const closed = close();
    clock.advance(BROKEN_GRACE_MS);
    await closed;
    goOn();
    expect(await socket.closed).toBe("");
  });
});

describe("CONNECT", () => {
  test("CONNECT is answered with 405 in words, logged under the answer's id, and the connection closed", async () => {
    const { port, lines } = await start();
    const socket = await RawSocket.open(port);
    socket.send("CONNECT x:80 HTTP/1.1\r\nHost: x:80\r\n\r\n and what would go through the tunnel");
    const answer = await socket.closed;
    expect(answer).toMatch(
      /^HTTP\/1\.1 405 Method Not Allowed\r\n.*Allow: GET, .*Connection: close\r\n.*"httpMethodNotAllowed".*CONNECT/s,
    );
    const [, id] = /X-Request-Id: (\S+)/.exec(answer) ?? [];
    expect(lines).toEqual([expect.objectContaining({ request: id, status: 405, msg: "not a request" })]);
  });
});

describe("more than one Host", () => {
  const twoHosts = (first: string, second: string, target = `GET ${TASKS}`) =>
    `${target} HTTP/1.1\r\nHost: ${first}\r\nhOST: ${second}\r\nConnection: close\r\n\r\n`;

  test.each([
    ["the second is another", twoHosts("127.0.0.1", "evil.example")],
    ["the first is another", twoHosts("evil.example", "127.0.0.1")],
    ["both are the same", twoHosts("127.0.0.1", "127.0.0.1")],
    ["of a page", twoHosts("127.0.0.1", "evil.example", "GET /healthz")],
  ])("a request with two is 400 in words and logged, %s", async (_, bytes) => {
    const { port, lines } = await start();
    const socket = await RawSocket.open(port);
    socket.send(bytes);
    const answer = await socket.closed;
    expect(answer).toMatch(/^HTTP\/1\.1 400 .*x-request-id: .*exactly one Host.*got 2/s);
    const [, id] = /x-request-id: (\S+)/.exec(answer) ?? [];
    expect(lines).toEqual([expect.objectContaining({ request: id, status: 400, msg: "not a request" })]);
  });
});
