import { manualClock, openMemoryStore } from "@pullqueue/core";
import { afterEach, expect, test } from "vitest";
import { loadConfig } from "../../src/config.js";
import { createLog } from "../../src/log.js";
import { ServerMetrics } from "../../src/metrics/server-metrics.js";
import { type RunningServer, startServer } from "../../src/start-server.js";
import { openGuardedApi, principal } from "../auth/support.js";
import { RawSocket } from "../raw-socket.js";
import { openApi } from "../support.js";
import { readPage } from "./support.js";

const running: RunningServer[] = [];
afterEach(async () => {
  await Promise.all(running.splice(0).map((server) => server.close()));
});

async function start(): Promise<RunningServer> {
  const log = createLog({ level: "silent", format: "json" });
  const config = await loadConfig({ flags: { port: 0, store: "memory:" } });
  const server = await startServer(config, { log });
  running.push(server);
  return server;
}

const scrape = async ({ url }: RunningServer) => readPage(await (await fetch(`${url}/metrics`)).text());

test("/metrics is 404 where nothing is counted", async () => {
  expect((await openApi().call("GET", "/metrics")).status).toBe(404);
});

test("/metrics is for monitors and administrators where callers are asked who they are", async () => {
  const clock = manualClock();
  const metrics = new ServerMetrics(clock);
  const store = metrics.watch(openMemoryStore({ clock }));
  const { call, callAs } = await openGuardedApi({ metrics, store, clock });
  const statusFor = async (role: "admin" | "monitor" | "user") =>
    (await callAs(principal({ role }), "GET", "/metrics")).status;
  expect(await statusFor("admin")).toBe(200);
  expect(await statusFor("monitor")).toBe(200);
  expect(await statusFor("user")).toBe(403);
  const nobody = await call("GET", "/metrics");
  expect([nobody.status, nobody.headers.has("www-authenticate")]).toEqual([401, true]);
  expect(nobody.text).not.toContain("pullqueue_");
  expect((await callAs(principal({ role: "monitor" }), "GET", "p/taskqueues/q")).status).toBe(403);
});

test("/metrics of a running server shows its connections, its process, and what was not a request", async () => {
  const server = await start();
  const idle = await RawSocket.open(server.port);
  const bad = await RawSocket.open(server.port);
  bad.send("hello\r\n\r\n");
  await bad.closed;
  const series = await scrape(server);
  expect(series.get("pullqueue_connections")).toBeGreaterThanOrEqual(2);
  expect(series.get('pullqueue_requests_total{method="none",code="400"}')).toBe(1);
  expect(series.get("process_resident_memory_bytes")).toBeGreaterThan(10_000_000);
  expect(series.has("nodejs_eventloop_lag_p99_seconds")).toBe(true);
  idle.destroy();
});

test("two servers of one process count apart", async () => {
  const [one, other] = [await start(), await start()];
  await fetch(`${one.url}/readyz`);
  const count = async (server: RunningServer) =>
    (await scrape(server)).get('pullqueue_requests_total{method="readyz",code="200"}');
  expect([await count(one), await count(other)]).toEqual([1, undefined]);
});

test("/metrics tells what the store did by itself", async () => {
  const server = await start();
  const call = (method: string, path: string, body?: string) =>
    fetch(`${server.url}/taskqueue/v1beta2/projects/p/taskqueues/q${path}`, {
      method,
      ...(body === undefined ? {} : { body }),
    });
  await call("PUT", "", '{"maxLeases":1}');
  await call("POST", "/tasks", '{"payloadBase64":""}');
  await call("POST", "/tasks/lease?numTasks=1&leaseSecs=0");
  await call("POST", "/tasks/lease?numTasks=1&leaseSecs=0");
  const dropped = 'pullqueue_tasks_dropped_total{project="p",queue="q",reason="retry_limit"}';
  expect((await scrape(server)).get(dropped)).toBe(1);
});
