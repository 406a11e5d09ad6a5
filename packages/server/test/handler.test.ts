import { manualClock, type QueueAdmin, QueueError, type QueueStore } from "@pullqueue/core";
import { openMemoryStore } from "@pullqueue/core/stores/memory";
import { expect, test } from "vitest";
import { createHandler } from "../src/handler.js";
import { openApi, QUEUE, refusal } from "./support.js";

/** A real store whose listed methods fail. */
function failing(error: unknown, ...methods: readonly (keyof (QueueStore & QueueAdmin))[]) {
  const store = openMemoryStore({ clock: manualClock() });
  const failure = () => Promise.reject(error);
  return new Proxy(store, {
    get(target, name) {
      const value: unknown = Reflect.get(target, name, target);
      if ((methods as readonly unknown[]).includes(name)) return failure;
      return typeof value === "function" ? value.bind(target) : value;
    },
  });
}

test.each([
  "/",
  "/taskqueue/v1beta2/projects/",
  "/taskqueue/v1beta2/projects/p",
  "/taskqueue/v1beta2/projects/p/taskqueues/q/x",
  "/taskqueue/v1beta2/projects/p/taskqueues/q/lease",
  "/taskqueue/v1beta2/projects//taskqueues/q",
  "/taskqueue/v1beta1/projects/p/taskqueues/q",
  "/healthz/",
])("the path %s is 404 in Google's envelope", async (path) => {
  const { call } = openApi();
  const answer = await call("GET", path);
  expect(refusal(answer)).toEqual([404, "notFound", undefined]);
  expect(answer.json.error).toMatchObject({
    code: 404,
    errors: [{ domain: "global", message: answer.json.error.message }],
  });
});

test.each([
  ["PATCH", QUEUE, "GET, PUT, DELETE, HEAD"],
  ["GET", `${QUEUE}:purge`, "POST"],
  ["DELETE", `${QUEUE}/tasks`, "GET, POST, HEAD"],
  ["PUT", `${QUEUE}/tasks/x`, "GET, POST, PATCH, DELETE, HEAD"],
  ["OPTIONS", `${QUEUE}/tasks/x`, "GET, POST, PATCH, DELETE, HEAD"],
  ["POST", "/healthz", "GET, HEAD"],
  ["DELETE", "/readyz", "GET, HEAD"],
  ["POST", "/discovery/v1/apis/taskqueue/v1beta2/rest", "GET, HEAD"],
])("%s %s is 405 with Allow", async (method, path, allow) => {
  const { call } = openApi();
  const answer = await call(method, path);
  expect(refusal(answer)).toEqual([405, "httpMethodNotAllowed", undefined]);
  expect(answer.headers.get("allow")).toBe(allow);
});

test.each([QUEUE, "/healthz", "/readyz", "/discovery/v1/apis/taskqueue/v1beta2/rest"])(
  "HEAD %s is GET without the body",
  async (path) => {
    const { call, insert } = openApi();
    await insert();
    const [get, head] = [await call("GET", path), await call("HEAD", path)];
    expect([head.status, head.text]).toEqual([get.status, ""]);
    expect(head.headers.get("content-type")).toBe(get.headers.get("content-type"));
  },
);

test("a path that is not percent-encoded UTF-8 is 400", async () => {
  const { call } = openApi();
  expect((await call("GET", "p/taskqueues/%ff")).status).toBe(400);
  expect((await call("GET", "p/taskqueues/%zz")).status).toBe(400);
});

test("X-HTTP-Method-Override works for POST alone and only for methods of the API", async () => {
  const { call, insert } = openApi();
  await insert();
  const override = (verb: string) => ({ headers: { "x-http-method-override": verb } });
  expect((await call("POST", QUEUE, undefined, override("get"))).status).toBe(200);
  expect((await call("GET", QUEUE, undefined, override("DELETE"))).status).toBe(200);
  expect((await call("POST", QUEUE, undefined, override("BREW"))).status).toBe(405);
});

test("a GET that is tunnelled through POST may bring its query as a form, as Google's Python client sends long ones", async () => {
  const { call, insert } = openApi();
  await insert({ id: "a" });
  const headers = {
    "x-http-method-override": "GET",
    "content-type": "application/x-www-form-urlencoded; charset=utf-8",
  };
  const answer = await call("POST", `${QUEUE}/tasks?alt=json`, "fields=items%28id%29&prettyPrint=false", {
    headers,
  });
  expect([answer.status, answer.text]).toEqual([200, '{"items":[{"id":"a"}]}']);
  const wrong = await call("POST", `${QUEUE}/tasks`, "maxResults=0", { headers });
  expect(refusal(wrong)).toEqual([400, "invalidParameter", "maxResults"]);
  const long = await call("POST", `${QUEUE}/tasks`, "a=".repeat(96 * 1024), { headers });
  expect(long.status).toBe(413);
});

test("an unexpected error is 500 without its message, with the request's id", async () => {
  const secret = new Error("SELECT payload FROM /var/secret.db");
  const { call } = openApi({ store: failing(secret, "getQueue") });
  const answer = await call("GET", QUEUE);
  expect(refusal(answer)).toEqual([500, "internalError", undefined]);
  expect(answer.text).not.toMatch(/SELECT|secret|at .*\.ts/);
  expect(answer.headers.get("x-request-id")).toMatch(/^[0-9a-f]{16}-\d+$/);
});

test("a thrown value that is not an error is 500 too", async () => {
  const { call } = openApi({ store: failing("text", "getQueue") });
  expect((await call("GET", QUEUE)).status).toBe(500);
});

test.each([
  [new QueueError("unavailable", "busy", { retryAfterMs: 2100 }), 503, "backendError", "3"],
  [new QueueError("closed", "closed"), 503, "backendError", "1"],
  [new QueueError("resource_exhausted", "full"), 429, "rateLimitExceeded", "1"],
])("the store's %s is %i with Retry-After", async (error, status, reason, retryAfter) => {
  const { call } = openApi({ store: failing(error, "insert") });
  const answer = await call("POST", `${QUEUE}/tasks`, { payloadBase64: "" });
  expect(refusal(answer).slice(0, 2)).toEqual([status, reason]);
  expect(answer.headers.get("retry-after")).toBe(retryAfter);
});

test("/healthz is 200 whatever the store does, and while the server closes", async () => {
  const broken = openApi({ store: failing(new Error("x"), "listQueues"), closing: AbortSignal.abort() });
  const answer = await broken.call("GET", "/healthz");
  expect([answer.status, answer.text]).toEqual([200, "ok\n"]);
});

test("/readyz is 200 while the store answers", async () => {
  const { call } = openApi();
  const answer = await call("GET", "/readyz");
  expect([answer.status, answer.text]).toEqual([200, "ok\n"]);
});

test("/readyz is 503 when the store fails, is silent for 2 s, or the server closes", async () => {
  const broken = openApi({ store: failing(new Error("x"), "listQueues") });
  expect((await broken.call("GET", "/readyz")).status).toBe(503);
  const closing = openApi({ closing: AbortSignal.abort() });
  expect((await closing.call("GET", "/readyz")).status).toBe(503);
  const clock = manualClock();
  const silent = Object.assign(Object.create(openMemoryStore({ clock })), {
    listQueues: () => new Promise(() => {}),
  });
  const answer = createHandler({ store: silent, clock })(new Request("http://h/readyz"));
  clock.advance(2000);
  expect((await answer).status).toBe(503);
});

test("createHandler() refuses the requests of web pages, and does nothing for them", async () => {
  const { handler, store } = openApi();
  const answer = await handler(
    new Request("http://127.0.0.1:8085/taskqueue/v1beta2/projects/p/taskqueues/q/tasks", {
      method: "POST",
      headers: { origin: "https://somewhere.example" },
      body: '{"payloadBase64":""}',
    }),
  );
  expect(answer.status).toBe(403);
  expect(await answer.json()).toMatchObject({ error: { status: "permission_denied" } });
  await expect(store.getQueue({ project: "p", queue: "q" })).rejects.toMatchObject({ code: "not_found" });
});

test.each(["evil.example:8085", "127.0.0.1.evil.example", "EVIL.example.", "localhost.evil.example"])(
  "createHandler() refuses a page that reaches it by a name of its own, %s",
  async (host) => {
    const { handler } = openApi();
    const answer = await handler(new Request(`http://${host}/healthz`));
    expect(answer.status).toBe(403);
    const { error } = (await answer.json()) as { error: { status: string; message: string } };
    expect(error).toMatchObject({ status: "permission_denied" });
    expect(error.message).toMatch(/--public-url/);
  },
);

test.each(["127.0.0.1:8085", "localhost", "[::1]:80", "queue:8085", "a.localhost", "queues.example.com"])(
  "createHandler() answers under addresses, local names and its public one, %s",
  async (host) => {
    const { handler } = openApi({ publicUrl: "https://queues.example.com" });
    expect((await handler(new Request(`http://${host}/healthz`))).status).toBe(200);
  },
);
