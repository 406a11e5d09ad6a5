import { randomBytes } from "node:crypto";
import { existsSync, readFileSync, statSync, truncateSync, writeFileSync } from "node:fs";
import {
  DEFAULT_QUEUE_SETTINGS,
  openStore,
  type QueueAdmin,
  type QueueKey,
  type QueueStore,
} from "@pullqueue/core";
import { isMissing, type TemporaryFolder, temporaryFolder } from "@pullqueue/testing";
import pg from "pg";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { pullqueue } from "../support.js";

const jobs: QueueKey = { project: "p", queue: "jobs" };
const dead: QueueKey = { project: "p", queue: "dead letters" };
const other: QueueKey = { project: "q", queue: "other" };
const bytes = (text: string) => new TextEncoder().encode(text);

let folder: TemporaryFolder;
let source = "";
let target = "";
beforeEach(() => {
  folder = temporaryFolder();
  source = `sqlite:${folder.file("source.db")}`;
  target = `sqlite:${folder.file("target.db")}`;
});
afterEach(() => folder[Symbol.dispose]());

/** Every kind of task: plain, tagged, named, delayed, held, given back, dead letter, finished under a name. */
async function fill(store: QueueStore & QueueAdmin): Promise<void> {
  await store.putQueue(jobs, {
    ...DEFAULT_QUEUE_SETTINGS,
    maxLeases: 1,
    deadLetterQueue: dead.queue,
    retentionMs: 86_400_000,
    acl: { userEmails: ["worker@example.com"], writerEmails: [] },
  });
  const traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
  await store.insert(jobs, [{ payload: bytes("poison"), tag: "é", traceparent, tracestate: "a=b" }]);
  const [held] = await store.lease([jobs], { maxTasks: 1, leaseMs: 600_000 });
  await store.extend(jobs, [{ id: held!.id, retryCount: 1, leaseMs: 0 }]);
  await store.lease([jobs], { maxTasks: 1, leaseMs: 1 });
  await store.insert(jobs, [
    { payload: new Uint8Array([0, 255]), id: "named" },
    { payload: bytes("later"), delayMs: 3_600_000 },
    { payload: new Uint8Array(), tag: "" },
    { payload: bytes("done"), id: "finished" },
  ]);
  await store.delete(jobs, [{ id: "finished" }]);
  await store.insert(other, [{ payload: bytes("x") }]);
  await store.pauseQueue(other);
}

/** All that can be seen of a store, leases apart. */
async function contents(store: QueueStore & QueueAdmin): Promise<unknown> {
  const seen: unknown[] = [];
  for (const key of [jobs, dead, other]) {
    const { settings, paused, stats } = await store.getQueue(key, { stats: true });
    const { tasks } = await store.peek(key, { limit: 100 });
    const whole = await Promise.all(tasks.map(async ({ id }) => (await store.peek(key, { id })).tasks[0]));
    const payloads = whole.map((task) => Buffer.from(task!.payload!).toString("hex"));
    seen.push({
      key,
      settings,
      paused,
      totalTasks: stats?.totalTasks,
      bytes: stats?.payloadBytes,
      tasks,
      payloads,
    });
  }
  return seen;
}

describe("export and import", () => {
  test("export and import carry queues over with all that belongs to them", async () => {
    await using before = await openStore(source);
    await fill(before);
    const file = folder.file("all.jsonl");
    const exported = await pullqueue(["export", file, "--store", source, "--json"]);
    expect(exported).toMatchObject({ code: 0, stderr: "" });
    expect(JSON.parse(exported.stdout)).toMatchObject({ queues: 3, tasks: 5, tombstones: 1 });
    expect(statSync(file).mode & 0o777).toBe(0o600);
    const imported = await pullqueue(["import", file, "--store", target, "--json"]);
    expect(imported).toMatchObject({ code: 0, stderr: "" });
    expect(JSON.parse(imported.stdout)).toEqual({ queues: 3, added: 5, present: 0, tombstones: 1 });
    await using after = await openStore(target);
    expect(await contents(after)).toEqual(await contents(before));
    const [again] = await after.insert(jobs, [{ payload: bytes("again"), id: "finished" }]);
    expect(again).toMatchObject({ ok: false, error: { code: "already_exists" } });
  });

  test("import run twice adds nothing the second time, also for a task that was finished meanwhile", async () => {
    await using before = await openStore(source);
    await fill(before);
    const lines = (await pullqueue(["export", "--store", source])).stdout;
    await pullqueue(["import", "-", "--store", target], { input: lines });
    await using after = await openStore(target);
    await after.delete(jobs, [{ id: "named" }]);
    const again = await pullqueue(["import", "-", "--store", target, "--json"], { input: lines });
    expect(JSON.parse(again.stdout)).toMatchObject({ added: 0, present: 5 });
    expect((await after.peek(jobs, { id: "named" })).tasks).toEqual([]);
  });

  test("export --resume goes on after any cut of its file, and the whole is what one run writes", async () => {
    await using store = await openStore(source);
    await fill(store);
    const file = folder.file("all.jsonl");
    await pullqueue(["export", file, "--store", source]);
    const whole = readFileSync(file, "utf8");
    const body = (text: string) => text.split("\n").slice(1).join("\n");
    for (let cut = 0; cut <= whole.length; cut += 97) {
      writeFileSync(file, whole);
      truncateSync(file, Math.min(cut, Buffer.byteLength(whole)));
      const { code, stderr } = await pullqueue(["export", file, "--store", source, "--resume"]);
      expect({ cut, code, stderr }).toEqual({ cut, code: 0, stderr: "" });
      expect(body(readFileSync(file, "utf8"))).toBe(body(whole));
    }
  });

  test("import keeps queues paused until the end line has come, and says what to do", async () => {
    await using before = await openStore(source);
    await fill(before);
    const lines = (await pullqueue(["export", "--store", source])).stdout.trimEnd().split("\n");
    const cut = await pullqueue(["import", "-", "--store", target], { input: lines.slice(0, -1).join("\n") });
    expect(cut.code).toBe(2);
    expect(cut.stderr).toContain("export --resume");
    await using after = await openStore(target);
    expect((await after.getQueue(jobs)).paused).toBe(true);
    await pullqueue(["import", "-", "--store", target], { input: lines.join("\n") });
    expect((await after.getQueue(jobs)).paused).toBe(false);
    expect((await after.getQueue(other)).paused).toBe(true);
  });

  test("import names the line that is wrong, and keeps what was before it", async () => {
    const header = '{"kind":"pullqueue#export","version":1}';
    const queue = '{"kind":"queue","project":"p","queue":"jobs"}';
    const task = (fields: string) => `{"kind":"task","project":"p","queue":"jobs",${fields}}`;
    const good = '"id":"a","enqueuedAt":"1","eta":"1","payload":"eA=="';
    const refused = async (...lines: string[]) =>
      (await pullqueue(["import", "-", "--store", target], { input: lines.join("\n") })).stderr;
    expect(await refused(queue)).toContain("line 1: the first line must be an export's header");
    expect(await refused('{"kind":"pullqueue#export","version":2}')).toContain(
      "line 1: the file has version 2",
    );
    expect(await refused(header, "{")).toContain("line 2: the line is no JSON");
    expect(await refused(header, task(good))).toContain("line 2: the line is of a queue that no line before");
    expect(await refused(header, queue, task('"id":"a"'))).toContain("line 3: enqueuedAt is missing");
    expect(await refused(header, queue, task(good.replace("eA==", "e")))).toContain(
      "line 3: payload must be base64",
    );
    expect(await refused(header, queue, '{"kind":"what"}')).toContain("line 3: kind must be queue, task");
  });

  test("import names the line that is wrong in the middle of its batch, and keeps what was before it", async () => {
    const line = (kind: string, id: string, more: string) =>
      `{"kind":"${kind}","project":"p","queue":"jobs","id":"${id}",${more}}`;
    const task = (id: string, payload = "eA==") =>
      line("task", id, `"enqueuedAt":"1","eta":"1","payload":"${payload}"`);
    const tombstone = (id: string) => line("tombstone", id, '"until":"1"');
    const head = ['{"kind":"pullqueue#export","version":1}', '{"kind":"queue","project":"p","queue":"jobs"}'];
    const refused = async (...lines: string[]) =>
      (await pullqueue(["import", "-", "--store", target], { input: [...head, ...lines].join("\n") })).stderr;
    const end = '{"kind":"end","queues":"1","tasks":"0","tombstones":"0"}';
    const large = Buffer.alloc(1024 * 1024 + 1).toString("base64");
    expect(await refused(task("bad id"), task("b"), task("c"), end)).toMatch(/line 3: .*a task id is/);
    expect(await refused(task("a"), task("b"), task("bad id"), task("d"))).toMatch(/line 5: .*a task id is/);
    expect(await refused(tombstone("a"), tombstone("bad id"), tombstone("c"))).toMatch(
      /line 4: a task id is/,
    );
    expect(await refused(task("a"), task("e", large), task("c"), end)).toMatch(
      /line 4: .*a payload must have/,
    );
    expect(await refused(task("f"), "{")).toMatch(/line 4: the line is no JSON/);
    expect(await refused(task("g"), "x".repeat(3 * 1024 * 1024))).toMatch(/line 4/);
    const lasting = line("tombstone", "h", `"until":"${(Date.now() + 86_400_000) * 1000}"`);
    const tombstoneFirst = await refused(lasting, task("bad id"), task("i"));
    expect(tombstoneFirst).toMatch(/line 4: .*a task id is/);
    const long = await refused(task("x".repeat(100_000)));
    expect(long).toMatch(/line 3: .*a task id is/);
    expect(long.length).toBeLessThan(2_000);
    expect(await refused(task("bad id"), task("b"), "{")).toMatch(/line 3: .*a task id is/);
    const other = '{"kind":"queue","project":"p","queue":"other"}';
    expect(await refused(task("bad id"), other, end)).toMatch(/line 3: .*a task id is/);
    await using store = await openStore(target);
    const { tasks } = await store.peek(jobs, { limit: 10 });
    expect(tasks.map(({ id }) => id)).toEqual(["a", "b", "f", "g"]);
    // What was deleted stays so, and is no new task.
    const [again] = await store.insert(jobs, [{ payload: new Uint8Array(1), id: "h" }]);
    expect(again).toMatchObject({ ok: false, error: { code: "already_exists" } });
  });

  test("export refuses a path where no store is, and makes none there", async () => {
    const typo = folder.file("typo.db");
    const outcome = await pullqueue(["export", "--store", `sqlite:${typo}`]);
    expect(outcome).toMatchObject({ code: 2, stdout: "" });
    expect(outcome.stderr).toMatch(/there is no store at .*typo\.db.*look at the path/);
    expect(existsSync(typo)).toBe(false);
  });

  test("import that comes to half a line says how to finish the file", async () => {
    await using before = await openStore(source);
    await fill(before);
    const file = folder.file("half.jsonl");
    await pullqueue(["export", file, "--store", source]);
    truncateSync(file, statSync(file).size - 70);
    const outcome = await pullqueue(["import", file, "--store", target]);
    expect(outcome.code).toBe(2);
    expect(outcome.stderr).toMatch(/line \d+: .*export --resume/);
  });

  test.each([
    ["is not there", "none.jsonl", undefined, /none\.jsonl cannot be read \(ENOENT\)/],
    ["is a folder", ".", undefined, /cannot be read \(EISDIR\)/],
    ["is something else", "notes.txt", "mine\n", /line 1: the line is no JSON/],
    [
      "is of another version",
      "new.jsonl",
      '{"kind":"pullqueue#export","version":9}\n',
      /line 1: .*version 9/,
    ],
    ["is empty", "empty.jsonl", "", /ends before its end line/],
  ])("import makes no store when its file %s", async (_, name, text, message) => {
    const file = folder.file(name);
    if (text !== undefined) writeFileSync(file, text);
    const outcome = await pullqueue(["import", file, "--store", target]);
    expect(outcome.code).toBe(2);
    expect(outcome.stderr).toMatch(message);
    expect(existsSync(folder.file("target.db"))).toBe(false);
  });

  test("export replaces nothing, and --resume takes no other file", async () => {
    await (await openStore(source)).close();
    const file = folder.file("notes.txt");
    writeFileSync(file, "mine\n");
    const taken = await pullqueue(["export", file, "--store", source]);
    expect(taken.stderr).toContain("exists already");
    const resumed = await pullqueue(["export", file, "--store", source, "--resume"]);
    expect(resumed.stderr).toContain("line 1: the line is no JSON");
    expect(readFileSync(file, "utf8")).toBe("mine\n");
    expect((await pullqueue(["export", "--store", "memory:"])).stderr).toContain("gone with its process");
  });
});

describe.skipIf(isMissing("postgres"))("export, import and migrate with PostgreSQL", () => {
  const database = process.env.PULLQUEUE_TEST_POSTGRES ?? "postgres://postgres@127.0.0.1:5432/postgres";
  let pool: pg.Pool;
  const schemas: string[] = [];
  const address = () => {
    const name = `test_${randomBytes(8).toString("hex")}`;
    schemas.push(name);
    const url = new URL(database);
    url.searchParams.set("schema", name);
    return url.href;
  };
  beforeAll(() => {
    pool = new pg.Pool({ connectionString: database, max: 1 });
  });
  afterAll(async () => {
    for (const name of schemas) await pool.query(`DROP SCHEMA IF EXISTS ${name} CASCADE`);
    await pool.end();
  });

  test("export and import carry queues from SQLite to PostgreSQL and back", async () => {
    const postgres = address();
    await using before = await openStore(source);
    await fill(before);
    const lines = (await pullqueue(["export", "--store", source])).stdout;
    const there = await pullqueue(["import", "-", "--store", postgres, "--json"], { input: lines });
    expect(JSON.parse(there.stdout)).toEqual({ queues: 3, added: 5, present: 0, tombstones: 1 });
    const again = await pullqueue(["import", "-", "--store", postgres, "--json"], { input: lines });
    expect(JSON.parse(again.stdout)).toMatchObject({ added: 0, present: 5 });
    await using middle = await openStore(postgres);
    expect(await contents(middle)).toEqual(await contents(before));
    const back = (await pullqueue(["export", "--store", postgres])).stdout;
    expect(back.split("\n").slice(1)).toEqual(lines.split("\n").slice(1));
    await pullqueue(["import", "-", "--store", target], { input: back });
    await using after = await openStore(target);
    expect(await contents(after)).toEqual(await contents(before));
  });

  test("migrate moves queues from SQLite to PostgreSQL, and from one schema to another", async () => {
    const [first, second] = [address(), address()];
    await using before = await openStore(source);
    const some = Array.from({ length: 750 }, (_, index) => ({ payload: bytes(`task ${index}`) }));
    await before.insert(jobs, some);
    await before.insert(jobs, some);
    expect(await pullqueue(["migrate", "--from", source, "--to", first])).toMatchObject({
      code: 0,
      stdout: "jobs: 1500 tasks moved\n",
    });
    expect(await pullqueue(["migrate", "--from", first, "--to", second])).toMatchObject({
      code: 0,
      stdout: "jobs: 1500 tasks moved\n",
    });
    await using after = await openStore(second);
    const { stats, paused } = await after.getQueue(jobs, { stats: true });
    expect({ totalTasks: stats?.totalTasks, paused }).toEqual({ totalTasks: 1500, paused: false });
  });
});

describe("migrate", () => {
  test("migrate moves everything, waits for what is held, and leaves the old queues paused", async () => {
    await using before = await openStore(source);
    await fill(before);
    await before.insert(jobs, [{ payload: bytes("held") }]);
    const held = await before.lease([jobs], { maxTasks: 10, leaseMs: 600_000 });
    const migration = pullqueue(["migrate", "--from", source, "--to", target, "--project", "p", "--json"]);
    await using after = await openStore(target);
    await expect
      .poll(
        async () => (await after.getQueue(jobs, { stats: true }).catch(() => undefined))?.stats?.totalTasks,
      )
      .toBeGreaterThan(0);
    // A consumer of the old store finishes what it holds, gives another back, and gets nothing new.
    expect(await before.lease([jobs], { maxTasks: 10, leaseMs: 1000 })).toEqual([]);
    await before.delete(
      jobs,
      held.slice(1).map(({ id, retryCount }) => ({ id, retryCount })),
    );
    await before.extend(jobs, [{ id: held[0]!.id, retryCount: 1, leaseMs: 0 }]);
    const { code, stdout, stderr } = await migration;
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
    expect(
      stdout
        .trimEnd()
        .split("\n")
        .map((line) => JSON.parse(line).queue),
    ).toEqual(["dead letters", "jobs"]);
    expect((await before.getQueue(jobs, { stats: true })).stats?.totalTasks).toBe(0);
    expect((await before.getQueue(jobs)).paused).toBe(true);
    expect((await after.getQueue(jobs)).paused).toBe(false);
    const ids = (await after.peek(jobs, { limit: 100 })).tasks.map(({ id }) => id);
    expect(ids).toHaveLength(2);
    expect(ids).toContain(held[0]!.id);
    expect((await after.peek(dead, { limit: 10 })).tasks).toHaveLength(1);
  });

  test("migrate that was ended between copy and removal goes on without doubles", async () => {
    await using before = await openStore(source);
    await before.insert(jobs, [{ payload: bytes("a") }, { payload: bytes("b"), id: "b" }]);
    const lines = (await pullqueue(["export", "--store", source])).stdout;
    await pullqueue(["import", "-", "--store", target], { input: lines });
    expect((await pullqueue(["migrate", "--from", source, "--to", target])).stdout).toBe(
      "jobs: 2 tasks moved\n",
    );
    await using after = await openStore(target);
    expect((await after.peek(jobs, { limit: 10 })).tasks).toHaveLength(2);
  });

  test("migrate from a path where no store is makes neither store", async () => {
    const outcome = await pullqueue(["migrate", "--from", source, "--to", target]);
    expect(outcome.code).toBe(2);
    expect(outcome.stderr).toMatch(/there is no store at .*source\.db/);
    expect(existsSync(folder.file("source.db"))).toBe(false);
    expect(existsSync(folder.file("target.db"))).toBe(false);
  });

  test("migrate that finds no queues ends with the code for nothing there", async () => {
    await using before = await openStore(source);
    await fill(before);
    const outcome = await pullqueue(["migrate", "--from", source, "--to", target, "--project", "mistyped"]);
    expect(outcome).toMatchObject({ code: 3, stdout: "" });
    expect(outcome.stderr).toMatch(/no queues to move/);
  });

  test("migrate refuses one store twice, under another address too, and changes nothing in it", async () => {
    await using store = await openStore(source);
    await store.insert(jobs, [{ payload: bytes("a") }]);
    for (const to of [source, source.replace("source.db", "./source.db")]) {
      expect(await pullqueue(["migrate", "--from", source, "--to", to])).toMatchObject({
        code: 2,
        stderr: expect.stringContaining("the same store"),
      });
    }
    expect(await store.getQueue(jobs, { stats: true })).toMatchObject({
      paused: false,
      stats: { totalTasks: 1 },
    });
    expect(await store.listProjects?.()).toEqual([jobs.project]);
  });
});
