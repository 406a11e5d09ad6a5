import { decodePayload, encodePayload } from "@pullqueue/core";
import { afterEach, describe, expect, test } from "vitest";
import { type Child, startChild } from "../src/child.js";
import { type ProgramName, programPath } from "../src/program-path.js";
import { type RestClient, restClient, tasksOf } from "../src/rest-client.js";
import { READY_MS, startServerProcess } from "../src/server-process.js";
import { temporaryFolder } from "../src/temp.js";

const PROJECT = "shared";
const ENDED_WELL = { code: 0, signal: null };

/** How soon somebody who waits must be woken by another process, in milliseconds: 100 are promised; machines are busy. */
const WOKEN_MS = 2_000;

/** How long all tasks together may take, in milliseconds. */
const DRAIN_MS = 40_000;

const numbered = (word: string, count: number) =>
  Array.from({ length: count }, (_, index) => `${word}-${index}`);

/** Texts as they come in from several processes, until there are enough. */
function gather(expected: number) {
  const texts: string[] = [];
  let settle = () => {};
  const done = new Promise<void>((resolve, reject) => {
    const tooLate = () => reject(new Error(`${texts.length} of ${expected} after ${DRAIN_MS} ms`));
    const timer = setTimeout(tooLate, DRAIN_MS);
    settle = () => {
      clearTimeout(timer);
      resolve();
    };
  });
  const add = (text: string) => {
    texts.push(text);
    if (texts.length >= expected) settle();
  };
  return { texts, done, add };
}

const children: Child[] = [];

function startProgram(
  name: ProgramName,
  parameters: readonly string[],
  onLine?: (line: string) => void,
): Child {
  const options = onLine === undefined ? {} : { onLine };
  const child = startChild(process.execPath, [programPath(name), ...parameters], options);
  children.push(child);
  return child;
}

afterEach(async () => {
  await Promise.all(children.splice(0).map((child) => child.stop()));
});

async function insert(rest: RestClient, texts: readonly string[]): Promise<void> {
  const items = texts.map((text) => ({ payloadBase64: encodePayload(Buffer.from(text)) }));
  const answer = await rest.call("tasks.batchInsert", { body: { items } });
  expect(answer.status, JSON.stringify(answer.json)).toBe(200);
}

/** Leases up to five tasks, deletes them, and gives their texts. */
async function take(rest: RestClient, waitMs: number): Promise<string[]> {
  const lease = await rest.call("tasks.lease", { query: { numTasks: 5, leaseSecs: 600, waitMs } });
  expect(lease.status, JSON.stringify(lease.json)).toBe(200);
  const tasks = tasksOf(lease);
  for (const { id } of tasks) expect((await rest.call("tasks.delete", { task: id })).status).toBe(200);
  return tasks.map(({ payloadBase64 = "" }) => Buffer.from(decodePayload(payloadBase64)).toString());
}

describe("eight workers on one server", { timeout: 120_000 }, () => {
  test("eight workers lease 400 tasks and hold none twice", async () => {
    using folder = temporaryFolder();
    await using server = await startServerProcess({ store: `sqlite:${folder.file("queue.db")}` });
    const leased = gather(400);
    const busy = new Set<number>();
    const workers = Array.from({ length: 8 }, (_, index) =>
      startProgram("lease-worker", [server.url, PROJECT, "queue"], (line) => {
        if (!line.startsWith("leased ")) return;
        busy.add(index);
        leased.add(line);
      }),
    );
    await Promise.all(workers.map((worker) => worker.line(/^ready$/, READY_MS)));

    const rest = restClient(server.url, PROJECT, "queue");
    await insert(rest, numbered("before", 200));
    for (const worker of workers) worker.write("go");
    for (let sent = 0; sent < 200; sent += 10) await insert(rest, numbered(`during-${sent}`, 10));
    await leased.done;
    for (const worker of workers) worker.endInput();
    const exits = await Promise.all(workers.map((worker) => worker.exited(READY_MS)));

    expect(exits, workers.map((worker) => worker.stderr()).join("")).toEqual(workers.map(() => ENDED_WELL));
    expect(leased.texts).toHaveLength(400);
    expect(new Set(leased.texts).size).toBe(400);
    expect(busy.size, "workers that got any").toBeGreaterThan(1);
  });
});

describe("a server and a library on one SQLite file", { timeout: 120_000 }, () => {
  const transport = (path: string) => `sqlite://${path}?project_name=${PROJECT}&polling_interval=60`;

  test("a server and a library share a queue without loss or doubles", async () => {
    using folder = temporaryFolder();
    const path = folder.file("queue.db");
    await using server = await startServerProcess({ store: `sqlite:${path}` });
    const sent = [...numbered("library", 100), ...numbered("rest", 100)];
    const got = gather(sent.length);
    const worker = startProgram("transport-worker", [transport(path), "queue", "queue"], (line) => {
      if (line.startsWith("got ")) got.add(line.slice("got ".length));
    });
    await worker.line(/^ready$/, READY_MS);

    const rest = restClient(server.url, PROJECT, "queue");
    let isDone = false;
    const taking = (async () => {
      while (!isDone) for (const text of await take(rest, 200)) got.add(text);
    })();
    for (const text of numbered("library", 100)) worker.write(text);
    for (let index = 100; index < 200; index += 10) await insert(rest, sent.slice(index, index + 10));
    await got.done.finally(() => {
      isDone = true;
    });
    await taking;
    worker.endInput();

    expect(await worker.exited(READY_MS), worker.stderr()).toEqual(ENDED_WELL);
    expect(got.texts.sort()).toEqual(sent.sort());
  });

  test("whoever waits in one process is woken by the other", async () => {
    using folder = temporaryFolder();
    const path = folder.file("queue.db");
    await using server = await startServerProcess({ store: `sqlite:${path}` });
    const worker = startProgram("transport-worker", [transport(path), "questions", "answers"]);
    await worker.line(/^ready$/, READY_MS);

    // The lease waits while a question goes the other way, so it surely waits when the answer is published.
    const answered = take(restClient(server.url, PROJECT, "answers"), 30_000);
    await insert(restClient(server.url, PROJECT, "questions"), ["how are you"]);
    await worker.line(/^got how are you$/, WOKEN_MS);
    const publishedMs = performance.now();
    worker.write("well");
    expect(await answered).toEqual(["well"]);
    expect(performance.now() - publishedMs).toBeLessThan(WOKEN_MS);

    worker.endInput();
    expect(await worker.exited(READY_MS), worker.stderr()).toEqual(ENDED_WELL);
  });
});
