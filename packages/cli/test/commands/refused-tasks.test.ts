import { writeFileSync } from "node:fs";
import { openStore, type QueueKey, type Task } from "@pullqueue/core";
import { isMissing, type TemporaryFolder, temporaryFolder } from "@pullqueue/testing";
import { temporarySchema } from "@pullqueue/testing/postgres-schema";
import Database from "better-sqlite3";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { pullqueue } from "../support.js";

/** Tasks of an old file whose tags no store takes any more, because PostgreSQL cannot hold them. */

const jobs: QueueKey = { project: "p", queue: "jobs" };
const first: QueueKey = { project: "p", queue: "a-first" };
const payload = new Uint8Array([1]);
const GOOD_TASKS = 1003;

let folder: TemporaryFolder;
let source = "";
beforeEach(() => {
  folder = temporaryFolder();
  source = `sqlite:${folder.file("source.db")}`;
});
afterEach(() => folder[Symbol.dispose]());

/** A queue of more than one step of a migration, with bad tags in the last one, after a queue without any. */
async function fillOldFile(): Promise<void> {
  await using store = await openStore(source);
  await store.insert(first, [{ payload }]);
  await store.insert(jobs, Array(1000).fill({ payload }));
  await store.insert(jobs, Array(GOOD_TASKS - 1000).fill({ payload }));
  await store.insert(jobs, [
    { payload, id: "z-bad", tag: "t" },
    { payload, id: "z-worse", tag: "t" },
  ]);
  const file = new Database(folder.file("source.db"));
  file.prepare("UPDATE tasks SET tag = ? WHERE tag = 't'").run("a\0b");
  file.close();
}

async function stateOf(address: string, queue: QueueKey) {
  await using store = await openStore(address);
  const { paused, stats } = await store.getQueue(queue, { stats: true });
  return { paused, tasks: stats?.totalTasks };
}

async function migratesInTwoRuns(target: string): Promise<void> {
  await fillOldFile();
  const refused = await pullqueue(["migrate", "--from", source, "--to", target]);
  expect(refused.code).toBe(2);
  expect(refused.stderr).toMatch(/the task "z-bad" of the queue "jobs" in the project "p" .*without U\+0000/);
  expect(refused.stderr).toMatch(/got "a\\u0000b"; refused are also "z-worse"/);
  expect(refused.stderr).toMatch(/1000 tasks of this queue have been moved.* stay paused.*delete .* again/);
  expect(await stateOf(source, jobs)).toEqual({ paused: true, tasks: 5 });
  expect(await stateOf(target, jobs)).toEqual({ paused: true, tasks: 1000 });
  expect(await stateOf(target, first)).toEqual({ paused: true, tasks: 1 });
  {
    await using store = await openStore(source);
    await store.delete(jobs, [{ id: "z-bad" }, { id: "z-worse" }]);
  }
  const again = await pullqueue(["migrate", "--from", source, "--to", target]);
  expect(again).toMatchObject({ code: 0, stderr: "" });
  expect(await stateOf(source, jobs)).toEqual({ paused: true, tasks: 0 });
  expect(await stateOf(target, jobs)).toEqual({ paused: false, tasks: GOOD_TASKS });
  expect(await stateOf(target, first)).toEqual({ paused: false, tasks: 1 });
}

async function importsInTwoRuns(target: string): Promise<void> {
  await fillOldFile();
  const lines = (await pullqueue(["export", "--store", source])).stdout;
  const file = folder.file("tasks.jsonl");
  writeFileSync(file, lines);
  const refused = await pullqueue(["import", file, "--store", target]);
  expect(refused.code).toBe(2);
  // After the header, two queues, the task of the first and the good ones of the second.
  expect(refused.stderr).toMatch(/line 1008: the task "z-bad" of the queue "jobs" in the project "p"/);
  expect(refused.stderr).toMatch(/refused are also "z-worse".*mend .* again.* stay paused/);
  expect(await stateOf(target, jobs)).toEqual({ paused: true, tasks: GOOD_TASKS });
  const mended = lines.replaceAll(String.raw`a\u0000b`, "a-b");
  const again = await pullqueue(["import", "-", "--store", target, "--json"], { input: mended });
  expect(again).toMatchObject({ code: 0, stderr: "" });
  expect(JSON.parse(again.stdout)).toMatchObject({ added: 2, present: GOOD_TASKS + 1 });
  expect(await stateOf(target, jobs)).toEqual({ paused: false, tasks: GOOD_TASKS + 2 });
  await using store = await openStore(target);
  const [bad]: readonly Task[] = (await store.peek(jobs, { id: "z-bad" })).tasks;
  expect(bad?.tag).toBe("a-b");
}

describe("tasks that the new store refuses", () => {
  test("migrate names them and what to do, and goes on when they are deleted", async () => {
    await migratesInTwoRuns(`sqlite:${folder.file("target.db")}`);
  });

  test("import names them and their lines, and goes on when they are mended", async () => {
    await importsInTwoRuns(`sqlite:${folder.file("target.db")}`);
  });

  test.skipIf(isMissing("postgres"))("migrate to PostgreSQL names them, and goes on", async () => {
    await using schema = temporarySchema();
    await migratesInTwoRuns(schema.url);
  });

  test.skipIf(isMissing("postgres"))("import to PostgreSQL names them, and goes on", async () => {
    await using schema = temporarySchema();
    await importsInTwoRuns(schema.url);
  });
});
