import { describe, expect, test } from "vitest";
import { WaitingCalls } from "../src/waiting-calls.js";
import { openApi, QUEUE, refusal } from "./support.js";

const WAITING = `${QUEUE}/tasks/lease?numTasks=1&leaseSecs=60&waitMs=30000&callId=mine`;

describe("taskqueues.cancelLease", () => {
  test("cancelLease answers a waiting lease of that name without tasks, and nothing stays leased", async () => {
    const { call, insert, lease } = openApi();
    const waiting = call("POST", WAITING);
    const other = call("POST", WAITING.replace("mine", "other").replace("/q/", "/q2/"));
    await new Promise((resolve) => setImmediate(resolve));
    const cancel = await call("POST", "s~p/taskqueues:cancelLease?callId=mine");
    expect(cancel.json).toEqual({ kind: "taskqueues#cancelResult", cancelled: true });
    expect((await waiting).json).toEqual({ kind: "taskqueue#tasks" });
    await insert();
    expect((await lease())[0]).toMatchObject({ retry_count: 1 });
    await call("POST", "p/taskqueues:cancelLease?callId=other");
    expect((await other).status).toBe(200);
  });

  test("cancelLease says when no such lease waits: finished, of another project, or never begun", async () => {
    const { call, insert } = openApi();
    const waiting = call("POST", WAITING);
    await new Promise((resolve) => setImmediate(resolve));
    const elsewhere = await call("POST", "p2/taskqueues:cancelLease?callId=mine");
    expect(elsewhere.json).toMatchObject({ cancelled: false });
    await insert();
    expect((await waiting).json.items).toHaveLength(1);
    const late = await call("POST", "p/taskqueues:cancelLease?callId=mine");
    expect(late.json).toMatchObject({ cancelled: false });
  });

  test("cancelLease needs a name, and one of at most 128 characters", async () => {
    const { call } = openApi();
    const none = await call("POST", "p/taskqueues:cancelLease");
    expect(refusal(none)).toEqual([400, "required", "callId"]);
    const long = await call("POST", `p/taskqueues:cancelLease?callId=${"x".repeat(129)}`);
    expect(refusal(long)[0]).toBe(400);
  });
});

describe("taskqueues.wait", () => {
  test("wait answers as soon as a task is there, and leases nothing", async () => {
    const { call, insert, lease } = openApi();
    const waiting = call("POST", "p/taskqueues:wait?taskqueue=q&taskqueue=r&waitMs=30000");
    await new Promise((resolve) => setImmediate(resolve));
    await insert();
    expect((await waiting).json).toEqual({ kind: "taskqueues#waitResult", available: true });
    expect((await lease())[0]).toMatchObject({ retry_count: 1 });
  });

  test("wait answers at once when a task is there already", async () => {
    const { call, insert } = openApi();
    await insert();
    const answer = await call("POST", "p/taskqueues:wait?taskqueue=none&taskqueue=q&waitMs=30000");
    expect(answer.json).toMatchObject({ available: true });
  });

  test("wait answers false when time is up, and 503 when the server closes", async () => {
    const closing = new AbortController();
    const { call, clock } = openApi({ closing: closing.signal });
    const waiting = call("POST", "p/taskqueues:wait?taskqueue=q&waitMs=1000");
    const cut = call("POST", "p/taskqueues:wait?taskqueue=q&waitMs=30000");
    await new Promise((resolve) => setImmediate(resolve));
    clock.advance(1000);
    expect((await waiting).json).toMatchObject({ available: false });
    closing.abort(new Error("closing"));
    expect(refusal(await cut)).toEqual([503, "backendError", undefined]);
  });
});

describe("WaitingCalls", () => {
  test("cancel() ends the latest call of a name, also when an earlier one of that name has ended since", async () => {
    const calls = new WaitingCalls();
    let endFirst = () => {};
    const firstWork = new Promise<void>((resolve) => {
      endFirst = resolve;
    });
    const first = calls.run("mine", () => firstWork);
    const second = calls.run(
      "mine",
      (cancelled) =>
        new Promise<string>((resolve) => cancelled.addEventListener("abort", () => resolve("cancelled"))),
    );
    endFirst();
    await first;
    expect(calls.cancel("mine")).toBe(true);
    expect(await second).toBe("cancelled");
    expect(calls.cancel("mine")).toBe(false);
  });
});
