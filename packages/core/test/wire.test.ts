import { describe, expect, test } from "vitest";
import { QueueError } from "../src/errors.js";
import { asciiJson, BatchBody, writeFence, writeNewTask } from "../src/stores/http-batch-text.js";
import type { LeaseFence, NewTask, Task } from "../src/task.js";
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
  taskFromWire,
  taskToWire,
} from "../src/wire.js";
import { describe as describeValue, readInteger, readStrings } from "../src/wire-read.js";

const queue = { project: "app", queue: "q" };

/** What is written into the body of a batch. */
function written(write: (body: BatchBody) => void): string {
  const body = new BatchBody();
  write(body);
  const text = Buffer.from(body.bytes).toString();
  body.free();
  return text;
}
const newTaskText = (task: NewTask, name: string) => written((body) => writeNewTask(task, name, body));
const fenceText = (fence: LeaseFence) => written((body) => writeFence(fence, "", body));

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
const TRACEPARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
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

  test("writes a trace context and where a dead letter came from, and taskFromWire() reads them", () => {
    const letter = {
      ...task,
      retryCount: 3,
      uncounted: 3,
      traceparent: TRACEPARENT,
      tracestate: "a=b",
      deadLetter: { queue: "origin", id: "t0", reason: "retry_limit", retryCount: 3, atUs: NOW_US },
      payload: Buffer.from("x"),
    } as const;
    const wire = taskToWire(letter, "s~");
    expect(wire).toMatchObject({
      traceparent: TRACEPARENT,
      tracestate: "a=b",
      deadLetter: {
        queueName: "projects/s~app/taskqueues/origin",
        id: "t0",
        reason: "retry_limit",
        retryCount: 3,
        timestamp: String(NOW_US),
      },
    });
    expect(taskFromWire(JSON.parse(JSON.stringify(wire)), queue)).toEqual({
      ...letter,
      enqueuedAtUs: NOW_US - (NOW_US % 1_000_000),
    });
    for (const field of ["traceparent", "tracestate", "deadLetter"]) {
      expect(taskToWire(task, "")).not.toHaveProperty(field);
    }
  });

  test("taskFromWire() says what is wrong with a dead letter", () => {
    const read = (deadLetter: unknown) => () => taskFromWire({ id: "t", deadLetter }, queue);
    const origin = { queueName: "q", id: "t", reason: "retention" };
    expect(read(origin)).not.toThrow();
    expect(read("lost")).toThrow(refusal("deadLetter"));
    expect(read({ ...origin, reason: "boredom" })).toThrow(/retry_limit or retention, got "boredom"/);
    expect(read({ ...origin, queueName: undefined })).toThrow(refusal("queueName"));
    expect(read({ ...origin, id: 5 })).toThrow(refusal("id"));
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

describe("writeNewTask(), newTaskToWire() and newTaskFromWire()", () => {
  const full = {
    payload: Buffer.from("x"),
    id: "t",
    tag: "",
    etaUs: undefined,
    delayMs: 1_500,
    idempotencyKey: "k",
    traceparent: TRACEPARENT,
    tracestate: "a=b",
  };

  test("carry every field to a server that knows the extensions", () => {
    expect(newTaskFromWire(JSON.parse(newTaskText(full, '"q"')), queue)).toEqual(full);
  });

  test("are ASCII alone, whatever stands in a task", () => {
    const odd = {
      ...full,
      tag: 'ключ "\\\u0007\u007f😀',
      idempotencyKey: "ü\n",
      etaUs: 5,
      delayMs: undefined,
    };
    const text = newTaskText(odd, asciiJson("очередь"));
    expect(text).toMatch(/^[ -~]*$/);
    expect(newTaskFromWire(JSON.parse(text), { project: "app", queue: "очередь" })).toEqual(odd);
  });

  test("are written one after the other into a body that grows, and is another's afterwards", () => {
    const large = { payload: Buffer.alloc(100_000, 7) };
    const [first, second] = [new BatchBody(), new BatchBody()];
    for (const body of [first, second]) {
      for (const task of [full, large]) writeNewTask(task, '"q"', body);
    }
    expect(first.bytes).toEqual(second.bytes);
    first.free();
    const third = new BatchBody();
    writeNewTask({ payload: Buffer.from("other") }, '"q"', third);
    const texts = Buffer.from(second.bytes).toString().split("}{");
    expect(newTaskFromWire(JSON.parse(`{${texts[1]}`), queue).payload).toEqual(large.payload);
    expect(newTaskFromWire(JSON.parse(Buffer.from(third.bytes).toString()), queue).payload).toEqual(
      Buffer.from("other"),
    );
    expect(first.bytes.byteLength).toBe(0);
  });

  test("send no extension to a plain server", () => {
    const extensions = { delayMs: 5, idempotencyKey: "k", traceparent: TRACEPARENT, tracestate: "a=b" };
    const json = newTaskToWire({ payload: new Uint8Array(), ...extensions }, queue);
    expect(json).toEqual({ kind: "taskqueues#task", queueName: "q", payloadBase64: "" });
  });

  test("give a task that has no trace context that of its request, all of it or nothing", () => {
    const context = { traceparent: TRACEPARENT, tracestate: "header=1" };
    const read = (fields: object) => newTaskFromWire({ payloadBase64: "", ...fields }, queue, context);
    const own = TRACEPARENT.replace("0af7", "1af7");
    expect(read({})).toMatchObject(context);
    expect(read({ traceparent: null })).toMatchObject(context);
    expect(read({ traceparent: own })).toMatchObject({ traceparent: own });
    expect(read({ traceparent: own })).not.toHaveProperty("tracestate");
    expect(read({ tracestate: "a=b" })).toMatchObject({ tracestate: "a=b" });
    expect(read({ tracestate: "a=b" })).not.toHaveProperty("traceparent");
    expect(() => read({ traceparent: 5 })).toThrow(refusal("traceparent"));
  });

  test("round a delay up to whole milliseconds, so that no task is early", () => {
    expect(JSON.parse(newTaskText({ payload: new Uint8Array(), delayMs: 0.25 }, '"q"'))).toMatchObject({
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
  test("writeFence(), fenceToWire() and fenceFromWire() carry the lease, or none", () => {
    for (const fence of [
      { id: "t", retryCount: 2, leaseEndUs: NOW_US },
      { id: "t", retryCount: 0, leaseEndUs: undefined },
      { id: "t", retryCount: undefined, leaseEndUs: undefined },
    ]) {
      expect(fenceFromWire(fenceToWire(fence))).toEqual(fence);
      expect(fenceFromWire(JSON.parse(fenceText(fence)))).toEqual(fence);
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
