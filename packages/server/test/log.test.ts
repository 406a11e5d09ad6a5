import { expect, test } from "vitest";
import { createLog, type LogLevel } from "../src/log.js";
import { batchBody, batchRequest, readBatch } from "./batch-support.js";
import { openApi, QUEUE } from "./support.js";

/** A log and its lines. */
function openLog(level: LogLevel, format: "json" | "pretty" = "json") {
  const lines: string[] = [];
  const log = createLog({ level, format, stream: { write: (line: string) => void lines.push(line) } });
  return { log, lines, entries: () => lines.map((line) => JSON.parse(line) as Record<string, unknown>) };
}

test("each request is one line with method, path, status, time, id, project and queue", async () => {
  const { log, entries } = openLog("debug");
  const { call, insert } = openApi({ log });
  await insert();
  await call("GET", "s~p/taskqueues/none?access_token=SECRET");
  expect(entries()).toEqual([
    {
      level: 20,
      time: expect.stringMatching(/^\d{4}-\d\d-\d\dT/),
      request: expect.stringMatching(/^[0-9a-f]{16}-\d+$/),
      method: "POST",
      path: "/taskqueue/v1beta2/projects/p/taskqueues/q/tasks",
      project: "p",
      queue: "q",
      status: 200,
      ms: expect.any(Number),
      msg: "request",
    },
    expect.objectContaining({ level: 30, status: 404, queue: "none", code: "not_found" }),
  ]);
});

test("a request to no queue has no queue in its line", async () => {
  const { log, entries } = openLog("debug");
  await openApi({ log }).call("GET", "s~p/taskqueues");
  expect(entries()).toMatchObject([{ project: "p", status: 200 }]);
  expect(entries()[0]).not.toHaveProperty("queue");
});

test("each call of a batch has a line and an id of its own, and the batch's id beside it", async () => {
  const { log, entries } = openLog("debug");
  const { handler } = openApi({ log });
  const calls = ["a", "b"].map((id) => `GET /taskqueue/v1beta2/projects/p/taskqueues/q/tasks/${id}`);
  const answers = await readBatch(
    await handler(batchRequest(batchBody(...calls), { "x-request-id": "whole" })),
  );
  const ids = answers.map(({ headers }) => headers.get("x-request-id"));
  expect(new Set([...ids, "whole"]).size).toBe(3);
  expect(entries()).toEqual([
    ...ids.map((request) => expect.objectContaining({ request, batch: "whole", status: 404 })),
    expect.objectContaining({ request: "whole", path: "/batch/taskqueue/v1beta2", status: 200 }),
  ]);
});

const TRACE_ID = "0af7651916cd43dd8448eb211c80319c";

test("a request's line has the trace id of a valid traceparent, and none of a bad one", async () => {
  const { log, entries } = openLog("debug");
  const { call } = openApi({ log });
  const headers = { traceparent: `00-${TRACE_ID}-b7ad6b7169203331-01` };
  await call("GET", QUEUE, undefined, { headers });
  await call("GET", QUEUE, undefined, { headers: { traceparent: "00-1-2-3" } });
  expect(entries().map((entry) => entry.traceId)).toEqual([TRACE_ID, undefined]);
});

test("tokens and keys of the query never reach the log", async () => {
  const { log, lines } = openLog("debug");
  const { call } = openApi({ log });
  for (const name of ["access_token", "oauth_token", "key", "access%5Ftoken"]) {
    await call("GET", `${QUEUE}?${name}=SECRET&fields=x`);
    await call("GET", `/nowhere?${name}=SECRET`);
  }
  expect(lines).toHaveLength(8);
  expect(lines.join("")).not.toContain("SECRET");
});

test("successful requests are not logged at info, refused ones are", async () => {
  const { log, entries } = openLog("info");
  const { call, insert } = openApi({ log });
  await insert();
  await call("DELETE", `${QUEUE}/tasks/nobody`);
  await call("PUT", `${QUEUE}/tasks/nobody`);
  expect(entries().map(({ status, code }) => [status, code])).toEqual([
    [400, "not_found"],
    [405, undefined],
  ]);
});

test("a failure of the server is logged at error with its cause, which the client does not see", async () => {
  const { log, entries } = openLog("info");
  const { store } = openApi();
  const broken = Object.assign(Object.create(store) as typeof store, {
    getQueue: () => Promise.reject(new Error("disk on fire")),
  });
  const { call } = openApi({ log, store: broken });
  expect((await call("GET", QUEUE)).text).not.toContain("fire");
  expect(entries()).toEqual([
    expect.objectContaining({
      level: 50,
      status: 500,
      err: expect.objectContaining({ message: "disk on fire", stack: expect.any(String) }),
    }),
  ]);
});

test("createLog() in pretty writes one line for people, control characters escaped", async () => {
  const { log, lines } = openLog("debug", "pretty");
  const { call } = openApi({ log });
  await call("GET", "p/taskqueues/%1b%5b31m");
  expect(lines).toEqual([expect.stringMatching(/^\[.*INFO: request \{.*"status":400.*\n$/)]);
  // Escape sequences in names must not reach a terminal.
  expect(lines[0]).toContain(String.raw`\u001b[31m`);
  expect(lines[0]).not.toContain("\u001b");
});
