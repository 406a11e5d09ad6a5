import { mkdtemp, readdir, rm, stat, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { openSqliteStore } from "../../src/stores/sqlite.js";
import { backupSqliteStore } from "../../src/stores/sqlite-backup.js";

const queue = { project: "p", queue: "q" };
const payload = new Uint8Array(20_000);

let folder = "";
let path = "";
let to = "";
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "pullqueue-"));
  path = join(folder, "tasks.db");
  to = join(folder, "copy.db");
});
afterEach(() => rm(folder, { recursive: true }));

test("backupSqliteStore() copies the tasks of one moment while others write, for its owner alone", async () => {
  await using store = await openSqliteStore({ path });
  await store.insert(queue, Array(1000).fill({ payload }));
  let writes = 0;
  let writing: Promise<unknown> = Promise.resolve();
  const { bytes } = await backupSqliteStore({
    path,
    to,
    onProgress: () => {
      writes += 1;
      writing = store.insert(queue, [{ payload }]);
    },
  });
  await writing;
  expect(writes).toBeGreaterThan(2);
  const found = await stat(to);
  expect(found).toMatchObject({ size: bytes, mode: 0o100600 });
  await using copy = await openSqliteStore({ path: to });
  expect((await copy.getQueue(queue, { stats: true })).stats?.totalTasks).toBe(1000);
  expect((await store.getQueue(queue, { stats: true })).stats?.totalTasks).toBe(1000 + writes);
});

test("backupSqliteStore() replaces nothing, and follows no link with its unfinished copy", async () => {
  await (await openSqliteStore({ path })).close();
  await writeFile(to, "mine");
  await expect(backupSqliteStore({ path, to })).rejects.toMatchObject({ code: "already_exists" });
  await rm(to);
  await symlink(join(folder, "elsewhere"), `${to}.partial`);
  await expect(backupSqliteStore({ path, to })).rejects.toMatchObject({ code: "invalid_argument" });
  expect(await stat(join(folder, "elsewhere")).catch(() => "none")).toBe("none");
});

test("backupSqliteStore() refuses what is no store, and a folder that is not there", async () => {
  await expect(backupSqliteStore({ path, to })).rejects.toMatchObject({ code: "invalid_argument" });
  await writeFile(path, "");
  await expect(backupSqliteStore({ path, to })).rejects.toThrow("another program's data");
  await writeFile(path, "no database at all, but a text that is long enough to be looked at".repeat(100));
  await expect(backupSqliteStore({ path, to })).rejects.toMatchObject({ code: "unavailable" });
  await expect(backupSqliteStore({ path, to: join(folder, "no", "copy.db") })).rejects.toThrow(
    "check that its folder exists",
  );
  expect(await readdir(folder)).toEqual(["tasks.db"]);
});

test("backupSqliteStore() leaves nothing behind when it is aborted", async () => {
  await using store = await openSqliteStore({ path });
  await store.insert(queue, Array(1000).fill({ payload }));
  const controller = new AbortController();
  const reason = new Error("enough");
  const backup = backupSqliteStore({
    path,
    to,
    signal: controller.signal,
    onProgress: () => controller.abort(reason),
  });
  await expect(backup).rejects.toBe(reason);
  expect((await readdir(folder)).filter((name) => name.startsWith("copy"))).toEqual([]);
});
