import { BASE_PATH } from "@pullqueue/core";
import { describe, expect, test } from "vitest";
import { serveBatch } from "../src/batch.js";
import { BodyMemory } from "../src/body-memory.js";
import { BATCH, batchBody, batchRequest, callWith, readBatch } from "./batch-support.js";
import { ORIGIN, openApi } from "./support.js";

const SHARE = new BodyMemory().share();
const TASKS = `${BASE_PATH}s~my-app/taskqueues/pull-queue/tasks`;
const KEY = { project: "my-app", queue: "pull-queue" };

const insertion = (id: string) => callWith(`POST ${TASKS} HTTP/1.1`, { id, payloadBase64: "eA==" });

/** The message of an error answer. */
async function refusalOf(response: Response) {
  const { error } = (await response.json()) as { error: { code: number; message: string; status: string } };
  return error;
}

describe.each([BATCH, "/batch"])("POST %s", (path) => {
  test("serveBatch() answers each call in its place, with its id", async () => {
    const { handler, insert } = openApi();
    await insert({ id: "aaa" }, "my-app/taskqueues/pull-queue");
    const body = batchBody(
      `DELETE ${TASKS}/aaa HTTP/1.1\r\n`,
      insertion("bbb"),
      `GET ${TASKS}/none HTTP/1.1`,
    );
    const response = await handler(batchRequest(body, {}, path));
    expect(response.status).toBe(200);
    const answers = await readBatch(response);
    expect(answers.map(({ id, status }) => [id, status])).toEqual([
      ["<response-id + 1>", 200],
      ["<response-id + 2>", 200],
      ["<response-id + 3>", 404],
    ]);
    expect(answers[0]!.text).toBe("");
    expect(JSON.parse(answers[1]!.text)).toMatchObject({ id: "bbb", kind: "taskqueues#task" });
    expect(JSON.parse(answers[2]!.text)).toMatchObject({ error: { code: 404 } });
  });
});

test("serveBatch() reads a batch as Google's page on batches shows one", async () => {
  const { handler, insert } = openApi();
  await insert({}, "my-app/taskqueues/pull-queue");
  const body = [
    "A preamble is for people.",
    "--batch_foobarbaz",
    "Content-Type: application/http",
    "Content-ID: <item1:12930812@barnyard.example.com>",
    "",
    `GET ${TASKS}`,
    "",
    "--batch_foobarbaz \t",
    "Content-Type: application/http",
    "",
    `POST ${TASKS}`,
    "Content-Type: application/json",
    "",
    '{"payloadBase64": "eA=="}',
    "",
    "--batch_foobarbaz--",
    "So is an epilogue. --batch_foobarbaz",
  ].join("\n");
  const headers = { "content-type": 'Multipart/Mixed; charset=x; boundary="batch_foobarbaz"' };
  const answers = await readBatch(await handler(batchRequest(body, headers)));
  expect(answers.map(({ id, status }) => [id, status])).toEqual([
    ["<response-item1:12930812@barnyard.example.com>", 200],
    [undefined, 200],
  ]);
});

test("serveBatch() unfolds headers and keeps an id without brackets", async () => {
  const { handler } = openApi();
  const body = [
    "--b1",
    "Content-Type:",
    "\tapplication/http; msgtype=request",
    "Content-ID: <5d1e",
    "  + 1>",
    "",
    `POST ${TASKS}/lease?numTasks=1`,
    "",
    "",
    "--b1",
    "Content-Type: application/http",
    "Content-ID: plain",
    "",
    `GET ${TASKS}/x`,
    "--b1--",
  ].join("\r\n");
  const answers = await readBatch(await handler(batchRequest(body)));
  expect(answers.map(({ id }) => id)).toEqual(["<response-5d1e + 1>", "response-plain"]);
});

test("serveBatch() keeps a body as it is, whatever length its headers claim", async () => {
  const { handler, call } = openApi();
  const json = `{"id": "a",\r\n\n"payloadBase64": "eA==", "tag": "ä\u2028--b1"}`;
  const body = batchBody(
    `POST ${TASKS} HTTP/1.1\r\nContent-Length: 3\r\nHost: elsewhere.example\r\n\r\n${json}`,
  );
  const [answer] = await readBatch(await handler(batchRequest(body)));
  expect(answer!.status).toBe(200);
  expect((await call("GET", `${TASKS}/a`)).json.tag).toBe("ä\u2028--b1");
});

test("serveBatch() answers each call with an id of its own, or the one that the call was given", async () => {
  const { handler } = openApi();
  const body = batchBody(`GET ${TASKS}/a`, `GET ${TASKS}/b HTTP/1.1\r\nX-Request-Id: mine`, `GET ${TASKS}/c`);
  const response = await handler(batchRequest(body, { "x-request-id": "batch" }));
  expect(response.headers.get("x-request-id")).toBe("batch");
  const ids = [...(await response.text()).matchAll(/^x-request-id: (\S+)\r?$/gim)].map(([, id]) => id);
  expect(ids).toEqual([expect.stringMatching(/-\d+$/), "mine", expect.stringMatching(/-\d+$/)]);
  expect(new Set(ids).size).toBe(3);
});

test("serveBatch() gives its headers to its calls, except those of its own content and connection", async () => {
  const seen: Request[] = [];
  const outer = {
    authorization: "Bearer outer",
    "accept-encoding": "gzip",
    "content-language": "x",
    "x-http-method-override": "PUT",
    "x-request-id": "r",
    traceparent: "t",
  };
  const body = batchBody(
    `GET ${TASKS}/a HTTP/1.1\r\nauthorization: Bearer inner\r\nHost: h\r\nAccept-Encoding: gzip`,
    callWith(`POST ${TASKS}?a=b%20c HTTP/1.1\r\nContent-Length: 99`, { a: 1 }),
  );
  await serveBatch(batchRequest(body, outer), SHARE, async (call) => {
    seen.push(call);
    return new Response();
  });
  expect(seen.map(({ method, url }) => [method, url])).toEqual([
    ["GET", `${ORIGIN}${TASKS}/a`],
    ["POST", `${ORIGIN}${TASKS}?a=b%20c`],
  ]);
  expect(seen.map(({ headers }) => Object.fromEntries(headers))).toEqual([
    { authorization: "Bearer inner", traceparent: "t" },
    {
      authorization: "Bearer outer",
      traceparent: "t",
      "content-type": "application/json",
      "content-length": "7",
    },
  ]);
  expect(await seen[1]!.text()).toBe('{"a":1}');
});

test("serveBatch() lets its calls tunnel their methods", async () => {
  const { handler, insert } = openApi();
  await insert({ id: "a" }, "my-app/taskqueues/pull-queue");
  const patch = { queueName: "pull-queue" };
  const body = batchBody(
    callWith(`POST ${TASKS}/a?newLeaseSeconds=0 HTTP/1.1\r\nX-HTTP-Method-Override: PATCH`, patch),
    `POST ${TASKS} HTTP/1.1\r\nX-HTTP-Method-Override: GET`,
  );
  const answers = await readBatch(await handler(batchRequest(body)));
  expect(answers.map(({ text }) => JSON.parse(text))).toMatchObject([
    { error: { message: "The task lease has expired" } },
    { items: [{ id: "a" }] },
  ]);
});

test("serveBatch() makes 64 calls at a time, so that inserts share a commit, and the next when these have ended", async () => {
  const events: string[] = [];
  const body = batchBody(...Array.from({ length: 100 }, (_, index) => `GET /${index}`));
  await serveBatch(batchRequest(body), SHARE, async ({ url }) => {
    events.push(`begin ${url}`);
    await new Promise(setImmediate);
    events.push(`end ${url}`);
    return new Response();
  });
  const runs = (from: number, to: number, event: string) =>
    Array.from({ length: to - from }, (_, index) => `${event} ${ORIGIN}/${from + index}`);
  const [first, second] = [(event: string) => runs(0, 64, event), (event: string) => runs(64, 100, event)];
  expect(events).toEqual([...first("begin"), ...first("end"), ...second("begin"), ...second("end")]);
});

test("serveBatch() does not let calls wait, hand out large answers, or hold batches", async () => {
  const { handler, insert, call } = openApi();
  await insert({}, "my-app/taskqueues/pull-queue");
  const lease = `POST ${TASKS}/lease?numTasks=1&leaseSecs=60`;
  const nested = batchBody(`GET ${TASKS}/a`).replaceAll("--b1", "--b2");
  const body = batchBody(
    `${lease}&waitMs=1 HTTP/1.1`,
    `${lease}&payloadBytesMax=1048577 HTTP/1.1`,
    `POST ${BASE_PATH}my-app/taskqueues:wait?taskqueue=pull-queue&waitMs=9`,
    `POST /./batch HTTP/1.1\r\nContent-Type: multipart/mixed; boundary=b2\r\n\r\n${nested}`,
    `${lease}&waitMs=0&payloadBytesMax=1048576 HTTP/1.1`,
  );
  const answers = await readBatch(await handler(batchRequest(body)));
  expect(answers.map(({ status }) => status)).toEqual([400, 400, 400, 400, 200]);
  const locations = answers.slice(0, 3).map(({ text }) => JSON.parse(text).error.errors[0].location);
  expect(locations).toEqual(["waitMs", "payloadBytesMax", "waitMs"]);
  expect(JSON.parse(answers[4]!.text).items).toHaveLength(1);
  expect((await call("GET", TASKS)).json.items[0]).toMatchObject({ retry_count: 1 });
});

test("serveBatch() takes a thousand calls and not one more", async () => {
  const { handler, store } = openApi();
  const ids = Array.from({ length: 1001 }, (_, index) => `t${index}`);
  const refused = await handler(batchRequest(batchBody(...ids.map(insertion))));
  expect((await refusalOf(refused)).message).toMatch(/nothing was done: it may hold at most 1000 calls/);
  await expect(store.getQueue(KEY)).rejects.toMatchObject({ code: "not_found" });
  const answers = await readBatch(await handler(batchRequest(batchBody(...ids.slice(1).map(insertion)))));
  expect(answers.map(({ text }) => JSON.parse(text).id)).toEqual(ids.slice(1));
});

test("serveBatch() makes no further calls when the answers have become large, and says so", async () => {
  const { handler, insert } = openApi();
  const payloadBase64 = Buffer.alloc(1024 * 1024).toString("base64");
  await insert({ id: "large", payloadBase64 }, "my-app/taskqueues/pull-queue");
  const calls = Array.from({ length: 70 }, () => `GET ${TASKS}/large HTTP/1.1`);
  const answers = await readBatch(await handler(batchRequest(batchBody(...calls))));
  const statuses = answers.map(({ status }) => status);
  expect(statuses).toEqual([...Array(64).fill(200), ...Array(6).fill(429)]);
  expect(JSON.parse(answers[69]!.text).error.message).toMatch(/not made/);
});

test("serveBatch() stops between calls when its client goes away", async () => {
  const { handler, store } = openApi();
  const client = new AbortController();
  const ids = Array.from({ length: 1000 }, (_, index) => `t${index}`);
  const request = new Request(batchRequest(batchBody(...ids.map(insertion))), { signal: client.signal });
  const insertOne = store.insert.bind(store);
  store.insert = (...parameters: Parameters<typeof insertOne>) => {
    client.abort();
    return insertOne(...parameters);
  };
  expect((await handler(request)).status).toBe(499);
  expect((await store.getQueue(KEY, { stats: true })).stats?.totalTasks).toBeLessThan(100);
});

test.each(["GET", "PUT", "OPTIONS"])("%s of the batch endpoint is 405", async (method) => {
  const { call } = openApi();
  const answer = await call(method, BATCH);
  expect([answer.status, answer.headers.get("allow")]).toEqual([405, "POST"]);
});

const GOOD = batchBody(insertion("a"));

test.each<[string, string, Record<string, string>, RegExp]>([
  ["no multipart", GOOD, { "content-type": "application/json" }, /must be multipart\/mixed; boundary=/],
  ["no boundary", GOOD, { "content-type": "multipart/mixed" }, /must be multipart\/mixed; boundary=/],
  ["an impossible boundary", GOOD, { "content-type": 'multipart/mixed; boundary="b1 "' }, /boundary=/],
  ["no body", "", {}, /no line of it is its boundary, --b1/],
  ["no part", "--b1--", {}, /must hold at least one call/],
  [
    "no closing boundary",
    GOOD.replace("--b1--", ""),
    {},
    /ended in part 1, before its closing boundary, --b1--/,
  ],
  [
    "a part of JSON",
    GOOD.replace("application/http", "application/json"),
    {},
    /part 1, .*must be application\/http/,
  ],
  [
    "a part without a type",
    GOOD.replace("Content-Type: application/http", "X: y"),
    {},
    /part 1, .*got "none"/,
  ],
  [
    "a part in base64",
    GOOD.replace("Content-ID", "Content-Transfer-Encoding: base64\r\nContent-ID"),
    {},
    /part 1, .*must be binary/,
  ],
  [
    "an empty part",
    `--b1\r\nContent-Type: application/http\r\n\r\n${GOOD}`,
    {},
    /part 1, .*must be a request/,
  ],
  ["no request line", batchBody(insertion("a"), "{}"), {}, /part 2, the request line must be METHOD/],
  ["an unknown method", batchBody("BREW /pot HTTP/1.1"), {}, /part 1, the request line must be METHOD/],
  ["HTTP/2", batchBody(`GET ${TASKS} HTTP/2`), {}, /part 1, the request line/],
  ["an absolute URL", batchBody(`GET http://h${TASKS} HTTP/1.1`), {}, /part 1, .*without scheme and host/],
  ["a path in UTF-8", batchBody("GET /\u00e4 HTTP/1.1"), {}, /part 1, .*path/],
  [
    "a broken header",
    batchBody(`GET ${TASKS} HTTP/1.1\r\nno colon`),
    {},
    /part 1, a header must be Name: value/,
  ],
  ["a control character", batchBody(`GET ${TASKS} HTTP/1.1\r\nX: a\x00b`), {}, /part 1, a header must be/],
  ["a fold before any header", batchBody(`GET ${TASKS} HTTP/1.1\r\n x`), {}, /part 1, a header must be/],
  [
    "many headers",
    batchBody(`GET ${TASKS}\r\n${"X: y\r\n".repeat(101)}`),
    {},
    /part 1, .*at most 100 headers/,
  ],
  ["nothing but line breaks", batchBody("\n".repeat(100_000)), {}, /part 1, .*must be a request/],
  [
    "lines that are nearly boundaries",
    batchBody(`GET ${TASKS}\n\n${"--b1x\n".repeat(10_001)}`),
    {},
    /choose another boundary/,
  ],
  [
    "endless headers",
    batchBody(`GET ${TASKS}\r\n${`X: ${"y".repeat(9999)}\r\n`.repeat(10)}`),
    {},
    /at most 98304 bytes/,
  ],
  ["an endless line", batchBody(`GET /${"x".repeat(100_000)}`), {}, /at most 98304 bytes/],
])("serveBatch() refuses %s, names the place, and does nothing", async (_, bad, headers, message) => {
  const { handler, store } = openApi();
  const response = await handler(batchRequest(bad, headers));
  expect(response.status).toBe(400);
  expect((await refusalOf(response)).message).toMatch(message);
  await expect(store.getQueue(KEY)).rejects.toMatchObject({ code: "not_found" });
});

test("serveBatch() takes lines for boundaries only where they are whole", async () => {
  const { handler } = openApi();
  const body = batchBody(`GET ${TASKS}/a HTTP/1.1\r\nX: --b1\r\n\r\n--b12\r\n --b1\r\n--b1x`);
  expect(await readBatch(await handler(batchRequest(body)))).toHaveLength(1);
});
