import { describe, expect, test } from "vitest";
import { openApi, QUEUE, refusal } from "../support.js";

const MICROSECONDS = 1_000_000;

describe.each(["POST", "PATCH"])("renewal by %s", (method) => {
  const setUp = async () => {
    const api = openApi();
    const { id } = await api.insert({ tag: "t" });
    const [task] = await api.lease();
    const renew = (body: unknown, query = "newLeaseSeconds=90") =>
      api.call(method, `${QUEUE}/tasks/${id}?${query}`, body);
    return { ...api, id, task: task!, renew };
  };

  test("renewal counts the new lease from now and keeps the retry count", async () => {
    const { renew, task, clock } = await setUp();
    clock.advance(10_000);
    const { json, status } = await renew(task);
    expect([status, json.leaseTimestamp, json.retry_count]).toEqual([
      200,
      String(clock.nowUs() + 90 * MICROSECONDS),
      1,
    ]);
    expect([json.id, json.queueName, json.tag]).toEqual([task.id, task.queueName, "t"]);
  });

  test("renewal with 0 gives the task back at once", async () => {
    const { renew, task, lease } = await setUp();
    expect((await renew(task, "newLeaseSeconds=0")).status).toBe(200);
    expect((await lease()).map(({ retry_count }) => retry_count)).toEqual([2]);
  });

  test.each([
    ["a lease that has moved", { leaseTimestamp: "1767225660000001" }],
    ["an unknown task", { id: undefined, leaseTimestamp: "1767225660000000" }],
  ])("renewal of %s says that the lease has expired", async (_, change) => {
    const { call, task } = await setUp();
    const path = "id" in change ? "nobody" : task.id;
    const body = { ...task, ...change };
    const answer = await call(method, `${QUEUE}/tasks/${path}?newLeaseSeconds=9`, body);
    expect(refusal(answer).slice(0, 2)).toEqual([400, "invalid"]);
    expect([answer.json.error.message, answer.json.error.status]).toEqual([
      "The task lease has expired",
      "lease_lost",
    ]);
  });

  test("renewal of a lease that has ended, or of a task never leased, is refused", async () => {
    const { renew, task, clock, insert, call } = await setUp();
    clock.advance(60_000);
    expect((await renew(task)).json.error.message).toBe("The task lease has expired");
    const eta = String(clock.nowUs() + MICROSECONDS);
    const delayed = await insert({ leaseTimestamp: eta });
    const answer = await call(method, `${QUEUE}/tasks/${delayed.id}?newLeaseSeconds=9`, delayed);
    expect(answer.json.error.message).toBe("The task lease has expired");
  });

  test.each([
    ["", [400, "required", "newLeaseSeconds"]],
    ["newLeaseSeconds=-1", [400, "invalidParameter", "newLeaseSeconds"]],
    ["newLeaseSeconds=604801", [400, "invalidParameter", "newLeaseSeconds"]],
    ["newLeaseSeconds=1.5", [400, "invalidParameter", "newLeaseSeconds"]],
    ["newLeaseSeconds=", [400, "invalidParameter", "newLeaseSeconds"]],
    ["newLeaseSeconds=1&newLeaseSeconds=1", [400, "invalidParameter", "newLeaseSeconds"]],
  ])("renewal refuses the query %j", async (query, expected) => {
    const { renew, task } = await setUp();
    expect(refusal(await renew(task, query))).toEqual(expected);
  });

  test.each([
    ["another queue", { queueName: "other" }, [400, "invalid", "queueName"]],
    ["a leaseTimestamp that is no number", { leaseTimestamp: "x" }, [400, "invalid", "leaseTimestamp"]],
    ["an id that is no text", { id: 5 }, [400, "invalid", "id"]],
  ])("renewal refuses %s in the body", async (_, change, expected) => {
    const { renew, task } = await setUp();
    expect(refusal(await renew({ ...task, ...change }))).toEqual(expected);
  });

  test("renewal refuses an absent body and an unknown queue", async () => {
    const { renew, call, task } = await setUp();
    expect(refusal(await renew(undefined))).toEqual([400, "parseError", undefined]);
    const body = { ...task, queueName: "none" };
    const answer = await call(method, `p/taskqueues/none/tasks/${task.id}?newLeaseSeconds=9`, body);
    expect(refusal(answer)).toEqual([404, "notFound", "taskqueue"]);
  });
});

describe("tasks.update", () => {
  test("tasks.update takes the id from the body, and the path's when the body has none", async () => {
    const { call, insert, lease } = openApi();
    await insert();
    const [task] = await lease();
    const other = await call("POST", `${QUEUE}/tasks/somebody?newLeaseSeconds=70`, task);
    expect(other.json.id).toBe(task?.id);
    const { leaseTimestamp } = other.json;
    const bare = await call("POST", `${QUEUE}/tasks/${task?.id}?newLeaseSeconds=70`, { leaseTimestamp });
    expect(bare.status).toBe(200);
  });

  test("tasks.update needs a leaseTimestamp", async () => {
    const { call, insert, lease } = openApi();
    await insert();
    const [task] = await lease();
    for (const leaseTimestamp of [undefined, null]) {
      const body = { ...task, leaseTimestamp };
      const answer = await call("POST", `${QUEUE}/tasks/${task?.id}?newLeaseSeconds=7`, body);
      expect(refusal(answer)).toEqual([400, "required", "leaseTimestamp"]);
    }
  });

  test("a task called lease is not updated by POST: the lease call has its address", async () => {
    const { call, insert } = openApi();
    await insert();
    const { json } = await call("POST", `${QUEUE}/tasks/lease?numTasks=1&leaseSecs=5`, { leaseTimestamp: 1 });
    expect(json.kind).toBe("taskqueue#tasks");
  });
});

describe("tasks.patch", () => {
  test.each([
    ["no leaseTimestamp", { queueName: "q" }],
    ["leaseTimestamp 0", { queueName: "projects/s~p/taskqueues/q", leaseTimestamp: "0" }],
    ["null", { queueName: "q", leaseTimestamp: null, id: null }],
  ])("tasks.patch with %s renews any live lease", async (_, body) => {
    const { call, insert, lease } = openApi();
    const { id } = await insert();
    await lease();
    expect((await call("PATCH", `${QUEUE}/tasks/${id}?newLeaseSeconds=7`, body)).status).toBe(200);
  });

  test("tasks.patch needs queueName and refuses another id than the path's", async () => {
    const { call, insert, lease } = openApi();
    const { id } = await insert();
    await lease();
    const path = `${QUEUE}/tasks/${id}?newLeaseSeconds=7`;
    const unnamed = await call("PATCH", path, { id });
    expect(refusal(unnamed)).toEqual([400, "invalid", "queueName"]);
    expect(unnamed.json.error.message).toMatch(/^queueName is invalid/);
    const other = await call("PATCH", path, { queueName: "q", id: "other" });
    expect(refusal(other)).toEqual([400, "invalid", "id"]);
  });

  test("tasks.patch may be tunnelled through POST with X-HTTP-Method-Override", async () => {
    const { call, insert, lease } = openApi();
    const { id } = await insert();
    await lease();
    const answer = await call(
      "POST",
      `${QUEUE}/tasks/${id}?newLeaseSeconds=7`,
      { queueName: "q" },
      { headers: { "x-http-method-override": "PATCH" } },
    );
    expect(answer.status).toBe(200);
  });
});
