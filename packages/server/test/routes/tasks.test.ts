import { describe, expect, test } from "vitest";
import { openApi, QUEUE, refusal } from "../support.js";

const MICROSECONDS = 1_000_000;

describe("tasks.insert", () => {
  test("tasks.insert answers with the stored task, times in microseconds as strings", async () => {
    const { call } = openApi();
    const answer = await call("POST", `${QUEUE}/tasks`, {
      kind: "taskqueues#task",
      queueName: "q",
      payloadBase64: "eyJhIjoxfQ==",
      tag: "resize",
    });
    expect(answer.status).toBe(200);
    expect(answer.headers.get("content-type")).toBe("application/json; charset=UTF-8");
    expect(answer.json).toEqual({
      kind: "taskqueues#task",
      id: expect.stringMatching(/^[0-9a-f]{16}$/),
      queueName: "projects/s~p/taskqueues/q",
      payloadBase64: "eyJhIjoxfQ==",
      enqueueTimestamp: "1767225600000000",
      leaseTimestamp: "0",
      retry_count: 0,
      tag: "resize",
    });
  });

  test("tasks.insert shows enqueueTimestamp in whole seconds and the ETA of a delayed task", async () => {
    const { clock, insert } = openApi();
    clock.advance(1234);
    const eta = String(clock.nowUs() + 5 * MICROSECONDS);
    const task = await insert({ leaseTimestamp: eta });
    expect([task.enqueueTimestamp, task.leaseTimestamp]).toEqual(["1767225601000000", eta]);
  });

  test("tasks.insert takes 64-bit fields as numbers and ignores what clients may not set", async () => {
    const { insert } = openApi();
    const task = await insert({
      leaseTimestamp: 0,
      enqueueTimestamp: 5,
      retry_count: 7,
      groupByTag: true,
      kind: 3,
    });
    expect([task.leaseTimestamp, task.retry_count, task.enqueueTimestamp]).toEqual([
      "0",
      0,
      "1767225600000000",
    ]);
  });

  test.each(["q", "projects/p/taskqueues/q", "projects/s~p/taskqueues/q", "projects/e~p/taskqueues/q"])(
    "tasks.insert accepts the queueName %s",
    async (queueName) => {
      const { call } = openApi();
      const answer = await call("POST", `${QUEUE}/tasks`, { queueName, payloadBase64: "" });
      expect(answer.status).toBe(200);
    },
  );

  test("tasks.insert accepts a missing queueName and null for absent fields", async () => {
    const { insert } = openApi();
    expect((await insert({ queueName: null, tag: null, id: null })).id).toMatch(/^[0-9a-f]{16}$/);
  });

  test.each([
    ["another queue", { queueName: "other" }, [400, "invalid", "queueName"]],
    ["another project", { queueName: "projects/x/taskqueues/q" }, [400, "invalid", "queueName"]],
    ["no payload", { payloadBase64: undefined }, [400, "required", "payloadBase64"]],
    ["bad base64", { payloadBase64: "invalid#payload" }, [400, "invalid", "payloadBase64"]],
    ["a payload that is no text", { payloadBase64: 5 }, [400, "invalid", "payloadBase64"]],
    ["a bad id", { id: "a b" }, [400, "invalid", "id"]],
    ["the id lease, whose address is the lease call", { id: "lease" }, [400, "invalid", "id"]],
    ["an id of the generated form", { id: "0123456789abcdef" }, [400, "invalid", "id"]],
    ["a long tag", { tag: "x".repeat(501) }, [400, "invalid", "tag"]],
    ["a negative ETA", { leaseTimestamp: -1 }, [400, "invalid", "leaseTimestamp"]],
    ["an ETA past 30 days", { leaseTimestamp: "9000000000000000" }, [400, "invalid", "leaseTimestamp"]],
    ["an ETA that is no number", { leaseTimestamp: "soon" }, [400, "invalid", "leaseTimestamp"]],
    ["a delay and an ETA", { leaseTimestamp: 5, delayMs: 5 }, [400, "invalid", "delayMs"]],
  ])("tasks.insert refuses %s and stores nothing", async (_, fields, expected) => {
    const { call } = openApi();
    const answer = await call("POST", `${QUEUE}/tasks`, { payloadBase64: "eA==", ...fields });
    expect(refusal(answer)).toEqual(expected);
    expect((await call("GET", `${QUEUE}/tasks`)).json.items).toBeUndefined();
  });

  test.each([
    ["nothing", undefined],
    ["no JSON", "{"],
    ["an array", "[]"],
    ["null", "null"],
    ["a number", "5"],
    ["JSON that is not UTF-8", Buffer.from('{"payloadBase64":"","tag":"ä"}', "latin1")],
  ])("tasks.insert refuses %s as a body with parseError", async (_, body) => {
    const { call } = openApi();
    expect(refusal(await call("POST", `${QUEUE}/tasks`, body))).toEqual([400, "parseError", undefined]);
  });

  test.each([
    ["URL-safe", "_NDQaWRvMm_1UQ==", "_NDQaWRvMm_1UQ=="],
    ["standard, as the Python client sent it", "/NDQaWRvMm/1UQ==", "_NDQaWRvMm_1UQ=="],
    ["without padding", "_NDQaWRvMm_1UQ", "_NDQaWRvMm_1UQ=="],
    ["with unused bits set", "asdf123", "asdf120="],
    ["empty", "", ""],
  ])("tasks.insert takes base64 that is %s and answers canonically", async (_, sent, shown) => {
    const { insert } = openApi();
    expect((await insert({ payloadBase64: sent })).payloadBase64).toBe(shown);
  });

  test("tasks.insert keeps a payload of 1 MiB and refuses one byte more with 413", async () => {
    const { call } = openApi();
    const bytes = Buffer.alloc(1024 * 1024, 7);
    const fits = await call("POST", `${QUEUE}/tasks`, { payloadBase64: bytes.toString("base64url") });
    expect(Buffer.from(fits.json.payloadBase64 ?? "", "base64url").equals(bytes)).toBe(true);
    const more = Buffer.alloc(1024 * 1024 + 1).toString("base64url");
    expect(refusal(await call("POST", `${QUEUE}/tasks`, { payloadBase64: more })).slice(0, 2)).toEqual([
      413,
      "uploadTooLarge",
    ]);
  });

  test("tasks.insert refuses a chosen id twice with 409, also after its task was deleted", async () => {
    const { call, insert, clock } = openApi();
    await insert({ id: "mine" });
    const twice = await call("POST", `${QUEUE}/tasks`, { payloadBase64: "", id: "mine" });
    expect(refusal(twice).slice(0, 2)).toEqual([409, "duplicate"]);
    await call("DELETE", `${QUEUE}/tasks/mine`);
    const buried = await call("POST", `${QUEUE}/tasks`, { payloadBase64: "", id: "mine" });
    expect(refusal(buried).slice(0, 2)).toEqual([409, "duplicate"]);
    clock.advance(7 * 24 * 3600 * 1000 + 1);
    expect((await insert({ id: "mine" })).id).toBe("mine");
  });

  test("tasks.insert with a repeated idempotencyKey adds nothing and gives the first task again", async () => {
    const { call, insert } = openApi();
    const first = await insert({ idempotencyKey: "k" });
    expect((await insert({ idempotencyKey: "k" })).id).toBe(first.id);
    expect((await call("GET", `${QUEUE}/tasks`)).json.items).toHaveLength(1);
  });

  test("tasks.insert delays a task by delayMs of the server's clock", async () => {
    const { insert, lease, clock } = openApi();
    await insert({ delayMs: 1000 });
    expect(await lease()).toEqual([]);
    clock.advance(1000);
    expect(await lease()).toHaveLength(1);
  });
});

describe("tasks.get and tasks.list", () => {
  test("tasks.get shows a task with its payload and does not lease it", async () => {
    const { call, insert } = openApi();
    const task = await insert({ id: "one" });
    expect((await call("GET", `${QUEUE}/tasks/one`)).json).toEqual(task);
    expect((await call("GET", `${QUEUE}/tasks/one`)).json.retry_count).toBe(0);
  });

  test("tasks.get of an unknown task is 404 notFound", async () => {
    const { call, insert } = openApi();
    await insert();
    expect(refusal(await call("GET", `${QUEUE}/tasks/nobody`))).toEqual([404, "notFound", "task"]);
  });

  test("tasks.list shows leased tasks too, oldest first, without payloads", async () => {
    const { call, insert, lease, clock } = openApi();
    const later = await insert({ leaseTimestamp: String(clock.nowUs() + MICROSECONDS) });
    const now = await insert({ tag: "t" });
    const [held] = await lease("&groupByTag=true&tag=t");
    const { json } = await call("GET", `${QUEUE}/tasks`);
    expect(json.kind).toBe("taskqueues#tasks");
    expect(json.items.map(({ id }) => id)).toEqual([later.id, now.id]);
    expect(json.items[1]).toEqual({ ...now, ...held, payloadBase64: undefined });
  });

  test("tasks.list has no items when there are none, and is 404 for an unknown queue", async () => {
    const { call, insert } = openApi();
    const { id } = await insert();
    await call("DELETE", `${QUEUE}/tasks/${id}`);
    expect((await call("GET", `${QUEUE}/tasks`)).json).toEqual({ kind: "taskqueues#tasks" });
    expect(refusal(await call("GET", "p/taskqueues/none/tasks"))).toEqual([404, "notFound", "taskqueue"]);
  });

  test("tasks.list pages through everything, 100 at a time unless told otherwise", async () => {
    const { call, insert } = openApi();
    for (let i = 0; i < 103; i++) await insert();
    const first = (await call("GET", `${QUEUE}/tasks`)).json;
    expect(first.items).toHaveLength(100);
    const second = (await call("GET", `${QUEUE}/tasks?pageToken=${first.nextPageToken}&maxResults=2`)).json;
    expect(second.items).toHaveLength(2);
    const last = (await call("GET", `${QUEUE}/tasks?pageToken=${second.nextPageToken}`)).json;
    expect(last.items).toHaveLength(1);
    expect(last.nextPageToken).toBeUndefined();
    const ids = [first, second, last].flatMap(({ items }) => items.map(({ id }) => id));
    expect(new Set(ids).size).toBe(103);
  });

  test.each(["maxResults=0", "maxResults=101", "maxResults=x", "pageToken=%21"])(
    "tasks.list refuses %s",
    async (query) => {
      const { call, insert } = openApi();
      await insert();
      expect((await call("GET", `${QUEUE}/tasks?${query}`)).status).toBe(400);
    },
  );
});

describe("tasks.delete", () => {
  test("tasks.delete removes a task whoever holds it and answers 200 without a body", async () => {
    const { call, insert, lease } = openApi();
    const { id } = await insert();
    await lease();
    const answer = await call("DELETE", `${QUEUE}/tasks/${id}`);
    expect([answer.status, answer.text]).toEqual([200, ""]);
    expect((await call("GET", `${QUEUE}/tasks/${id}`)).status).toBe(404);
  });

  test("tasks.delete of an unknown task is Google's 400, twice too", async () => {
    const { call, insert } = openApi();
    const { id } = await insert();
    await call("DELETE", `${QUEUE}/tasks/${id}`);
    const answer = await call("DELETE", `${QUEUE}/tasks/${id}`);
    expect(refusal(answer)).toEqual([400, "invalid", "task"]);
    expect([answer.json.error.message, answer.json.error.status]).toEqual([
      "task name is invalid",
      "not_found",
    ]);
  });

  test("tasks.delete of an unknown queue is 404 and creates none", async () => {
    const { call } = openApi();
    expect(refusal(await call("DELETE", `${QUEUE}/tasks/x`))).toEqual([404, "notFound", "taskqueue"]);
    expect((await call("GET", QUEUE)).status).toBe(404);
  });

  test("tasks.delete with a fence is refused when the lease is another's", async () => {
    const { call, insert, lease, clock } = openApi();
    const { id } = await insert();
    const [first] = await lease();
    clock.advance(60_001);
    const [second] = await lease();
    for (const fence of ["retryCount=1", `leaseTimestamp=${first?.leaseTimestamp}`]) {
      const late = await call("DELETE", `${QUEUE}/tasks/${id}?${fence}`);
      expect([late.status, late.json.error.status]).toEqual([400, "lease_lost"]);
    }
    const fence = `retryCount=2&leaseTimestamp=${second?.leaseTimestamp}`;
    expect((await call("DELETE", `${QUEUE}/tasks/${id}?${fence}`)).status).toBe(200);
  });
});
