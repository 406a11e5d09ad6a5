import { describe, expect, test } from "vitest";
import { QueueError } from "../src/errors.js";
import { DEFAULT_QUEUE_SETTINGS, type QueueInfo, type Task } from "../src/task.js";
import {
  checkQueueName,
  extensionFromWire,
  extensionToWire,
  fenceFromWire,
  fenceToWire,
  itemResultFromWire,
  itemResultToWire,
  newTaskFromWire,
  newTaskToWire,
  queueFromWire,
  queueToWire,
  settingsFromWire,
  taskFromWire,
  taskToWire,
} from "../src/wire.js";
import { describe as describeValue, readInteger, readStrings } from "../src/wire-read.js";

const queue = { project: "app", queue: "q" };
const NOW_US = 1_767_225_600_123_456;
const task: Task = {
  queue,
  id: "t1",
  tag: undefined,
  enqueuedAtUs: NOW_US,
  etaUs: NOW_US,
  retryCount: 0,
  uncounted: 0,
};
const refusal = (location: string) => expect.objectContaining({ code: "invalid_argument", location });

describe("taskToWire()", () => {
  test("writes a task that was never leased nor delayed with leaseTimestamp 0, and whole seconds of enqueueing", () => {
    expect(taskToWire({ ...task, payload: Buffer.from("hello") }, "s~")).toEqual({
      kind: "taskqueues#task",
      id: "t1",
      queueName: "projects/s~app/taskqueues/q",
      payloadBase64: "aGVsbG8=",
      enqueueTimestamp: "1767225600000000",
      leaseTimestamp: "0",
      retry_count: 0,
    });
  });

  test("writes the eta of a delayed task and the end of a lease", () => {
    expect(taskToWire({ ...task, etaUs: NOW_US + 5 }, "").leaseTimestamp).toBe(String(NOW_US + 5));
    expect(taskToWire({ ...task, retryCount: 2 }, "")).toMatchObject({
      leaseTimestamp: String(NOW_US),
      retry_count: 2,
    });
  });

  test("writes the empty tag, no tag, and uncounted leases only where there are any", () => {
    expect(taskToWire({ ...task, tag: "" }, "")).toHaveProperty("tag", "");
    expect(taskToWire(task, "")).not.toHaveProperty("tag");
    expect(taskToWire(task, "")).not.toHaveProperty("uncountedLeases");
    expect(taskToWire({ ...task, uncounted: 3 }, "")).toHaveProperty("uncountedLeases", 3);
    expect(taskToWire(task, "")).not.toHaveProperty("payloadBase64");
  });
});

describe("taskFromWire()", () => {
  test("reads back what taskToWire() wrote of a leased task", () => {
    const leased = {
      ...task,
      tag: "x",
      enqueuedAtUs: 1_767_225_600_000_000,
      etaUs: NOW_US + 1,
      retryCount: 2,
      uncounted: 1,
      payload: Buffer.from([0, 255]),
    };
    expect(taskFromWire(JSON.parse(JSON.stringify(taskToWire(leased, "s~"))), queue)).toEqual(leased);
  });

  test("takes numbers for strings and strings for numbers, and null for absent", () => {
    const read = taskFromWire(
      { id: "t", leaseTimestamp: NOW_US, retry_count: "3", tag: null, payloadBase64: null },
      queue,
    );
    expect(read).toMatchObject({ etaUs: NOW_US, retryCount: 3, tag: undefined, enqueuedAtUs: 0 });
    expect(read.payload.byteLength).toBe(0);
  });

  test("takes the queue that the resource names, in the project that was asked", () => {
    const named = taskFromWire({ id: "t", queueName: "projects/s~other/taskqueues/a/b" }, queue);
    expect(named.queue).toEqual({ project: "app", queue: "a/b" });
  });

  test.each([
    [{ id: 7 }, "id"],
    [{}, "id"],
    [{ id: "t", retry_count: 1.5 }, "retry_count"],
    [{ id: "t", leaseTimestamp: "soon" }, "leaseTimestamp"],
    [{ id: "t", leaseTimestamp: "99999999999999999" }, "leaseTimestamp"],
    [{ id: "t", payloadBase64: "***" }, "payloadBase64"],
    [[], "task"],
    [null, "task"],
    ["t", "task"],
  ])("refuses %j, naming %s", (json, location) => {
    expect(() => taskFromWire(json, queue)).toThrow(refusal(location));
  });
});

describe("newTaskToWire() and newTaskFromWire()", () => {
  test("carry every field to a server that knows the extensions", () => {
    const full = {
      payload: Buffer.from("x"),
      id: "t",
      tag: "",
      etaUs: undefined,
      delayMs: 1_500,
      idempotencyKey: "k",
    };
    expect(newTaskFromWire(newTaskToWire(full, queue, true), queue)).toEqual(full);
  });

  test("send no extension to a plain server", () => {
    const json = newTaskToWire({ payload: new Uint8Array(), delayMs: 5, idempotencyKey: "k" }, queue, false);
    expect(json).toEqual({ kind: "taskqueues#task", queueName: "q", payloadBase64: "" });
  });

  test("round a delay up to whole milliseconds, so that no task is early", () => {
    expect(newTaskToWire({ payload: new Uint8Array(), delayMs: 0.25 }, queue, true)).toMatchObject({
      delayMs: 1,
    });
  });

  test("take leaseTimestamp for the first availability, and 0 for none", () => {
    const eta = (leaseTimestamp: unknown) =>
      newTaskFromWire({ payloadBase64: "", leaseTimestamp }, queue).etaUs;
    expect(eta("1767225600000001")).toBe(1_767_225_600_000_001);
    expect(eta("0")).toBeUndefined();
    expect(eta(0)).toBeUndefined();
    expect(eta(null)).toBeUndefined();
  });

  test("ignore what only a server sets", () => {
    const read = newTaskFromWire(
      { payloadBase64: "", kind: "x", enqueueTimestamp: "1", retry_count: 9, other: true },
      queue,
    );
    expect(read).toEqual({
      payload: Buffer.alloc(0),
      id: undefined,
      tag: undefined,
      etaUs: undefined,
      delayMs: undefined,
      idempotencyKey: undefined,
    });
  });

  test("refuse a task without a payload, saying that it is required", () => {
    expect(() => newTaskFromWire({}, queue)).toThrow(
      expect.objectContaining({ location: "payloadBase64", reason: "required" }),
    );
  });
});

describe("checkQueueName()", () => {
  test.each([
    undefined,
    null,
    "q",
    "projects/app/taskqueues/q",
    "projects/s~app/taskqueues/q",
    "projects/e~app/taskqueues/q",
  ])("takes %s for the queue of the path", (queueName) => {
    expect(() => checkQueueName({ queueName }, queue)).not.toThrow();
  });

  test.each(["other", "projects/app/taskqueues/other", "projects/other/taskqueues/q", ""])(
    "refuses %j",
    (queueName) => {
      expect(() => checkQueueName({ queueName }, queue)).toThrow(refusal("queueName"));
    },
  );

  test("takes the short name of a queue whose name is itself in the full form", () => {
    const odd = { project: "app", queue: "projects/x/taskqueues/y" };
    expect(() => checkQueueName({ queueName: odd.queue }, odd)).not.toThrow();
  });
});

describe("fences and extensions", () => {
  test("fenceToWire() and fenceFromWire() carry the lease, or none", () => {
    for (const fence of [
      { id: "t", retryCount: 2, leaseEndUs: NOW_US },
      { id: "t", retryCount: 0, leaseEndUs: undefined },
      { id: "t", retryCount: undefined, leaseEndUs: undefined },
    ]) {
      expect(fenceFromWire(fenceToWire(fence))).toEqual(fence);
    }
  });

  test("extensionToWire() rounds a lease up to whole seconds, and 0 stays 0", () => {
    expect(extensionToWire({ id: "t", leaseMs: 1 })).toEqual({ id: "t", newLeaseSeconds: 1 });
    expect(extensionToWire({ id: "t", leaseMs: 2_001 })).toMatchObject({ newLeaseSeconds: 3 });
    expect(extensionToWire({ id: "t", leaseMs: 0, uncounted: true })).toEqual({
      id: "t",
      newLeaseSeconds: 0,
      uncounted: true,
    });
  });

  test("extensionFromWire() reads seconds, and wants them", () => {
    expect(extensionFromWire({ id: "t", newLeaseSeconds: "7", retryCount: 1 })).toMatchObject({
      leaseMs: 7_000,
      retryCount: 1,
    });
    expect(() => extensionFromWire({ id: "t" })).toThrow(refusal("newLeaseSeconds"));
    expect(() => extensionFromWire("t")).toThrow(refusal("item"));
  });
});

describe("queueToWire() and queueFromWire()", () => {
  const info: QueueInfo = {
    key: { project: "app", queue: "a b" },
    settings: {
      ...DEFAULT_QUEUE_SETTINGS,
      mode: "push",
      maxLeases: 3,
      acl: { userEmails: ["u@example.com"], writerEmails: [] },
      disabled: true,
    },
    paused: false,
    stats: {
      totalTasks: 4,
      availableTasks: 1,
      leasedTasks: 0,
      payloadBytes: 0,
      oldestEtaUs: 1_767_225_600_000_000,
      leasedLastMinute: 2,
      leasedLastHour: 3,
    },
  };

  test("carry settings and counts", () => {
    expect(queueFromWire(JSON.parse(JSON.stringify(queueToWire(info, "s~"))), "app")).toEqual(info);
  });

  test("write counts in Google's types, the oldest task in whole seconds", () => {
    expect(queueToWire(info, "").stats).toEqual({
      totalTasks: 4,
      oldestTask: "1767225600",
      leasedLastMinute: "2",
      leasedLastHour: "3",
      availableTasks: 1,
    });
  });

  test("write nothing of a plain queue but its name", () => {
    const plain = {
      key: queue,
      settings: DEFAULT_QUEUE_SETTINGS,
      paused: false,
    };
    expect(queueToWire(plain, "s~")).toEqual({
      kind: "taskqueues#taskqueue",
      id: "projects/s~app/taskqueues/q",
    });
    expect(queueFromWire(queueToWire(plain, "s~"), "app")).toEqual(plain);
  });

  test("read an empty queue's missing oldest task as none", () => {
    const stats = { totalTasks: 0, oldestTask: "0" };
    expect(queueFromWire({ id: "q", stats }, "app").stats).toMatchObject({
      totalTasks: 0,
      availableTasks: 0,
      oldestEtaUs: undefined,
    });
  });

  test("settingsFromWire() takes null for absent, and refuses what is no setting", () => {
    expect(settingsFromWire({ acl: null, maxLeases: null, mode: null, disabled: null })).toEqual(
      DEFAULT_QUEUE_SETTINGS,
    );
    expect(() => settingsFromWire({ mode: "poll" })).toThrow(refusal("mode"));
    expect(() => settingsFromWire({ acl: [] })).toThrow(refusal("acl"));
    expect(() => settingsFromWire({ acl: { consumerEmails: "u@example.com" } })).toThrow(
      refusal("consumerEmails"),
    );
    expect(() => settingsFromWire({ disabled: "yes" })).toThrow(refusal("disabled"));
  });
});

describe("itemResultToWire() and itemResultFromWire()", () => {
  const read = (json: unknown) => taskFromWire(json, queue).id;

  test("carry a task, a failure and nothing", () => {
    expect(itemResultFromWire(itemResultToWire({ ok: true, value: task }, ""), read)).toEqual({
      ok: true,
      value: "t1",
    });
    expect(itemResultToWire({ ok: true, value: undefined }, "")).toEqual({});
    const failure = { ok: false, error: new QueueError("lease_lost", "gone", { location: "task" }) } as const;
    expect(itemResultFromWire(itemResultToWire(failure, ""), read)).toMatchObject({
      ok: false,
      error: { code: "lease_lost", message: "gone" },
    });
  });

  test("understand an error without a status, and null for no error", () => {
    expect(itemResultFromWire({ error: { message: "?" } }, read)).toMatchObject({
      ok: false,
      error: { code: "internal" },
    });
    expect(itemResultFromWire({ error: null }, () => 1)).toEqual({ ok: true, value: 1 });
  });
});

describe("readInteger()", () => {
  test.each([
    ["7", 7],
    ["-7", -7],
    [0, 0],
    [null, undefined],
    ["9007199254740991", 9_007_199_254_740_991],
  ])("reads %j as %j", (value, number) => {
    expect(readInteger({ n: value }, "n")).toBe(number);
  });

  test.each([1.5, "1.5", "", " 7", "0x7", "9007199254740993", Number.NaN, 2 ** 60, true, [], {}])(
    "refuses %j",
    (value) => {
      expect(() => readInteger({ n: value }, "n")).toThrow(refusal("n"));
    },
  );
});

describe("readStrings()", () => {
  test("refuses an array with anything else in it", () => {
    expect(readStrings({ a: ["x"] }, "a")).toEqual(["x"]);
    expect(readStrings({}, "a")).toEqual([]);
    expect(() => readStrings({ a: ["x", 1] }, "a")).toThrow(refusal("a"));
  });
});

describe("describe()", () => {
  test.each([
    [undefined, "nothing"],
    [null, "null"],
    [[1, 2], "an array of 2"],
    [{}, "an object"],
    ["short", '"short"'],
    [7, "7"],
    [Number.NaN, "NaN"],
    [Number.POSITIVE_INFINITY, "Infinity"],
  ])("says what %j is", (value, text) => {
    expect(describeValue(value)).toBe(text);
  });

  test("shows only the beginning of a long text", () => {
    expect(describeValue("x".repeat(500)).length).toBeLessThan(100);
  });
});
