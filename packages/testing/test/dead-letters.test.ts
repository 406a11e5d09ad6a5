import { writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { Connection } from "@pullqueue/kombu";
import { expect, test } from "vitest";
import { runProgram } from "../src/run-program.js";
import { startServerProcess } from "../src/server-process.js";
import { temporaryFolder } from "../src/temp.js";

/** Dead letters as an operator meets them: queue.yaml, a server process, a consumer that fails, the command. */

const COMMAND = fileURLToPath(new URL("../../cli/bin/pullqueue.js", import.meta.url));

const QUEUE_YAML = `
queue:
- name: jobs
  mode: pull
  dead_letter_queue: failed-jobs
  retry_parameters:
    task_retry_limit: 2
- name: failed-jobs
  mode: pull
- name: news
  mode: pull
  retention: 1s
  dead_letter_queue: old-news
- name: old-news
  mode: pull
`;

/** How long a consumer waits for a message, in milliseconds, on a busy machine. */
const MESSAGE_MS = 20_000;

const TRACEPARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

async function startShop(...parameters: readonly string[]) {
  const folder = temporaryFolder();
  writeFileSync(folder.file("queue.yaml"), QUEUE_YAML);
  const server = await startServerProcess({
    store: `sqlite:${folder.file("queue.db")}`,
    parameters: ["--queues", folder.file("queue.yaml"), "--project", "shop", ...parameters],
  });
  const environment = { PULLQUEUE_ENDPOINT: server.url, PULLQUEUE_PROJECT: "shop" };
  const pullqueue = async (...command: string[]) => {
    const { code, stdout, stderr } = await runProgram(process.execPath, [COMMAND, ...command], {
      environment,
    });
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
    return stdout;
  };
  return {
    server,
    pullqueue,
    /** What the server logged about tasks, as JSON. */
    logged: () =>
      server
        .stderr()
        .split("\n")
        .filter((line) => line.startsWith("{") && line.includes('"task"'))
        .map((line) => JSON.parse(line) as Record<string, unknown>),
    [Symbol.asyncDispose]: async () => {
      await server[Symbol.asyncDispose]();
      folder[Symbol.dispose]();
    },
  };
}

/** A consumer that takes each message and cannot do it. */
async function failEach(connection: Connection, times: number): Promise<void> {
  const queue = connection.simpleQueue("jobs");
  for (let time = 0; time < times; time++) {
    const message = await queue.get({ timeoutMs: MESSAGE_MS });
    expect(message.payload).toEqual({ order: 7 });
    await message.requeue();
  }
  await queue.close();
}

test("a task that fails at its limit comes into the dead-letter queue, and the command brings it back", async () => {
  await using shop = await startShop();
  const { server, pullqueue, logged } = shop;
  await using connection = new Connection({
    transport: "appengine",
    transportOptions: { endpoint: server.url, projectName: "shop" },
  });
  await pullqueue("put", "jobs", '{"order": 7}', "--envelope", "kombu", "--tag", "orders", "--id", "order-7");
  await failEach(connection, 2);
  // The lease that would be the third attempt moves it.
  await expect(connection.simpleQueue("jobs").getNowait()).rejects.toMatchObject({ code: "empty" });
  const letter = JSON.parse(await pullqueue("list", "failed-jobs", "--json")) as Record<string, unknown>;
  expect(letter).toMatchObject({
    id: "order-7",
    tag: "orders",
    state: "available",
    retryCount: 2,
    deadLetter: { queue: "jobs", id: "order-7", reason: "retry_limit", retryCount: 2 },
  });
  expect(await pullqueue("list", "failed-jobs")).toMatch(/CAME FROM\n.* jobs, retry_limit\n$/);
  expect(JSON.parse(await pullqueue("stats", "jobs", "--json"))).toMatchObject({
    totalTasks: 0,
    deadLetterQueue: "failed-jobs",
  });
  expect(await pullqueue("queues")).toMatch(/^jobs +0 +0 +dead letters to failed-jobs$/m);
  expect(logged()).toEqual([
    expect.objectContaining({
      ...{ project: "shop", queue: "failed-jobs", task: "order-7", retryCount: 2 },
      ...{ from: "jobs", fromTask: "order-7", reason: "retry_limit", deadLettered: 1 },
    }),
  ]);
  expect(await pullqueue("redrive", "failed-jobs")).toBe("1 task moved back from failed-jobs\n");
  const again = await connection.simpleQueue("jobs").get({ timeoutMs: MESSAGE_MS });
  expect(again.payload).toEqual({ order: 7 });
  expect(again.deliveryInfo).toMatchObject({
    ...{ queue: "jobs", taskId: "order-7", tag: "orders", retryCount: 3, redelivered: true },
  });
  await again.ack();
  expect(JSON.parse(await pullqueue("stats", "jobs", "--json"))).toMatchObject({ totalTasks: 0 });
});

test("a task whose retention is over is swept into the dead-letter queue, with its trace, although nobody leases", async () => {
  await using shop = await startShop("--sweep-interval-ms", "200");
  const { server, pullqueue, logged } = shop;
  const tasks = `${server.url}/taskqueue/v1beta2/projects/shop/taskqueues/news/tasks`;
  const headers = { traceparent: TRACEPARENT };
  await fetch(tasks, { method: "POST", headers, body: '{"payloadBase64": "b2xk"}' });
  // Waits in the server until the sweep has moved it.
  const json = await pullqueue("get", "old-news", "--wait", "20s", "--json");
  expect(JSON.parse(json)).toMatchObject({
    body: "old",
    traceparent: TRACEPARENT,
    deadLetter: { queue: "news", reason: "retention", retryCount: 0 },
  });
  expect(logged()).toMatchObject([{ queue: "old-news", from: "news", reason: "retention", deadLettered: 1 }]);
  expect(server.stderr()).toContain('"deadLetteredTasks":1');
});

test("the eleventh lease in a second is answered with 200 and no items", async () => {
  await using server = await startServerProcess();
  const queue = `${server.url}/taskqueue/v1beta2/projects/shop/taskqueues/jobs`;
  const call = (path: string, method: string, body?: string) =>
    fetch(queue + path, { method, ...(body === undefined ? {} : { body }) });
  await call("", "PUT", '{"leasesPerSecond": 10}');
  const items = Array.from({ length: 100 }, () => ({ payloadBase64: "" }));
  await call("/tasks:batchInsert", "POST", JSON.stringify({ items }));
  // All at once, so that they are in one second on a slow machine too.
  const answers = await Promise.all(
    items.slice(0, 50).map(() => call("/tasks/lease?numTasks=1&leaseSecs=60", "POST")),
  );
  expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([200]));
  const bodies = await Promise.all(answers.map((answer) => answer.json() as Promise<{ items?: unknown[] }>));
  const leased = bodies.filter((body) => body.items !== undefined).length;
  // Ten at once, and one more for each tenth of a second that the fifty took.
  expect(leased).toBeGreaterThanOrEqual(10);
  expect(leased).toBeLessThan(50);
});
