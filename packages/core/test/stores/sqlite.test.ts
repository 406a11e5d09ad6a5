import { mkdtemp, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import Database from "better-sqlite3";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { manualClock } from "../../src/clock.js";
import { storeSuite } from "../../src/conformance/index.js";
import { isQueueError } from "../../src/errors.js";
import { IDEMPOTENCY_MS } from "../../src/limits.js";
import { openSqliteStore } from "../../src/stores/sqlite.js";
import { DEFAULT_QUEUE_SETTINGS, type Task } from "../../src/task.js";
import { sqliteUnderTest } from "../support/store-under-test.js";

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

/** Another program's look into the file. */
function rows(sql: string): Record<string, number | string>[] {
  const database = new Database(path);
  try {
    return database.prepare(sql).all() as Record<string, number | string>[];
  } finally {
    database.close();
  }
}

describe("openSqliteStore()", () => {
  storeSuite({ describe, test, factory: sqliteUnderTest });

  test("keeps tasks, leases, queues and tombstones from one opening to the next", async () => {
    const clock = manualClock();
    const first = await openSqliteStore({ path, clock });
    await first.putQueue(queue, { ...DEFAULT_QUEUE_SETTINGS, maxLeases: 5 });
    await first.insert(queue, [{ payload, tag: "t" }, { payload, id: "gone" }, { payload }]);
    await first.delete(queue, [{ id: "gone" }]);
    const [held] = await first.lease([queue], { ...lease, maxTasks: 1 });
    await first.close();

    await using second = await openSqliteStore({ path, clock });
    expect((await second.getQueue(queue)).settings.maxLeases).toBe(5);
    const [other] = await second.lease([queue], lease);
    expect(other!.id > held!.id).toBe(true);
    expect(await second.lease([queue], lease)).toEqual([]);
    expect(await second.insert(queue, [{ payload, id: "gone" }])).toMatchObject([{ ok: false }]);
    expect(await second.delete(queue, [{ id: held!.id, retryCount: 1 }])).toMatchObject([{ ok: true }]);
    await second.close();
  });

  test("makes its file for its owner alone", async () => {
    await using store = await openSqliteStore({ path });
    await store.insert(queue, [{ payload }]);
    for (const file of [path, `${path}-wal`, `${path}-shm`]) {
      expect((await stat(file)).mode & 0o777).toBe(0o600);
    }
  });

  test.each([
    [
      "a folder that is not there",
      () => join(folder, "missing", "tasks.db"),
      "folder of the SQLite file does not",
    ],
    ["a folder", () => folder, "must name a file, and is a folder"],
    ["SQLite's name for memory", () => ":memory:", "open memory:"],
    ["a URI", () => `file:${path}`, "leave out file:"],
    ["the empty path", () => "", "must name the SQLite file"],
  ])("refuses %s with a sentence and without the path", async (_, pathOf, sentence) => {
    const error: unknown = await openSqliteStore({ path: pathOf() }).catch((reason: unknown) => reason);
    expect(error).toMatchObject({ code: "invalid_argument", message: expect.stringContaining(sentence) });
    expect((error as Error).message).not.toContain(folder);
  });

  test("refuses neither and both of a path and a database", async () => {
    const database = new Database(path);
    for (const options of [{}, { path, database }]) {
      await expect(openSqliteStore(options)).rejects.toMatchObject({ code: "invalid_argument" });
    }
    database.close();
  });

  test("refuses a file that is not a database, and leaves it as it is", async () => {
    const text = "not a database, but long enough to look like a page".repeat(50);
    await writeFile(path, text);
    await expect(openSqliteStore({ path })).rejects.toMatchObject({
      code: "unavailable",
      message: expect.stringContaining("not an SQLite database"),
    });
    expect(await readFile(path, "utf8")).toBe(text);
  });

  test("refuses another program's database, and leaves it as it is", async () => {
    const other = new Database(path);
    other.exec("CREATE TABLE notes (text TEXT)");
    other.close();
    await expect(openSqliteStore({ path })).rejects.toMatchObject({
      code: "invalid_argument",
      message: expect.stringContaining("another program's data"),
    });
    expect(rows("SELECT name FROM sqlite_schema")).toEqual([{ name: "notes" }]);
  });

  test("refuses a file of a newer version", async () => {
    await (await openSqliteStore({ path })).close();
    const newer = new Database(path);
    newer.exec("PRAGMA user_version = 1000");
    newer.close();
    await expect(openSqliteStore({ path })).rejects.toMatchObject({
      code: "invalid_argument",
      message: expect.stringContaining("schema version 1000"),
    });
  });

  test("takes an open database, and leaves closing it to its owner", async () => {
    const database = new Database(path);
    const store = await openSqliteStore({ database });
    await store.insert(queue, [{ payload }]);
    await store.close();
    expect(database.prepare("SELECT count(*) AS count FROM tasks").get()).toEqual({ count: 1 });
    database.close();
  });

  test("opens one new file many times at once", async () => {
    const stores = await Promise.all(Array.from({ length: 5 }, () => openSqliteStore({ path })));
    await Promise.all(stores.map((store) => store.insert(queue, [{ payload }])));
    expect((await stores[0]!.getQueue(queue, { stats: true })).stats).toMatchObject({ totalTasks: 5 });
    await Promise.all(stores.map((store) => store.close()));
  });

  test("lets calls that are made together share one commit", async () => {
    const database = new Database(path);
    await using store = await openSqliteStore({ database });
    const [task] = (await store.insert(queue, [{ payload }])).map((result) => result.ok && result.value);
    const exec = vi.spyOn(database, "exec");
    await Promise.all([
      ...Array.from({ length: 20 }, () => store.insert(queue, [{ payload }])),
      store.lease([queue], lease),
      store.delete(queue, [{ id: (task as Task).id }]),
    ]);
    expect(exec.mock.calls).toEqual([["BEGIN IMMEDIATE"], ["COMMIT"]]);
    await store.close();
    database.close();
  });

  test("a call that goes wrong fails alone, and nothing of it stays", async () => {
    const database = new Database(path);
    await using store = await openSqliteStore({ database });
    database.exec(`CREATE TRIGGER refuse BEFORE INSERT ON tasks WHEN new.tag = 'bad'
      BEGIN SELECT raise(ABORT, 'refused'); END`);
    const results = await Promise.allSettled([
      store.insert(queue, [{ payload, tag: "first" }]),
      store.insert(queue, [
        { payload, tag: "half" },
        { payload, tag: "bad" },
      ]),
      store.insert(queue, [{ payload, tag: "last" }]),
    ]);
    expect(results.map(({ status }) => status)).toEqual(["fulfilled", "rejected", "fulfilled"]);
    const { reason } = results[1] as PromiseRejectedResult;
    expect(reason).toMatchObject({ code: "internal", message: "an unexpected error occurred" });
    const { tasks } = await store.peek(queue, { limit: 10 });
    expect(tasks.map(({ tag }) => tag)).toEqual(["first", "last"]);
    expect((await store.getQueue(queue, { stats: true })).stats?.totalTasks).toBe(2);
    await store.close();
    database.close();
  });

  test("a full disk is unavailable, loses nothing, and passes", async () => {
    const database = new Database(path);
    await using store = await openSqliteStore({ database });
    await store.insert(queue, [{ payload }]);
    const pages = database.pragma("page_count", { simple: true }) as number;
    database.pragma(`max_page_count = ${pages + 2}`);
    const large = new Uint8Array(1024 * 1024);
    const failed = await Promise.allSettled([
      store.insert(queue, [{ payload: large }]),
      store.insert(queue, [{ payload: large }]),
    ]);
    for (const result of failed) {
      expect(result).toMatchObject({ reason: { code: "unavailable", message: /disk .* full/ } });
    }
    database.pragma("max_page_count = 1000000");
    await store.insert(queue, [{ payload: large }]);
    expect(await store.lease([queue], { ...lease, payloadBytesMax: 4 * 1024 * 1024 })).toHaveLength(2);
    await store.close();
    database.close();
  });

  test("waits for another process's transaction without holding up its own process", async () => {
    await using store = await openSqliteStore({ path });
    const other = new Database(path);
    other.exec("BEGIN IMMEDIATE");
    let settled = false;
    const insert = store.insert(queue, [{ payload }]).finally(() => {
      settled = true;
    });
    for (let turn = 0; turn < 50; turn++) await new Promise(setImmediate);
    expect(settled).toBe(false);
    other.exec("COMMIT");
    expect(await insert).toMatchObject([{ ok: true }]);
    other.close();
  });

  test("is unavailable when another process does not let go", async () => {
    await using store = await openSqliteStore({ path });
    const other = new Database(path);
    other.exec("BEGIN IMMEDIATE");
    const now = vi.spyOn(performance, "now");
    let laterMs = 0;
    now.mockImplementation(() => {
      laterMs += 1000;
      return laterMs;
    });
    try {
      await expect(store.insert(queue, [{ payload }])).rejects.toMatchObject({
        code: "unavailable",
        retryAfterMs: expect.any(Number),
      });
    } finally {
      now.mockRestore();
      other.exec("ROLLBACK");
      other.close();
    }
    expect(await store.insert(queue, [{ payload }])).toMatchObject([{ ok: true }]);
  });

  test("a waiting lease is woken within 100 ms by another handle's insert", async () => {
    await using store = await openSqliteStore({ path });
    await using other = await openSqliteStore({ path });
    await other.insert(queue, []);
    const waiting = store.lease([queue], { ...lease, waitMs: 10_000 });
    for (let turn = 0; turn < 10; turn++) await new Promise(setImmediate);
    await other.insert(queue, [{ payload }]);
    const insertedMs = performance.now();
    expect(await waiting).toHaveLength(1);
    expect(performance.now() - insertedMs).toBeLessThan(100);
  });

  test("purge() takes turns with others, and spares what is inserted meanwhile", async () => {
    await using store = await openSqliteStore({ path });
    for (let batch = 0; batch < 3; batch++) {
      await store.insert(
        queue,
        Array.from({ length: 1000 }, () => ({ payload })),
      );
    }
    const progress: number[] = [];
    const inserts: Promise<unknown>[] = [];
    const removed = await store.purge(queue, {
      onProgress: (count) => {
        progress.push(count);
        inserts.push(store.insert(queue, [{ payload, tag: "new" }]));
      },
    });
    await Promise.all(inserts);
    expect(removed).toBe(3000);
    expect(progress.slice(0, 3)).toEqual([1000, 2000, 3000]);
    const { tasks } = await store.peek(queue, { limit: 100 });
    expect(tasks.map(({ tag }) => tag)).toEqual(inserts.map(() => "new"));
    expect((await store.getQueue(queue, { stats: true })).stats?.totalTasks).toBe(inserts.length);
  });

  test("purge() tells new tasks from old ones although all the old ones are gone", async () => {
    await using store = await openSqliteStore({ path });
    await store.insert(
      queue,
      Array.from({ length: 1000 }, () => ({ payload })),
    );
    let insert: Promise<unknown> | undefined;
    const onProgress = () => {
      insert ??= store.insert(queue, [{ payload }]);
    };
    expect(await store.purge(queue, { onProgress })).toBe(1000);
    await insert;
    expect((await store.peek(queue, { limit: 10 })).tasks).toHaveLength(1);
  });

  test("deleteQueue() leaves nothing behind, and what an earlier one left is swept at the next opening", async () => {
    const other = { ...queue, queue: "other" };
    const store = await openSqliteStore({ path });
    await store.insert(
      queue,
      Array.from({ length: 1000 }, () => ({ payload })),
    );
    await store.lease([queue], lease);
    await store.deleteQueue(queue);
    // Behind the sweep in the line for transactions.
    while (rows("SELECT count(*) AS count FROM tasks")[0]!.count !== 0) await store.insert(other, []);
    expect(rows("SELECT count(*) AS count FROM payloads")).toEqual([{ count: 0 }]);
    expect(rows("SELECT count(*) AS count FROM lease_counts")).toEqual([{ count: 0 }]);
    await store.insert(queue, [{ payload }]);
    await store.close();
    const crashed = new Database(path);
    crashed.exec("DELETE FROM queues");
    crashed.close();

    const again = await openSqliteStore({ path });
    while (rows("SELECT count(*) AS count FROM tasks")[0]!.count !== 0) await again.insert(other, []);
    expect(rows("SELECT count(*) AS count FROM payloads")).toEqual([{ count: 0 }]);
    await again.close();
  });

  test("drops exhausted tasks in the lease's transaction, and tells of each after it", async () => {
    const clock = manualClock();
    const dropped: string[] = [];
    const onExhausted = (task: Task) => {
      dropped.push(task.id);
      expect(rows("SELECT id FROM tasks").map(({ id }) => id)).toEqual(["later"]);
    };
    await using store = await openSqliteStore({ path, clock, observer: { onExhausted } });
    await store.putQueue(queue, { ...DEFAULT_QUEUE_SETTINGS, maxLeases: 1 });
    await store.insert(queue, [{ payload, id: "spent" }]);
    await store.lease([queue], { ...lease, leaseMs: 0 });
    clock.advance(1);
    await store.insert(queue, [{ payload, id: "later" }]);
    expect(await store.lease([queue], { ...lease, maxTasks: 1 })).toMatchObject([{ id: "later" }]);
    expect(dropped).toEqual(["spent"]);
    expect(await store.insert(queue, [{ payload, id: "spent" }])).toMatchObject([{ ok: false }]);
  });

  test("forgets tombstones and idempotency keys when their time is over", async () => {
    const clock = manualClock();
    await using store = await openSqliteStore({ path, clock, tombstoneMs: 1000 });
    const round = async (name: string) => {
      await store.insert(queue, [{ payload, id: name, idempotencyKey: name }]);
      await store.delete(queue, [{ id: name }]);
    };
    await round("a");
    await round("b");
    clock.advance(2 * IDEMPOTENCY_MS);
    await round("c");
    expect(rows("SELECT id FROM tombstones")).toEqual([{ id: "c" }]);
    expect(rows("SELECT key FROM insert_keys")).toEqual([{ key: "c" }]);
  });

  test("never shows SQL, paths or stacks, whatever breaks", async () => {
    const database = new Database(path);
    const store = await openSqliteStore({ database });
    await store.insert(queue, [{ payload }]);
    database.close();
    const calls = [
      store.insert(queue, [{ payload }]),
      store.lease([queue], lease),
      store.peek(queue, { limit: 1 }),
      store.getQueue(queue, { stats: true }),
    ];
    for (const result of await Promise.allSettled(calls)) {
      expect(result.status).toBe("rejected");
      const { reason } = result as PromiseRejectedResult;
      expect(isQueueError(reason)).toBe(true);
      expect((reason as Error).message).not.toMatch(/SELECT|INSERT|BEGIN|tasks|\/|\.ts/);
    }
  });
});
