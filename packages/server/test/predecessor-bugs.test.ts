import { expect, test } from "vitest";
import { openApi, QUEUE, refusal } from "./support.js";

/**
 * Weaknesses that AppScale's implementation of this API is known for, one test for each that a server can have.
 * The details are tested with the methods; these make sure that none comes back.
 */

test("leased tasks come in the order of their ETA, whatever the order of their insertion", async () => {
  const { insert, lease, clock } = openApi();
  const now = clock.nowUs();
  for (const ms of [9, 3, 7, 1, 5])
    await insert({ tag: String(ms), leaseTimestamp: String(now + ms * 1000) });
  clock.advance(10);
  expect((await lease()).map(({ tag }) => tag)).toEqual(["1", "3", "5", "7", "9"]);
});

test("tasks at the retry limit are deleted when met, and no longer counted", async () => {
  const { call, insert, lease, clock } = openApi();
  await call("PUT", QUEUE, { maxLeases: 2 });
  const { id } = await insert();
  for (const count of [1, 2]) {
    expect((await lease()).map(({ retry_count }) => retry_count)).toEqual([count]);
    clock.advance(60_000);
  }
  expect(await lease()).toEqual([]);
  expect((await call("GET", `${QUEUE}/tasks/${id}`)).status).toBe(404);
  expect((await call("GET", `${QUEUE}?getStats=true`)).json.stats?.totalTasks).toBe(0);
});

test("the implicit tag is that of the oldest available task: leased ones do not count, and none is a tag", async () => {
  const { insert, lease, clock } = openApi();
  await insert({ tag: "leased" });
  await lease();
  clock.advance(1);
  await insert();
  clock.advance(1);
  await insert({ tag: "later" });
  await insert();
  expect((await lease("&groupByTag=true")).map(({ tag }) => tag)).toEqual([undefined, undefined]);
});

test("getStats=false and groupByTag=false are false", async () => {
  const { call, insert, lease } = openApi();
  await insert({ tag: "a" });
  await insert({ tag: "b" });
  expect((await call("GET", `${QUEUE}?getStats=false`)).json.stats).toBeUndefined();
  expect(await lease("&groupByTag=false")).toHaveLength(2);
});

test("a missing task and a missing queue are answered by every method, never with 500", async () => {
  const { call, insert } = openApi({}, { createQueues: false });
  await insert();
  const body = { queueName: "q", payloadBase64: "", leaseTimestamp: "1" };
  for (const [method, path] of [
    ["GET", QUEUE],
    ["GET", `${QUEUE}/tasks`],
    ["POST", `${QUEUE}/tasks`],
    ["POST", `${QUEUE}/tasks/lease?numTasks=1&leaseSecs=1`],
    ["GET", `${QUEUE}/tasks/x`],
    ["POST", `${QUEUE}/tasks/x?newLeaseSeconds=1`],
    ["PATCH", `${QUEUE}/tasks/x?newLeaseSeconds=1`],
    ["DELETE", `${QUEUE}/tasks/x`],
  ] as const) {
    const answer = await call(method, path, method === "GET" ? undefined : body);
    expect([path, ...refusal(answer).slice(0, 2)]).toEqual([path, 404, "notFound"]);
  }
});

test("negative and zero numbers, large payloads and far ETAs are refused", async () => {
  const { call } = openApi();
  const statuses = [
    await call("POST", `${QUEUE}/tasks/lease?numTasks=0&leaseSecs=1`),
    await call("POST", `${QUEUE}/tasks/lease?numTasks=1&leaseSecs=-1`),
    await call("PATCH", `${QUEUE}/tasks/x?newLeaseSeconds=-1`, { queueName: "q" }),
    await call("POST", `${QUEUE}/tasks`, { payloadBase64: "", leaseTimestamp: "99999999999999999" }),
    await call("POST", `${QUEUE}/tasks`, { payloadBase64: "A".repeat(1_500_000) }),
  ].map(({ status }) => status);
  expect(statuses).toEqual([400, 400, 400, 400, 413]);
});

test("fields knows paths, wildcards and bare items, and needs no queueName to lease", async () => {
  const { call, insert } = openApi();
  const { id } = await insert();
  const select = async (fields: string) =>
    (await call("POST", `${QUEUE}/tasks/lease?numTasks=1&leaseSecs=0&fields=${fields}`)).json;
  expect(await select("items(id)")).toEqual({ items: [{ id }] });
  expect(await select("items/id")).toEqual({ items: [{ id }] });
  expect(await select("*/id")).toEqual({ items: [{ id }] });
  expect((await select("items")).items[0]).toHaveProperty("payloadBase64");
});

test("stats are numbers, acl is shown, and maxLeases is absent when there is no limit", async () => {
  const { call } = openApi();
  const acl = { consumerEmails: ["w@example.com"], producerEmails: [] };
  await call("PUT", QUEUE, { acl });
  const { json } = await call("GET", `${QUEUE}?getStats=true`);
  expect(json.stats).toMatchObject({ leasedLastMinute: "0", leasedLastHour: "0" });
  expect(json.acl).toEqual(acl);
  expect(json).not.toHaveProperty("maxLeases");
});

test("kinds and names are Google's: taskqueue#tasks for a lease, full names with their prefix", async () => {
  const { call, insert } = openApi();
  const { queueName } = await insert();
  expect(queueName).toBe("projects/s~p/taskqueues/q");
  expect((await call("GET", QUEUE)).json.id).toBe(queueName);
  const leased = await call("POST", `${QUEUE}/tasks/lease?numTasks=1&leaseSecs=0`);
  expect([leased.json.kind, (await call("GET", `${QUEUE}/tasks`)).json.kind]).toEqual([
    "taskqueue#tasks",
    "taskqueues#tasks",
  ]);
});

test("deleting twice is refused and does not move the tombstone", async () => {
  const { call, insert, clock } = openApi({}, { tombstoneMs: 1000 });
  await insert({ id: "mine" });
  await call("DELETE", `${QUEUE}/tasks/mine`);
  clock.advance(600);
  expect((await call("DELETE", `${QUEUE}/tasks/mine`)).status).toBe(400);
  clock.advance(401);
  expect((await insert({ id: "mine" })).id).toBe("mine");
});

test("padding is added where it lacks and nowhere else", async () => {
  const { insert } = openApi();
  expect((await insert({ payloadBase64: "eA==" })).payloadBase64).toBe("eA==");
  expect((await insert({ payloadBase64: "eHg" })).payloadBase64).toBe("eHg=");
  expect((await insert({ payloadBase64: "eHh4" })).payloadBase64).toBe("eHh4");
});

test("bad values in bodies are 400 with a full envelope, never 500", async () => {
  const { call, insert, lease } = openApi();
  await insert();
  const [task] = await lease();
  const renew = `${QUEUE}/tasks/${task?.id}?newLeaseSeconds=1`;
  for (const answer of [
    await call("POST", `${QUEUE}/tasks`, { payloadBase64: "", id: "ä" }),
    await call("POST", `${QUEUE}/tasks`, { payloadBase64: "A" }),
    await call("POST", `${QUEUE}/tasks`, { payloadBase64: "", tag: "x".repeat(501) }),
    await call("POST", renew, { ...task, leaseTimestamp: "soon" }),
    await call("POST", renew, { ...task, id: {} }),
  ]) {
    expect(answer.json.error).toMatchObject({ code: 400, errors: [{ domain: "global", reason: "invalid" }] });
  }
});

test("a leased task can be sent back unchanged, by POST and PATCH", async () => {
  const { call, insert } = openApi();
  await insert({}, "example.com:app/taskqueues/q");
  const path = "example.com:app/taskqueues/q/tasks";
  let task = (await call("POST", `${path}/lease?numTasks=1&leaseSecs=60`)).json.items[0]!;
  for (const method of ["POST", "PATCH"]) {
    const answer = await call(method, `${path}/${task.id}?newLeaseSeconds=60`, task);
    expect(answer.status).toBe(200);
    task = { ...task, ...answer.json, kind: "taskqueues#task" };
  }
});

test("somebody who does not hold a lease cannot move it", async () => {
  const { call, insert, lease, clock } = openApi();
  await insert();
  const [late] = await lease();
  clock.advance(60_000);
  await lease();
  const answer = await call("PATCH", `${QUEUE}/tasks/${late?.id}?newLeaseSeconds=0`, late);
  expect(answer.json.error.message).toBe("The task lease has expired");
});

test("after expiry the task that was passed over comes first", async () => {
  const { call, insert, clock } = openApi();
  for (let i = 0; i < 3; i++) {
    await insert();
    clock.advance(1);
  }
  const counts = async (numTasks: number) => {
    const { json } = await call("POST", `${QUEUE}/tasks/lease?numTasks=${numTasks}&leaseSecs=5`);
    clock.advance(1);
    return json.items?.map(({ retry_count }) => retry_count) ?? [];
  };
  expect([await counts(3), await counts(3)]).toEqual([[1, 1, 1], []]);
  clock.advance(5000);
  expect([await counts(2), await counts(2)]).toEqual([[2, 2], [2]]);
  clock.advance(5000);
  expect(await counts(2)).toEqual([3, 3]);
  clock.advance(5000);
  expect(await counts(3)).toEqual([3, 4, 4]);
});
