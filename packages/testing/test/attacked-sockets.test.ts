import { spawnSync } from "node:child_process";
import { gzipSync } from "node:zlib";
import fc from "fast-check";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { type ServerProcess, startServerProcess } from "../src/server-process.js";
import { idleConnections, residentMib, statusesOf, talk } from "./support/raw-talk.js";

/**
 * What comes over sockets that no client would send. A server keeps four laws: wrong input is never its own fault (5xx), no
 * connection stays for ever, memory has a bound, and the next request is served. ATTACK_RUNS asks for more random bytes,
 * ATTACK_CONNECTIONS for more or fewer than ten thousand connections (each takes a descriptor on both sides; where a process may
 * have few of them, two thousand).
 */

const RUNS = Number(process.env.ATTACK_RUNS ?? 50);
const CONNECTIONS = Number(process.env.ATTACK_CONNECTIONS ?? (descriptorsMax() < 12_000 ? 2_000 : 10_000));
const FIXED_SEED = 20260;

/** What the server may grow by while it is attacked, in MiB: the memory for bodies (256), and what reading them takes. */
const GROWTH_MIB = 900;

const TASKS = "/taskqueue/v1beta2/projects/p/taskqueues/q/tasks";
const CHUNKED = `POST ${TASKS} HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n`;
const CLOSE = "Host: h\r\nConnection: close\r\n";

/** Impatient, so that whoever is slow is seen to be let go. */
let server: ServerProcess;
/** Patient, for bodies that take their time. */
let patient: ServerProcess;
beforeAll(async () => {
  const parameters = ["--headers-timeout-ms", "300", "--request-timeout-ms", "1000"];
  server = await startServerProcess({ parameters });
  patient = await startServerProcess({ parameters: ["--connections-max", String(2 * CONNECTIONS)] });
});
afterAll(async () => {
  await server.stop();
  await patient.stop();
});

/** How many sockets and files a process may have open here. */
function descriptorsMax(): number {
  return Number(spawnSync("sh", ["-c", "ulimit -n"], { encoding: "utf8" }).stdout) || 0;
}

/** The next request is served, and nothing so far was the server's own fault. */
async function checkServes({ url, stderr }: ServerProcess): Promise<void> {
  const answer = await talk(url, `GET /healthz HTTP/1.1\r\n${CLOSE}\r\n`);
  expect(statusesOf(answer)).toEqual([200]);
  expect(stderr()).not.toMatch(/"level":50/);
}
afterEach(async () => {
  await checkServes(server);
  await checkServes(patient);
});

describe.each([{ finish: false }, { finish: true }])("a sender who then does %j", (options) => {
  test.each([
    ["HTTP/0.9", "GET /\r\n\r\n"],
    ["HTTP/2", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"],
    ["TLS", Buffer.from("16030100c8010000c40303", "hex")],
    ["zeros", "\0\0\0\0\r\n\r\n"],
    ["a target without a path", `OPTIONS * HTTP/1.1\r\n${CLOSE}\r\n`],
    ["another server's URL", `GET http://evil.example${TASKS} HTTP/1.1\r\n${CLOSE}\r\n`],
    ["TRACE", `TRACE ${TASKS} HTTP/1.1\r\n${CLOSE}\r\n`],
    ["no Host", `GET ${TASKS} HTTP/1.1\r\nConnection: close\r\n\r\n`],
    ["an impossible Host", `GET ${TASKS} HTTP/1.1\r\nHost: a b/../\r\nConnection: close\r\n\r\n`],
    ["a path of other bytes", `GET /\xff\\..\\%zz HTTP/1.1\r\n${CLOSE}\r\n`],
    ["an expectation", `POST ${TASKS} HTTP/1.1\r\n${CLOSE}Expect: tea\r\nContent-Length: 2\r\n\r\n{}`],
    [
      "two ways to say where a body ends",
      `${CHUNKED}Content-Length: 4\r\n\r\n0\r\n\r\nGET / HTTP/1.1\r\n\r\n`,
    ],
    ["two lengths", `POST ${TASKS} HTTP/1.1\r\n${CLOSE}Content-Length: 4\r\nContent-Length: 5\r\n\r\nabcde`],
    ["a negative length", `POST ${TASKS} HTTP/1.1\r\n${CLOSE}Content-Length: -1\r\n\r\n`],
    ["an endless length", `POST ${TASKS} HTTP/1.1\r\n${CLOSE}Content-Length: 99999999999999999999\r\n\r\n`],
    ["a large length", `POST ${TASKS} HTTP/1.1\r\n${CLOSE}Content-Length: 9999999999\r\n\r\n`],
    ["an unknown transfer coding", `POST ${TASKS} HTTP/1.1\r\n${CLOSE}Transfer-Encoding: x\r\n\r\n0\r\n\r\n`],
    ["a negative chunk", `${CHUNKED}\r\n-1\r\nabc`],
    ["a long chunk extension", `${CHUNKED}\r\n1;${"x".repeat(200_000)}\r\na\r\n0\r\n\r\n`],
    ["many trailers", `${CHUNKED}Connection: close\r\n\r\n2\r\n{}\r\n0\r\n${"X: y\r\n".repeat(30_000)}\r\n`],
    ["many small chunks", `${CHUNKED}Connection: close\r\n\r\n${"1\r\n \r\n".repeat(50_000)}0\r\n\r\n`],
    ["a long path", `GET /${"x".repeat(200_000)} HTTP/1.1\r\n${CLOSE}\r\n`],
    ["a long header", `GET / HTTP/1.1\r\n${CLOSE}X: ${"x".repeat(200_000)}\r\n\r\n`],
    ["many headers", `GET ${TASKS} HTTP/1.1\r\n${CLOSE}${"a:b\r\n".repeat(15_000)}\r\n`],
    ["a control character", `GET ${TASKS} HTTP/1.1\r\n${CLOSE}X: a\x01b\r\n\r\n`],
    ["a folded header", `GET ${TASKS} HTTP/1.1\r\n${CLOSE}X: a\r\n b\r\n\r\n`],
    [
      "a body that is not gzip",
      `POST ${TASKS} HTTP/1.1\r\n${CLOSE}Content-Encoding: gzip\r\nContent-Length: 1\r\n\r\nx`,
    ],
    ["half of a request line", `POST ${TASKS}`],
    ["half of its headers", `POST ${TASKS} HTTP/1.1\r\nHost: h\r\nContent-Le`],
    ["half of a body", `POST ${TASKS} HTTP/1.1\r\n${CLOSE}Content-Length: 100\r\n\r\n{`],
    ["half of a chunk", `${CHUNKED}\r\nfffffff\r\nabc`],
  ])("is told 4xx and let go, sending %s", async (_, bytes) => {
    const statuses = statusesOf(await talk(server.url, bytes, options));
    // Who closes the sending half has gone, and may miss an answer that takes a turn of the event loop.
    if (!options.finish) expect(statuses.length).toBeGreaterThan(0);
    for (const status of statuses) expect(Math.floor(status / 100)).toBe(4);
  });

  test.each([
    ["nothing", "", [[], [408]]],
    ["a tunnel", `CONNECT a:1 HTTP/1.1\r\n${CLOSE}\r\n`, [[405]]],
  ])("is let go, sending %s", async (_, bytes, expected) => {
    expect(expected).toContainEqual(statusesOf(await talk(server.url, bytes, options)));
  });

  test("gets all answers that came before garbage", async () => {
    const pipelined = `GET /healthz HTTP/1.1\r\nHost: h\r\n\r\n`.repeat(1000);
    const last = `GET /healthz HTTP/1.1\r\n${CLOSE}\r\n`;
    expect(statusesOf(await talk(server.url, pipelined + last, options))).toEqual(Array(1001).fill(200));
    const spoilt = statusesOf(await talk(server.url, `${pipelined}garbage\r\n\r\n`, options));
    expect(spoilt).toEqual([...Array(1000).fill(200), 400]);
  });
});

test("a server answers 4xx or nothing to random bytes", async () => {
  const valid = Buffer.from(
    `POST ${TASKS} HTTP/1.1\r\n${CLOSE}Content-Type: application/json\r\nContent-Length: 24\r\n\r\n{"payloadBase64":"eA=="}`,
  );
  const spoilt = fc
    .array(fc.tuple(fc.nat(valid.length - 1), fc.integer({ min: 0, max: 255 })), {
      minLength: 1,
      maxLength: 4,
    })
    .map((changes) => {
      const bytes = Buffer.from(valid);
      for (const [at, byte] of changes) bytes[at] = byte;
      return bytes;
    });
  const property = fc.asyncProperty(fc.oneof(spoilt, fc.uint8Array({ maxLength: 300 })), async (bytes) => {
    const statuses = statusesOf(await talk(server.url, bytes, { finish: true }));
    for (const status of statuses) expect(status).toBeLessThan(500);
  });
  await fc.assert(property, { seed: FIXED_SEED, numRuns: RUNS });
  await fc.assert(property, { numRuns: RUNS });
});

/** Sends a body that is whole, many times at once. */
async function sendAtOnce(
  times: number,
  path: string,
  body: Uint8Array,
  headers = "",
): Promise<readonly number[]> {
  const head = `POST ${path} HTTP/1.1\r\n${CLOSE}${headers}Content-Length: ${body.byteLength}\r\n\r\n`;
  const request = Buffer.concat([Buffer.from(head), body]);
  const answers = await Promise.all(Array.from({ length: times }, () => talk(patient.url, request)));
  return answers.flatMap(statusesOf);
}

test.each([
  ["one task", TASKS],
  ["a batch of tasks", `${TASKS}:batchInsert`],
  ["a batch of requests", "/batch/taskqueue/v1beta2"],
])("a server unpacks no bombs that are sent as %s", async (_, path) => {
  const bomb = gzipSync(Buffer.alloc(128 * 1024 * 1024), { level: 1 });
  const before = residentMib(patient.pid);
  const headers = "Content-Encoding: gzip\r\nContent-Type: multipart/mixed; boundary=b\r\n";
  const statuses = await sendAtOnce(20, path, bomb, headers);
  expect(statuses).toHaveLength(20);
  // 503 is told to those who come while others fill the memory for bodies.
  for (const status of statuses) expect([413, 503]).toContain(status);
  expect(residentMib(patient.pid) - before).toBeLessThan(GROWTH_MIB);
});

test.each([
  ["brackets", "["],
  ["objects", "{},"],
  ["blanks", " "],
])("a server does not read a body of nothing but %s", async (_, unit) => {
  const before = residentMib(patient.pid);
  const statuses = await sendAtOnce(4, `${TASKS}:batchInsert`, Buffer.alloc(32 * 1024 * 1024, unit));
  expect(statuses).toHaveLength(4);
  for (const status of statuses) expect([400, 503]).toContain(status);
  expect(residentMib(patient.pid) - before).toBeLessThan(GROWTH_MIB);
});

test("a server lets go of many who begin and do not go on, and serves others meanwhile", async () => {
  const slow = Array.from({ length: 300 }, () =>
    talk(server.url, `POST ${TASKS} HTTP/1.1\r\nHost: h\r\nX: `),
  );
  await checkServes(server);
  for (const received of await Promise.all(slow)) expect(statusesOf(received)).toEqual([408]);
});

test(`a server with ${CONNECTIONS} idle connections serves the next, in bounded memory`, async () => {
  const before = residentMib(patient.pid);
  const sockets = await idleConnections(patient.url, CONNECTIONS);
  try {
    await checkServes(patient);
    // About 10 KiB each is usual; a quarter of a mebibyte each would be a leak.
    expect(residentMib(patient.pid) - before).toBeLessThan(50 + CONNECTIONS / 20);
  } finally {
    for (const socket of sockets) socket.destroy();
  }
}, 60_000);

test("a server whose connections are used up serves again when the idle ones have had their time", async () => {
  const parameters = ["--connections-max", "20", "--headers-timeout-ms", "500"];
  await using small = await startServerProcess({ parameters });
  const sockets = await idleConnections(small.url, 20);
  const closed = sockets.map((socket) => new Promise((resolve) => socket.resume().once("end", resolve)));
  expect(statusesOf(await talk(small.url, `GET /healthz HTTP/1.1\r\n${CLOSE}\r\n`))).toEqual([]);
  await Promise.all(closed);
  for (const socket of sockets) socket.destroy();
  await checkServes(small);
});
