import { mkdtemp, readdir, readFile, readlink, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { manualClock } from "../../src/clock.js";
import { openSqliteStore } from "../../src/stores/sqlite.js";

const queue = { project: "p", queue: "q" };
const payload = new TextEncoder().encode("hello");
const lease = { maxTasks: 10, leaseMs: 60_000 };

let folder = "";
let path = "";
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "pullqueue-"));
  path = join(folder, "tasks.db");
});
afterEach(() => rm(folder, { recursive: true }));

test("openSqliteStore() says that a file is damaged, and lets go of it", async () => {
  const store = await openSqliteStore({ path });
  await store.insert(queue, Array(100).fill({ payload }));
  await store.close();
  const bytes = await readFile(path);
  await writeFile(path, bytes.fill(0xff, 2 * 4096));
  await expect(openSqliteStore({ path })).rejects.toMatchObject({
    code: "unavailable",
    message: expect.stringContaining("damaged"),
  });
  const open = await Promise.all(
    (await readdir("/proc/self/fd")).map((fd) => readlink(`/proc/self/fd/${fd}`).catch(() => "")),
  );
  expect(open.filter((name) => name.startsWith(path))).toEqual([]);
});

test("openSqliteStore() does not hide tasks from a clock that was set back, and lets time go on", async () => {
  const ahead = await openSqliteStore({ path, clock: manualClock(2_000_000_000_000_000) });
  await ahead.insert(queue, [{ payload }]);
  await ahead.close();
  const clock = manualClock(1_900_000_000_000_000);
  await using store = await openSqliteStore({ path, clock });
  expect(await store.lease([queue], { ...lease, leaseMs: 1000 })).toMatchObject([{ retryCount: 1 }]);
  clock.advance(1000);
  expect(await store.lease([queue], lease)).toMatchObject([{ retryCount: 2 }]);
});

test("openSqliteStore() lets leases end that a clock handed out before it was set back, and nothing was inserted meanwhile", async () => {
  const before = await openSqliteStore({ path, clock: manualClock(1_900_000_000_000_000) });
  await before.insert(queue, [{ payload }]);
  await before.close();
  const ahead = await openSqliteStore({ path, clock: manualClock(2_000_000_000_000_000) });
  await ahead.lease([queue], lease);
  await ahead.close();
  const clock = manualClock(1_900_000_000_000_000);
  await using store = await openSqliteStore({ path, clock });
  expect(await store.lease([queue], lease)).toEqual([]);
  clock.advance(lease.leaseMs + 10_000); // Leases are counted in steps of ten seconds.
  expect(await store.lease([queue], lease)).toMatchObject([{ retryCount: 2 }]);
});

test("openSqliteStore() takes a task that was given back for nobody's, also where another process's clock is behind", async () => {
  await using ahead = await openSqliteStore({ path, clock: manualClock(2_000_000_000_000_000) });
  await using behind = await openSqliteStore({ path, clock: manualClock(1_999_999_999_000_000) });
  await ahead.insert(queue, [{ payload }]);
  const [held] = await ahead.lease([queue], lease);
  const fence = { id: held!.id, retryCount: held!.retryCount };
  const release = { ...fence, leaseMs: 0, uncounted: true };
  expect(await ahead.extend(queue, [release])).toMatchObject([{ ok: true, value: { uncounted: 1 } }]);
  expect(await behind.extend(queue, [release])).toMatchObject([{ ok: false, error: { code: "lease_lost" } }]);
  expect(await behind.delete(queue, [fence])).toMatchObject([{ ok: false, error: { code: "lease_lost" } }]);
});
