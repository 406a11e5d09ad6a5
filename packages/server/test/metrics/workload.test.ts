import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DEFAULT_QUEUE_SETTINGS } from "@pullqueue/core";
import { openSqliteStore } from "@pullqueue/core/stores/sqlite";
import { describe, expect, onTestFinished, test } from "vitest";
import { QUEUE } from "../support.js";
import { type OpenStore, openMeasuredApi, type Series, seriesOf } from "./support.js";

const onSqlite: OpenStore = async (options) => {
  const folder = await mkdtemp(join(tmpdir(), "pullqueue-"));
  onTestFinished(() => rm(folder, { recursive: true }));
  return openSqliteStore({ path: join(folder, "queue.db"), ...options });
};

const STORES: readonly (readonly [string, OpenStore | undefined])[] = [
  ["memory", undefined],
  ["SQLite", onSqlite],
];

const Q = 'project="p",queue="q"';

describe.each(STORES)("/metrics after a known workload on %s", (name, open) => {
  /** One insert refused, seven tasks inserted; leases, a release, a renewal, two that expire, deletes, one too late. */
  async function work(api: Awaited<ReturnType<typeof openMeasuredApi>>): Promise<Series> {
    const { call, insert, lease, clock } = api;
    for (let index = 0; index < 4; index++) await insert();
    await call("POST", `${QUEUE}/tasks:batchInsert`, {
      items: [1, 2, 3].map(() => ({ payloadBase64: "eA==" })),
    });
    await call("POST", `${QUEUE}/tasks`, { payloadBase64: "?" });
    const held = await lease();
    await call("POST", `${QUEUE}/tasks/${held[0]!.id}?newLeaseSeconds=0`, held[0]);
    await call("POST", `${QUEUE}/tasks/${held[1]!.id}?newLeaseSeconds=120`, held[1]);
    for (const { id } of held.slice(1, 5)) await call("DELETE", `${QUEUE}/tasks/${id}`);
    clock.advance(61_000);
    const late = { items: [{ id: held[5]!.id, retryCount: 1 }] };
    await call("POST", `${QUEUE}/tasks:batchDelete`, late);
    await lease();
    await call("GET", "/nowhere");
    return api.scrape();
  }

  test(`tasks are counted exactly, on ${name}`, async () => {
    const api = await openMeasuredApi(open);
    onTestFinished(() => api.close());
    const series = await work(api);
    expect(seriesOf(series, "pullqueue_tasks_")).toEqual({
      [`pullqueue_tasks_inserted_total{${Q}}`]: 7,
      [`pullqueue_tasks_leased_total{${Q}}`]: 10,
      [`pullqueue_tasks_released_total{${Q}}`]: 1,
      [`pullqueue_tasks_deleted_total{${Q}}`]: 4,
    });
    expect(seriesOf(series, "pullqueue_leases_")).toEqual({
      [`pullqueue_leases_extended_total{${Q}}`]: 1,
      [`pullqueue_leases_expired_total{${Q}}`]: 2,
      [`pullqueue_leases_lost_total{${Q}}`]: 1,
    });
    expect(seriesOf(series, "pullqueue_queue_tasks")).toEqual({
      [`pullqueue_queue_tasks{${Q},state="leased"}`]: 3,
    });
  });

  test(`requests and the sizes of calls are counted exactly, on ${name}`, async () => {
    const api = await openMeasuredApi(open);
    onTestFinished(() => api.close());
    const series = await work(api);
    expect(seriesOf(series, "pullqueue_requests_total")).toEqual({
      'pullqueue_requests_total{method="tasks.insert",code="200"}': 4,
      'pullqueue_requests_total{method="tasks.insert",code="400"}': 1,
      'pullqueue_requests_total{method="tasks.batchInsert",code="200"}': 1,
      'pullqueue_requests_total{method="tasks.lease",code="200"}': 2,
      'pullqueue_requests_total{method="tasks.update",code="200"}': 2,
      'pullqueue_requests_total{method="tasks.delete",code="200"}': 4,
      'pullqueue_requests_total{method="tasks.batchDelete",code="200"}': 1,
      'pullqueue_requests_total{method="none",code="404"}': 1,
    });
    expect(series.get('pullqueue_request_duration_seconds_count{method="tasks.insert"}')).toBe(5);
    const calls = ["insert", "lease", "extend", "delete"].map((operation) => [
      series.get(`pullqueue_call_tasks_count{operation="${operation}"}`),
      series.get(`pullqueue_call_tasks_sum{operation="${operation}"}`),
    ]);
    expect(calls).toEqual([
      [5, 7],
      [2, 10],
      [2, 2],
      [5, 5],
    ]);
  });

  test(`dead letters, drops and redriven tasks are counted by reason, on ${name}`, async () => {
    const api = await openMeasuredApi(open);
    onTestFinished(() => api.close());
    const { call, store, insert, lease, clock } = api;
    const lossy = { ...DEFAULT_QUEUE_SETTINGS, maxLeases: 1, retentionMs: 600_000 };
    await store.putQueue({ project: "p", queue: "q" }, { ...lossy, deadLetterQueue: "dead" });
    await store.putQueue({ project: "p", queue: "lossy" }, lossy);
    for (const queue of [QUEUE, "p/taskqueues/lossy"]) {
      for (let index = 0; index < 3; index++) await insert({}, queue);
      expect(await lease("", queue)).toHaveLength(3);
      clock.advance(61_000);
      await lease("", queue);
      await insert({}, queue);
    }
    clock.advance(600_000);
    await store.sweep();
    await call("POST", "p/taskqueues/dead:redrive");
    const series = await api.scrape();
    expect(seriesOf(series, "pullqueue_tasks_dead_lettered")).toEqual({
      [`pullqueue_tasks_dead_lettered_total{${Q},reason="retry_limit"}`]: 3,
      [`pullqueue_tasks_dead_lettered_total{${Q},reason="retention"}`]: 1,
    });
    expect(seriesOf(series, "pullqueue_tasks_dropped")).toEqual({
      'pullqueue_tasks_dropped_total{project="p",queue="lossy",reason="retry_limit"}': 3,
      'pullqueue_tasks_dropped_total{project="p",queue="lossy",reason="retention"}': 1,
    });
    expect(seriesOf(series, "pullqueue_tasks_redriven")).toEqual({
      'pullqueue_tasks_redriven_total{project="p",queue="dead"}': 4,
    });
  });

  test(`purged tasks are counted, on ${name}`, async () => {
    const api = await openMeasuredApi(open);
    onTestFinished(() => api.close());
    for (let index = 0; index < 3; index++) await api.insert();
    await api.call("POST", `${QUEUE}:purge`);
    expect(seriesOf(await api.scrape(), "pullqueue_tasks_purged")).toEqual({
      [`pullqueue_tasks_purged_total{${Q}}`]: 3,
    });
  });

  test(`leases that wait are counted now, and timed apart, on ${name}`, async () => {
    const api = await openMeasuredApi(open);
    onTestFinished(() => api.close());
    const waiting = api.call("POST", `${QUEUE}/tasks/lease?numTasks=1&leaseSecs=60&waitMs=20000`);
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect((await api.scrape()).get("pullqueue_waiting_calls")).toBe(1);
    await api.insert();
    await waiting;
    const series = await api.scrape();
    expect(series.get("pullqueue_waiting_calls")).toBe(0);
    expect(seriesOf(series, "pullqueue_waiting_request_duration_seconds_count")).toEqual({
      'pullqueue_waiting_request_duration_seconds_count{method="tasks.lease"}': 1,
    });
    expect(series.has('pullqueue_request_duration_seconds_count{method="tasks.lease"}')).toBe(false);
  });
});

test("commits are counted on SQLite, with the calls that share them", async () => {
  const api = await openMeasuredApi(onSqlite);
  onTestFinished(() => api.close());
  await Promise.all(Array.from({ length: 10 }, () => api.insert()));
  const series = await api.scrape();
  expect(series.get("pullqueue_commit_calls_sum")).toBe(10);
  const commits = series.get("pullqueue_commit_calls_count")!;
  expect(commits).toBeGreaterThan(0);
  expect(series.get("pullqueue_commit_duration_seconds_count")).toBe(commits);
});

test("/metrics has no path, id, tag or payload of a caller, however hard it tries", async () => {
  const api = await openMeasuredApi();
  onTestFinished(() => api.close());
  await api.insert({ id: "SECRET-id", tag: "SECRET-tag" });
  await api.call("GET", "/SECRET?access_token=SECRET");
  await api.call("GET", "p/taskqueues/SECRET-unknown");
  await api.call("POST", "p/taskqueues/SECRET-unknown/tasks/lease?numTasks=0&leaseSecs=1");
  await api.call("SECRETMETHOD", `${QUEUE}`);
  expect((await api.call("GET", "/metrics")).text).not.toContain("SECRET");
});

test("/metrics is text for Prometheus, for GET and HEAD alone", async () => {
  const api = await openMeasuredApi();
  onTestFinished(() => api.close());
  const page = await api.call("GET", "/metrics");
  expect([page.status, page.headers.get("content-type")]).toEqual([
    200,
    "text/plain; version=0.0.4; charset=utf-8",
  ]);
  expect(page.text).toMatch(
    /^pullqueue_build_info\{version="\d+\.\d+\.\d+",node="v\d+.*",store="memory"\} 1$/m,
  );
  expect((await api.call("HEAD", "/metrics")).status).toBe(200);
  expect((await api.call("POST", "/metrics")).status).toBe(405);
});
