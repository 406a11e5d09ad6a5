import { getEventListeners } from "node:events";
import { BASE_PATH, DEFAULT_QUEUE_SETTINGS } from "@pullqueue/core";
import { describe, expect, test } from "vitest";
import { ORIGIN, openApi, QUEUE, refusal } from "../support.js";

const LEASE = `${QUEUE}/tasks/lease`;

describe("tasks.lease", () => {
  test("tasks.lease gives the oldest tasks with payload, a common end and a retry_count of 1", async () => {
    const { call, insert, clock } = openApi();
    const eta = String(clock.nowUs() + 5_000_000);
    const second = await insert({ payloadBase64: "Mg==", leaseTimestamp: eta });
    const first = await insert({ payloadBase64: "MQ==" });
    clock.advance(5000);
    const { json, status } = await call("POST", `${LEASE}?numTasks=2&leaseSecs=60&alt=json`);
    expect([status, json.kind]).toEqual([200, "taskqueue#tasks"]);
    const leaseTimestamp = String(clock.nowUs() + 60_000_000);
    expect(json.items).toEqual([
      { ...first, leaseTimestamp, retry_count: 1 },
      { ...second, leaseTimestamp, retry_count: 1 },
    ]);
  });

  test("tasks.lease has no items when nothing is available", async () => {
    const { call } = openApi();
    const { json } = await call("POST", `${LEASE}?numTasks=1&leaseSecs=1`);
    expect(json).toEqual({ kind: "taskqueue#tasks" });
  });

  test.each([undefined, "{}", "numTasks=9"])("tasks.lease ignores the body %j", async (body) => {
    const { call } = openApi();
    const headers = { "content-length": String(body?.length ?? 0) };
    const answer = await call("POST", `${LEASE}?numTasks=1&leaseSecs=1`, body, { headers });
    expect(answer.status).toBe(200);
  });

  test("tasks.lease refuses a body too large to ignore", async () => {
    const { call } = openApi();
    const body = "x".repeat(65 * 1024);
    const headers = { "content-length": String(body.length) };
    const answer = await call("POST", `${LEASE}?numTasks=1&leaseSecs=1`, body, { headers });
    expect(answer.status).toBe(413);
  });

  test.each([
    ["", "required", "numTasks"],
    ["numTasks=1", "required", "leaseSecs"],
    ["leaseSecs=1", "required", "numTasks"],
    ["numTasks=0&leaseSecs=1", "invalidParameter", "numTasks"],
    ["numTasks=-3&leaseSecs=1", "invalidParameter", "numTasks"],
    ["numTasks=1001&leaseSecs=1", "invalidParameter", "numTasks"],
    ["numTasks=1e2&leaseSecs=1", "invalidParameter", "numTasks"],
    ["numTasks=+1&leaseSecs=1", "invalidParameter", "numTasks"],
    ["numTasks=0x10&leaseSecs=1", "invalidParameter", "numTasks"],
    ["numTasks=1&leaseSecs=-1", "invalidParameter", "leaseSecs"],
    ["numTasks=1&leaseSecs=604801", "invalidParameter", "leaseSecs"],
    ["numTasks=1&leaseSecs=99999999999999999999", "invalidParameter", "leaseSecs"],
    ["numTasks=1&leaseSecs=ten", "invalidParameter", "leaseSecs"],
    ["numTasks=1&numTasks=1&leaseSecs=1", "invalidParameter", "numTasks"],
    ["numTasks=1&leaseSecs=1&groupByTag=true&tag=x&tag=x", "invalidParameter", "tag"],
    ["numTasks=1&leaseSecs=1&groupByTag=1", "invalidParameter", "groupByTag"],
    ["numTasks=1&leaseSecs=1&groupByTag=", "invalidParameter", "groupByTag"],
    ["numTasks=1&leaseSecs=1&waitMs=55001", "invalidParameter", "waitMs"],
    ["numTasks=1&leaseSecs=1&waitMs=-1", "invalidParameter", "waitMs"],
    ["numTasks=1&leaseSecs=1&payloadBytesMax=0", "invalidParameter", "payloadBytesMax"],
    ["numTasks=1&leaseSecs=1&payloadBytesMax=33554433", "invalidParameter", "payloadBytesMax"],
    ["numTasks=1&leaseSecs=1&tag=x", "invalid", "tag"],
    ["numTasks=1&leaseSecs=1&groupByTag=false&tag=x", "invalid", "tag"],
    ["numTasks=1&leaseSecs=1&tag=%ff", "invalidParameter", "tag"],
  ])("tasks.lease refuses the query %j and leases nothing", async (query, reason, location) => {
    const { call, insert, lease } = openApi();
    await insert();
    expect(refusal(await call("POST", `${LEASE}?${query}`))).toEqual([400, reason, location]);
    expect(await lease()).toHaveLength(1);
  });

  test("tasks.lease names the missing parameter in Google's words", async () => {
    const { call } = openApi();
    const { json } = await call("POST", `${LEASE}?numTasks=1`);
    expect(json.error.message).toBe("Required parameter: leaseSecs");
  });

  test.each([
    "numTasks=1&leaseSecs=0",
    "numTasks=1000&leaseSecs=604800",
    "numTasks=007&leaseSecs=1&x=1&x=2&",
  ])("tasks.lease accepts the query %j, ignoring what it does not know", async (query) => {
    const { call } = openApi();
    expect((await call("POST", `${LEASE}?${query}`)).status).toBe(200);
  });

  test("tasks.lease with leaseSecs=0 gives tasks that are available at once", async () => {
    const { call, insert } = openApi();
    await insert();
    for (const count of [1, 2]) {
      const { json } = await call("POST", `${LEASE}?numTasks=1&leaseSecs=0`);
      expect(json.items.map(({ retry_count }) => retry_count)).toEqual([count]);
    }
  });

  test("tasks.lease reads groupByTag=false as false", async () => {
    const { insert, lease } = openApi();
    await insert({ tag: "a" });
    await insert({ tag: "b" });
    expect(await lease("&groupByTag=false")).toHaveLength(2);
  });

  test("tasks.lease by tag: the given one, the oldest one's, an empty one as not given", async () => {
    const { insert, lease, clock } = openApi();
    for (const tag of ["ä b", "z", "ä b"]) {
      await insert({ tag });
      clock.advance(1);
    }
    expect((await lease("&groupByTag=true&tag=z")).map(({ tag }) => tag)).toEqual(["z"]);
    expect((await lease("&groupByTag=true&tag=")).map(({ tag }) => tag)).toEqual(["ä b", "ä b"]);
    clock.advance(60_001);
    expect(await lease("&groupByTag=true&tag=%C3%A4+b")).toHaveLength(2);
  });

  test("tasks.lease answers with at most 1 MiB of payload, or as much as was asked for, and with one task at least", async () => {
    const { call, insert } = openApi();
    const payloadBase64 = Buffer.alloc(600 * 1024).toString("base64url");
    for (let i = 0; i < 3; i++) await insert({ payloadBase64 });
    const size = async (query: string) =>
      (await call("POST", `${LEASE}?numTasks=9&leaseSecs=0${query}`)).json.items.length;
    expect(await size("")).toBe(1);
    expect(await size("&payloadBytesMax=1")).toBe(1);
    expect(await size("&payloadBytesMax=33554432")).toBe(3);
  });

  test("tasks.lease of a push queue says what the API is for", async () => {
    const { call } = openApi();
    await call("PUT", QUEUE, { mode: "push" });
    const answer = await call("POST", `${LEASE}?numTasks=1&leaseSecs=1`);
    expect(refusal(answer).slice(0, 2)).toEqual([400, "invalid"]);
    expect(answer.json.error.message).toMatch(
      /^The REST API is only applicable to pull queues\. "q" in .*mode: pull/,
    );
  });

  test("tasks.lease of a disabled queue hands nothing out, while inserts go on", async () => {
    const { call, insert } = openApi();
    await call("PUT", QUEUE, { disabled: true });
    expect((await insert()).id).toBeDefined();
    expect((await call("POST", `${LEASE}?numTasks=1&leaseSecs=1`)).status).toBe(404);
  });

  test("tasks.lease of an unknown queue is 404 where queues do not come into being on first use", async () => {
    const { call } = openApi({}, { createQueues: false });
    expect(refusal(await call("POST", `${LEASE}?numTasks=1&leaseSecs=1`))[0]).toBe(404);
  });
});

describe("a lease that waits", () => {
  test("tasks.lease with waitMs answers when a task is inserted", async () => {
    const { call, insert } = openApi();
    const waiting = call("POST", `${LEASE}?numTasks=1&leaseSecs=9&waitMs=55000`);
    const { id } = await insert();
    expect((await waiting).json.items.map((task) => task.id)).toEqual([id]);
  });

  test("tasks.lease with waitMs answers empty when the time is up", async () => {
    const { call, clock, store } = openApi();
    await store.putQueue({ project: "p", queue: "q" }, DEFAULT_QUEUE_SETTINGS);
    const waiting = call("POST", `${LEASE}?numTasks=1&leaseSecs=9&waitMs=500`);
    await new Promise(setImmediate);
    clock.advance(500);
    expect((await waiting).json).toEqual({ kind: "taskqueue#tasks" });
  });

  test("tasks.lease that waits is answered with 503 when the server closes, and later ones do not wait", async () => {
    const closing = new AbortController();
    const { call, insert, lease } = openApi({ closing: closing.signal });
    const waiting = call("POST", `${LEASE}?numTasks=1&leaseSecs=9&waitMs=55000`);
    await new Promise(setImmediate);
    closing.abort(new Error("closing"));
    expect(refusal(await waiting)).toEqual([503, "backendError", undefined]);
    const late = await call("POST", `${LEASE}?numTasks=1&leaseSecs=9&waitMs=55000`);
    expect([late.status, late.headers.get("retry-after")]).toEqual([503, "1"]);
    await insert();
    expect(await lease()).toHaveLength(1);
  });

  test("a lease that waited leaves no listener on the server's signal", async () => {
    const closing = new AbortController();
    const { call, insert } = openApi({ closing: closing.signal });
    const waiting = call("POST", `${LEASE}?numTasks=1&leaseSecs=9&waitMs=55000`);
    await new Promise(setImmediate);
    expect(getEventListeners(closing.signal, "abort")).toHaveLength(1);
    await insert();
    await waiting;
    expect(getEventListeners(closing.signal, "abort")).toEqual([]);
  });

  test.each(["before", "while"])("tasks.lease leases nothing for a client gone %s it waits", async (when) => {
    const { handler, insert, lease } = openApi();
    const client = new AbortController();
    if (when === "before") client.abort();
    const answer = handler(
      new Request(`${ORIGIN}${BASE_PATH}${LEASE}?numTasks=1&leaseSecs=9&waitMs=55000`, {
        method: "POST",
        signal: client.signal,
      }),
    );
    await new Promise(setImmediate);
    client.abort();
    expect((await answer).status).toBe(499);
    await insert();
    expect((await lease()).map(({ retry_count }) => retry_count)).toEqual([1]);
  });
});

test("tasks.lease that was cancelled has not failed because its client hangs up right afterwards", async () => {
  const client = new AbortController();
  const { store } = openApi();
  Object.assign(store, {
    lease: (...[, , { signal } = {}]: Parameters<typeof store.lease>) =>
      new Promise((_, reject) => {
        signal?.addEventListener("abort", () => {
          client.abort();
          reject(signal.reason);
        });
      }),
  });
  const api = openApi({ store });
  const url = `${ORIGIN}${BASE_PATH}${LEASE}?numTasks=1&leaseSecs=9&waitMs=55000&callId=mine`;
  const answer = api.handler(new Request(url, { method: "POST", signal: client.signal }));
  await new Promise(setImmediate);
  await api.call("POST", "p/taskqueues:cancelLease?callId=mine");
  expect((await answer).status).toBe(200);
});

test("tasks.lease gives tasks back, uncounted, when its client goes while the store is leasing", async () => {
  const client = new AbortController();
  const { store, insert, lease } = openApi();
  const leaseNow = store.lease.bind(store);
  Object.assign(store, {
    async lease(...[queues, request]: Parameters<typeof store.lease>) {
      const tasks = await leaseNow(queues, request);
      client.abort();
      return tasks;
    },
  });
  await insert();
  const api = openApi({ store });
  await api.call("POST", `${LEASE}?numTasks=1&leaseSecs=600`, undefined, { signal: client.signal });
  Object.assign(store, { lease: leaseNow });
  expect(await lease()).toEqual([expect.objectContaining({ retry_count: 2, uncountedLeases: 1 })]);
});

describe("taskqueues.lease", () => {
  const MANY = "p/taskqueues:lease?numTasks=9&leaseSecs=60";

  test("taskqueues.lease takes the oldest tasks of all queues together", async () => {
    const { call, insert, clock } = openApi();
    for (const queue of ["a", "b", "a"]) {
      await insert({}, `p/taskqueues/${queue}`);
      clock.advance(1);
    }
    const { json } = await call("POST", `${MANY}&taskqueue=b&taskqueue=a&taskqueue=a`);
    expect(json.kind).toBe("taskqueue#tasks");
    expect(json.items.map(({ queueName }) => queueName.at(-1))).toEqual(["a", "b", "a"]);
  });

  test("taskqueues.lease waits for a task of any of its queues", async () => {
    const { call, insert } = openApi();
    const waiting = call("POST", `${MANY}&taskqueue=a&taskqueue=b&waitMs=55000`);
    await insert({}, "p/taskqueues/b");
    expect((await waiting).json.items).toHaveLength(1);
  });

  test("taskqueues.lease needs a queue and takes 100 at most", async () => {
    const { call } = openApi();
    expect(refusal(await call("POST", MANY))).toEqual([400, "required", "taskqueue"]);
    const names = Array.from({ length: 101 }, (_, i) => `&taskqueue=q${i}`).join("");
    expect(refusal(await call("POST", MANY + names))).toEqual([400, "invalidParameter", "taskqueue"]);
  });

  test("taskqueues.lease takes names that need percent-encoding", async () => {
    const { call, insert } = openApi();
    await insert({}, "p/taskqueues/a%2Fb%20c");
    const { json } = await call("POST", `${MANY}&taskqueue=a%2Fb+c`);
    expect(json.items[0]?.queueName).toBe("projects/s~p/taskqueues/a/b c");
  });
});
