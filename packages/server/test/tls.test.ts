import { once } from "node:events";
import { cp, readFile, writeFile } from "node:fs/promises";
import { Agent, request } from "node:https";
import { connect } from "node:net";
import { connect as connectTls, type TLSSocket } from "node:tls";
import { fileURLToPath } from "node:url";
import { manualClock } from "@pullqueue/core";
import { temporaryFolder } from "@pullqueue/testing";
import { expect, onTestFinished, test } from "vitest";
import { loadConfig } from "../src/config.js";
import { CLOSE_GRACE_MS } from "../src/limits.js";
import { createLog } from "../src/log.js";
import { type StartOptions, startServer } from "../src/start-server.js";

const fixture = (name: string) =>
  fileURLToPath(new URL(`../../testing/test/fixtures/${name}`, import.meta.url));

/** A server over TLS with files that a test may replace. */
async function startTlsServer(options: StartOptions = {}) {
  const folder = temporaryFolder();
  const files = { tlsCert: folder.file("cert.pem"), tlsKey: folder.file("key.pem") };
  const use = async (name: string) => {
    await cp(fixture(`${name}-cert.pem`), files.tlsCert);
    await cp(fixture(`${name}-key.pem`), files.tlsKey);
  };
  await use("loopback");
  const lines: string[] = [];
  const log = createLog({
    level: "info",
    format: "json",
    stream: { write: (line) => void lines.push(line) },
  });
  const server = await startServer(await loadConfig({ flags: { port: 0, store: "memory:", ...files } }), {
    ...options,
    log,
  });
  onTestFinished(async () => {
    await server.close();
    folder[Symbol.dispose]();
  });
  return { server, files, use, lines };
}

/** GET /healthz on a connection of the agent: status, and the subject of the certificate. */
async function health(port: number, agent: Agent): Promise<readonly [number | undefined, string, TLSSocket]> {
  const sent = request({ host: "127.0.0.1", port, path: "/healthz", agent, rejectUnauthorized: false }).end();
  const [response] = await once(sent, "response");
  const { statusCode, socket } = response;
  const subject = socket.getPeerCertificate().subject.CN;
  response.resume();
  await once(response, "end");
  return [statusCode, subject, socket];
}

test("startServer() speaks TLS 1.2 and later with certificate files, and says so in its address", async () => {
  const { server } = await startTlsServer();
  expect(server.url).toBe(`https://127.0.0.1:${server.port}`);
  const agent = new Agent();
  expect((await health(server.port, agent)).slice(0, 2)).toEqual([200, "pullqueue tests"]);
  const old = connectTls({
    port: server.port,
    host: "127.0.0.1",
    maxVersion: "TLSv1.1",
    minVersion: "TLSv1",
    ciphers: "ALL:@SECLEVEL=0",
    rejectUnauthorized: false,
  });
  const [error] = await once(old, "error");
  expect(error.code).toMatch(/VERSION|PROTOCOL/);
});

test("reload() takes over a new certificate for new connections, and keeps those that are there", async () => {
  const { server, use, lines } = await startTlsServer();
  const kept = new Agent({ keepAlive: true, maxSockets: 1 });
  onTestFinished(() => kept.destroy());
  const [, , before] = await health(server.port, kept);
  await use("loopback-2");
  await server.reload();
  const [status, , after] = await health(server.port, kept);
  expect([status, after === before]).toEqual([200, true]);
  expect((await health(server.port, new Agent())).slice(0, 2)).toEqual([200, "pullqueue test 2"]);
  expect(lines.join("")).toContain("keys again");
});

test("reload() keeps the certificate from before when the new one cannot be used, and logs an error", async () => {
  const { server, files, lines } = await startTlsServer();
  await cp(fixture("loopback-2-key.pem"), files.tlsKey);
  await server.reload();
  await writeFile(files.tlsCert, "nonsense");
  await server.reload();
  expect((await health(server.port, new Agent())).slice(0, 2)).toEqual([200, "pullqueue tests"]);
  const errors = lines.map((line) => JSON.parse(line)).filter(({ level }) => level === 50);
  expect(errors).toHaveLength(2);
  expect(lines.join("")).not.toContain("keys again");
  expect(errors[0].reason).toMatch(/must be a certificate and its private key/);
  expect(errors.map(JSON.stringify as never).join("")).not.toContain(
    (await readFile(files.tlsKey, "utf8")).slice(40, 80),
  );
});

test("startServer() refuses certificate files that do not serve, naming both options", async () => {
  const flags = { port: 0, store: "memory:", tlsCert: fixture("loopback-cert.pem") };
  const other = await loadConfig({ flags: { ...flags, tlsKey: fixture("loopback-2-key.pem") } });
  await expect(startServer(other)).rejects.toThrow(/--tls-cert .* and --tls-key .* must be/);
  const missing = await loadConfig({ flags: { ...flags, tlsKey: "/nowhere" } });
  await expect(startServer(missing)).rejects.toThrow(/--tls-key .*: cannot read "\/nowhere" \(ENOENT\)/);
});

test("close() does not wait for a client that is stuck in its handshake", async () => {
  const clock = manualClock();
  const { server } = await startTlsServer({ clock });
  const stuck = connect(server.port, "127.0.0.1");
  await once(stuck, "connect");
  const ended = once(stuck, "close");
  stuck.resume();
  const closed = server.close();
  clock.advance(CLOSE_GRACE_MS);
  await Promise.all([closed, ended]);
});

test.each([
  ["garbage", "hello\r\n\r\n", 400],
  ["CONNECT", "CONNECT x:80 HTTP/1.1\r\n\r\n", 405],
])("over TLS %s behind a request is refused after its answer", async (_, refused, status) => {
  const { server } = await startTlsServer();
  const socket = connectTls({ port: server.port, host: "127.0.0.1", rejectUnauthorized: false });
  socket.write(`GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n${refused}`);
  let received = "";
  for await (const chunk of socket) received += String(chunk);
  expect([...received.matchAll(/HTTP\/1\.1 (\d+) /g)].map(([, seen]) => Number(seen))).toEqual([200, status]);
});
