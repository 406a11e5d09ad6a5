import { expect, test } from "vitest";
import type { Task } from "../src/task.js";
import { taskToWire } from "../src/wire.js";
import { isAsciiTask, taskToText } from "../src/wire-text.js";

const TASK: Task & { readonly payload?: Uint8Array } = {
  queue: { project: "p", queue: 'a"queue' },
  id: "0123\u2028\ud800\n",
  payload: Buffer.from([0xff, 0xfe, 0, 1]),
  tag: undefined,
  enqueuedAtUs: 1_767_225_600_123_456,
  etaUs: 1_767_225_600_123_456,
  retryCount: 0,
  uncounted: 0,
};

const { payload: _, ...WITHOUT_PAYLOAD } = TASK;

test.each<[string, typeof TASK]>([
  ["as it was inserted", TASK],
  ["whose names need no escape", { ...TASK, id: "0123_-", queue: { project: "example.com:p", queue: "q" } }],
  ["without its payload", WITHOUT_PAYLOAD],
  ["with an empty payload", { ...TASK, payload: new Uint8Array() }],
  ["that is leased", { ...TASK, retryCount: 3, etaUs: TASK.etaUs + 1 }],
  ["with a tag", { ...TASK, tag: 'a\n"tag"' }],
  ["with leases that do not count", { ...TASK, retryCount: 3, uncounted: 2 }],
  ["with a trace", { ...TASK, traceparent: `00-${"a".repeat(32)}-${"b".repeat(16)}-01`, tracestate: "a=b" }],
  [
    "that is a dead letter",
    { ...TASK, deadLetter: { queue: "q", id: "1", reason: "retry_limit", retryCount: 2, atUs: 5 } },
  ],
])("taskToText() writes a task %s as JSON.stringify does", (_name, task) => {
  const wire = taskToWire(task, "s~");
  expect(taskToText(task, task.payload, "s~", undefined)).toBe(JSON.stringify(wire));
  expect(taskToText(task, task.payload, "s~", 0)).toBe(JSON.stringify(wire, null, 1));
  const inList = JSON.stringify({ items: [wire] }, null, 1);
  expect(`{\n "items": [\n  ${taskToText(task, task.payload, "s~", 2)}\n ]\n}`).toBe(inList);
});

test.each<[string, Partial<Task>, boolean]>([
  ["whose names need no escape", {}, true],
  ["that is leased", { retryCount: 3, etaUs: TASK.etaUs + 1 }, true],
  ["of a queue that is not ASCII", { queue: { project: "p", queue: "spät" } }, false],
  ["with a tag", { tag: "ä" }, false],
])("isAsciiTask() tells a task %s", (_name, more, expected) => {
  const task = { ...TASK, id: "0123", queue: { project: "p", queue: "q" }, ...more };
  expect(isAsciiTask(task, "s~")).toBe(expected);
  if (expected) expect(taskToText(task, TASK.payload, "s~", 0)).toMatch(/^[\x00-\x7f]*$/);
});
