import { manualClock, type QueueAdmin, type QueueStore } from "@pullqueue/core";
import { openMemoryStore } from "@pullqueue/core/stores/memory";
import { Registry } from "prom-client";
import { expect, test } from "vitest";
import { QueueGauges } from "../../src/metrics/queue-gauges.js";
import { QueueNames } from "../../src/metrics/queue-names.js";
import { readPage } from "./support.js";

const QUEUE = { project: "p", queue: "q" };

/** Gauges over a memory store whose listings the test can hold back or break, and count. */
function openGauges(names = new QueueNames()) {
  const clock = manualClock();
  const store = openMemoryStore({ clock });
  let looks = 0;
  let before: () => Promise<void> | void = () => {};
  const looked: Pick<QueueStore & QueueAdmin, "listProjects" | "listQueues"> = {
    async listProjects(options) {
      looks += 1;
      await before();
      return (await store.listProjects?.(options)) ?? [];
    },
    listQueues: (...parameters) => store.listQueues(...parameters),
  };
  const registry = new Registry();
  const gone: string[] = [];
  const gauges = new QueueGauges({
    registry,
    names,
    store: looked,
    clock,
    onGone: (labels) => gone.push(...labels.map(({ queue }) => queue)),
  });
  const read = async () => readPage(await registry.metrics());
  const hold = (work: typeof before) => {
    before = work;
  };
  return { clock, store, gauges, read, gone, hold, looks: () => looks };
}

const task = { payload: Buffer.from("12345") };

test("refresh() counts tasks by state, payload bytes, the age of the oldest, and paused queues", async () => {
  const { clock, store, gauges, read } = openGauges();
  await store.insert(QUEUE, [task, task, task, { ...task, delayMs: 60_000 }]);
  await store.insert({ ...QUEUE, queue: "empty" }, []);
  await store.putQueue({ project: "p2", queue: "q" }, (await store.getQueue(QUEUE)).settings);
  await store.pauseQueue({ project: "p2", queue: "q" });
  clock.advance(7_000);
  await store.lease([QUEUE], { maxTasks: 1, leaseMs: 30_000 });
  await gauges.refresh();
  const series = await read();
  const value = (name: string, labels = 'project="p",queue="q"') => series.get(`${name}{${labels}}`);
  const tasks = (state: string) => value("pullqueue_queue_tasks", `project="p",queue="q",state="${state}"`);
  expect(["available", "delayed", "leased"].map(tasks)).toEqual([2, 1, 1]);
  expect(value("pullqueue_queue_payload_bytes")).toBe(20);
  expect(value("pullqueue_queue_oldest_task_age_seconds")).toBe(7);
  expect(value("pullqueue_queues")).toBe(1);
  expect(value("pullqueue_queue_paused")).toBe(0);
  expect(value("pullqueue_queue_paused", 'project="p2",queue="q"')).toBe(1);
});

test("refresh() counts no sooner than 10 s after the last time, and the page says how old the counts are", async () => {
  const { clock, gauges, read, looks } = openGauges();
  expect((await read()).get("pullqueue_queue_counts_age_seconds")).toBeNaN();
  await gauges.refresh();
  clock.advance(9_999);
  await gauges.refresh();
  expect(looks()).toBe(1);
  expect((await read()).get("pullqueue_queue_counts_age_seconds")).toBe(9.999);
  clock.advance(1);
  await gauges.refresh();
  expect(looks()).toBe(2);
});

test("refresh() counts once for all who ask, waits a second at most, and rests nine times as long as it took", async () => {
  const { clock, gauges, hold, looks } = openGauges();
  let go = () => {};
  hold(() => new Promise<void>((resolve) => (go = resolve)));
  const asking = [gauges.refresh(), gauges.refresh()];
  clock.advance(1_000);
  await Promise.all(asking);
  expect(looks()).toBe(1);
  clock.advance(1_000);
  const last = gauges.refresh();
  go();
  await last;
  hold(() => {});
  clock.advance(17_999);
  await gauges.refresh();
  expect(looks()).toBe(1);
  clock.advance(1);
  await gauges.refresh();
  expect(looks()).toBe(2);
});

test("refresh() keeps the old counts when the store fails, and counts the failure", async () => {
  const { clock, store, gauges, read, hold } = openGauges();
  await store.insert(QUEUE, [task]);
  await gauges.refresh();
  hold(() => Promise.reject(new Error("the store is away")));
  clock.advance(10_000);
  await gauges.refresh();
  const series = await read();
  expect(series.get("pullqueue_queue_counts_failures_total")).toBe(1);
  expect(series.get('pullqueue_queue_payload_bytes{project="p",queue="q"}')).toBe(5);
  expect(series.get("pullqueue_queue_counts_age_seconds")).toBe(10);
});

test("refresh() sums queues beyond the limit, and forgets those that are gone", async () => {
  const { clock, store, gauges, read, gone } = openGauges(new QueueNames(2));
  for (const queue of ["a", "b", "c", "d"]) await store.insert({ project: "p", queue }, [task]);
  await gauges.refresh();
  expect((await read()).get('pullqueue_queues{project="",queue="_others"}')).toBe(2);
  expect((await read()).get('pullqueue_queue_payload_bytes{project="",queue="_others"}')).toBe(10);
  await store.deleteQueue({ project: "p", queue: "a" });
  clock.advance(10_000);
  await gauges.refresh();
  expect(gone).toEqual(["a"]);
  const series = await read();
  expect([...series.keys()].filter((name) => name.includes('queue="a"'))).toEqual([]);
  clock.advance(10_000);
  await gauges.refresh();
  expect((await read()).get('pullqueue_queues{project="p",queue="c"}')).toBe(1);
});

test("refresh() reads more queues than it counts at once", async () => {
  const { store, gauges, read } = openGauges();
  for (let index = 0; index < 25; index++) await store.insert({ project: "p", queue: `q${index}` }, [task]);
  await gauges.refresh();
  expect([...(await read()).keys()].filter((name) => name.startsWith("pullqueue_queues{"))).toHaveLength(25);
});

test("close() ends a count under way; nothing is counted after", async () => {
  const { clock, gauges, hold, looks, read } = openGauges();
  hold(() => new Promise<void>((resolve) => setImmediate(resolve)));
  const asking = gauges.refresh();
  await gauges.close();
  await asking;
  clock.advance(60_000);
  await gauges.refresh();
  expect(looks()).toBe(1);
  expect((await read()).get("pullqueue_queue_counts_failures_total")).toBe(0);
});
