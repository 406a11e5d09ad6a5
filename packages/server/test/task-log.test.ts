import { DEFAULT_QUEUE_SETTINGS, manualClock, type QueueSettings } from "@pullqueue/core";
import { openMemoryStore } from "@pullqueue/core/stores/memory";
import { expect, test } from "vitest";
import { createLog } from "../src/log.js";
import { taskLog } from "../src/task-log.js";

const KEY = { project: "p", queue: "q" };

/** A store of one queue that is watched, and the lines about its tasks. */
async function open(life: Partial<QueueSettings>) {
  const lines: Record<string, unknown>[] = [];
  const stream = { write: (line: string) => void lines.push(JSON.parse(line) as Record<string, unknown>) };
  const clock = manualClock();
  const observer = taskLog(createLog({ level: "warn", format: "json", stream }));
  const store = openMemoryStore({ clock, observer });
  await store.putQueue(KEY, { ...DEFAULT_QUEUE_SETTINGS, ...life });
  return { clock, lines, store };
}

test("taskLog() logs a task that is dropped at its retry limit, and counts", async () => {
  const { lines, store } = await open({ maxLeases: 1 });
  await store.insert(KEY, [{ payload: new Uint8Array(), id: "a" }]);
  for (let n = 0; n < 2; n++) await store.lease([KEY], { maxTasks: 1, leaseMs: 0 });
  expect(lines).toMatchObject([
    { level: 40, ...KEY, task: "a", retryCount: 1, dropped: 1, msg: "a task was dropped at its retry limit" },
  ]);
});

test("taskLog() logs tasks whose retention is over, and counts", async () => {
  const { clock, lines, store } = await open({ retentionMs: 1000 });
  await store.insert(KEY, [
    { payload: new Uint8Array(), id: "a" },
    { payload: new Uint8Array(), id: "b" },
  ]);
  clock.advance(1001);
  expect(await store.sweep()).toEqual({ expiredTasks: 2, deadLetteredTasks: 0 });
  expect(lines).toMatchObject([
    { level: 40, ...KEY, task: "a", retryCount: 0, expired: 1 },
    { task: "b", expired: 2, msg: "a task was dropped because its retention was over" },
  ]);
});

test("taskLog() logs where a dead letter is now, and where it came from and why", async () => {
  const { clock, lines, store } = await open({ retentionMs: 1000, deadLetterQueue: "letters" });
  await store.insert(KEY, [{ payload: new Uint8Array(), id: "a" }]);
  clock.advance(1001);
  await store.sweep();
  expect(lines).toMatchObject([
    { level: 40, project: "p", queue: "letters", task: "a", from: "q", fromTask: "a", reason: "retention" },
  ]);
  expect(lines[0]).toMatchObject({ deadLettered: 1 });
});
