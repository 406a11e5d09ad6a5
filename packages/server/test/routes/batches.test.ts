import { describe, expect, test } from "vitest";
import { type AnswerJson, openApi, QUEUE, refusal } from "../support.js";

/** Each outcome as `ok` or its code. */
function outcomes({ items }: AnswerJson): readonly string[] {
  return items.map(({ error }) => (error === undefined ? "ok" : `${error.code} ${error.status}`));
}

describe("tasks.batchInsert", () => {
  test("tasks.batchInsert stores each good item and refuses each bad one, in order", async () => {
    const { call } = openApi();
    const { json, status } = await call("POST", `${QUEUE}/tasks:batchInsert`, {
      items: [
        { payloadBase64: "MQ==", id: "a" },
        { payloadBase64: "#" },
        { payloadBase64: "Mg==", id: "a" },
        5,
        { id: "b" },
        { payloadBase64: "Mw==", tag: "t", queueName: "q" },
        { payloadBase64: "", queueName: "other" },
      ],
    });
    expect([status, json.kind]).toEqual([200, "taskqueues#batchResult"]);
    expect(outcomes(json)).toEqual([
      "ok",
      "400 invalid_argument",
      "409 already_exists",
      "400 invalid_argument",
      "400 invalid_argument",
      "ok",
      "400 invalid_argument",
    ]);
    expect(json.items[5]?.task).toMatchObject({ tag: "t", retry_count: 0 });
    expect((await call("GET", `${QUEUE}/tasks`)).json.items).toHaveLength(2);
  });

  test("tasks.batchInsert takes 1000 items and refuses 1001 whole", async () => {
    const { call } = openApi();
    const items = Array.from({ length: 1001 }, () => ({ payloadBase64: "" }));
    const many = await call("POST", `${QUEUE}/tasks:batchInsert`, { items });
    expect(refusal(many)).toEqual([400, "invalid", "items"]);
    const fits = await call("POST", `${QUEUE}/tasks:batchInsert`, { items: items.slice(1) });
    expect(new Set(outcomes(fits.json))).toEqual(new Set(["ok"]));
  });

  test("tasks.batchInsert takes a body larger than a single insert's", async () => {
    const { call } = openApi();
    const payloadBase64 = Buffer.alloc(1024 * 1024).toString("base64url");
    const items = Array.from({ length: 4 }, () => ({ payloadBase64 }));
    expect(outcomes((await call("POST", `${QUEUE}/tasks:batchInsert`, { items })).json)).toHaveLength(4);
  });

  test.each([
    [{}, "required"],
    [{ items: null }, "required"],
    [{ items: {} }, "invalid"],
  ])("tasks.batchInsert refuses the body %j", async (body, reason) => {
    const { call } = openApi();
    expect(refusal(await call("POST", `${QUEUE}/tasks:batchInsert`, body))).toEqual([400, reason, "items"]);
  });

  test("tasks.batchInsert of nothing answers with nothing", async () => {
    const { call } = openApi();
    const { json } = await call("POST", `${QUEUE}/tasks:batchInsert`, { items: [] });
    expect(json).toEqual({ kind: "taskqueues#batchResult", items: [] });
  });
});

describe("tasks.batchUpdate and tasks.batchDelete", () => {
  test("tasks.batchUpdate renews and gives back, fenced by retryCount or leaseTimestamp", async () => {
    const { call, insert, lease, clock } = openApi();
    for (const id of ["a", "b", "c", "d"]) await insert({ id });
    const [a, b, c] = await lease();
    const { json } = await call("POST", `${QUEUE}/tasks:batchUpdate`, {
      items: [
        { id: "a", retryCount: 1, newLeaseSeconds: 90 },
        { id: "b", leaseTimestamp: b?.leaseTimestamp, newLeaseSeconds: 0, uncounted: true },
        { id: "c", retryCount: 2, newLeaseSeconds: 90 },
        { id: "nobody", newLeaseSeconds: 90 },
        { id: "d" },
        null,
      ],
    });
    expect(outcomes(json)).toEqual([
      "ok",
      "ok",
      "400 lease_lost",
      "400 lease_lost",
      "400 invalid_argument",
      "400 invalid_argument",
    ]);
    expect(json.items[0]?.task?.leaseTimestamp).toBe(String(clock.nowUs() + 90_000_000));
    expect(json.items[1]?.task).toMatchObject({ retry_count: 1, uncountedLeases: 1 });
    expect([a?.id, c?.id]).toEqual(["a", "c"]);
    expect((await lease()).map(({ id }) => id)).toEqual(["b"]);
  });

  test("tasks.batchDelete deletes each task whose fence holds", async () => {
    const { call, insert, lease } = openApi();
    for (const id of ["a", "b", "c"]) await insert({ id });
    await lease();
    const { json } = await call("POST", `${QUEUE}/tasks:batchDelete`, {
      items: [{ id: "a" }, { id: "b", retryCount: 1 }, { id: "c", retryCount: 2 }, { id: "nobody" }, {}],
    });
    expect(json.items.slice(0, 2)).toEqual([{}, {}]);
    expect(outcomes(json).slice(2)).toEqual(["400 lease_lost", "404 not_found", "400 invalid_argument"]);
    expect((await call("GET", `${QUEUE}/tasks`)).json.items.map(({ id }) => id)).toEqual(["c"]);
  });

  test.each(["batchUpdate", "batchDelete"])("tasks.%s of an unknown queue is 404", async (verb) => {
    const { call } = openApi();
    const answer = await call("POST", `${QUEUE}/tasks:${verb}`, { items: [{ id: "a", newLeaseSeconds: 1 }] });
    expect(refusal(answer)).toEqual([404, "notFound", "taskqueue"]);
  });
});
