import { describe, expect, test } from "vitest";
import { requestIdOf } from "../src/request-id.js";
import { openApi, QUEUE } from "./support.js";

const MADE = /^[0-9a-f]{16}-\d+$/;

describe("requestIdOf()", () => {
  test.each(["a", "0af7-1", "~!@#$%^&*()", "x".repeat(128)])("requestIdOf() takes over %s", (id) => {
    expect(requestIdOf(new Headers({ "x-request-id": id }))).toBe(id);
  });

  test.each(["", "a b", "a\tb", "caf\u00e9", "x".repeat(129)])("requestIdOf() replaces %j", (id) => {
    expect(requestIdOf(new Headers({ "x-request-id": id }))).toMatch(MADE);
  });

  test("requestIdOf() makes each id once", () => {
    const ids = Array.from({ length: 10 }, () => requestIdOf(new Headers()));
    expect(new Set(ids).size).toBe(10);
  });
});

describe("x-request-id", () => {
  test.each([
    ["GET", "/healthz", 200],
    ["GET", "/readyz", 200],
    ["GET", "/discovery/v1/apis/taskqueue/v1beta2/rest", 200],
    ["POST", `${QUEUE}/tasks/lease?numTasks=1&leaseSecs=1`, 200],
    ["DELETE", `${QUEUE}/tasks/nobody`, 404],
    ["GET", "/nowhere", 404],
    ["PATCH", QUEUE, 405],
  ])("x-request-id is on the answer to %s %s (%i), as it was given or made", async (method, path, status) => {
    const { call } = openApi();
    const made = await call(method, path);
    expect([made.status, made.headers.get("x-request-id")]).toEqual([status, expect.stringMatching(MADE)]);
    const given = await call(method, path, undefined, { headers: { "x-request-id": "mine" } });
    expect(given.headers.get("x-request-id")).toBe("mine");
  });

  test("x-request-id is on the answer to a web page that is refused", async () => {
    const { call } = openApi();
    const headers = { origin: "https://somewhere.example", "x-request-id": "mine" };
    const answer = await call("GET", QUEUE, undefined, { headers });
    expect([answer.status, answer.headers.get("x-request-id")]).toEqual([403, "mine"]);
  });
});
