import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import Database from "better-sqlite3";
import { afterEach, beforeEach, expect, test } from "vitest";
import { manualClock } from "../../src/clock.js";
import { openSqliteStore } from "../../src/stores/sqlite.js";
import { APPLICATION_ID, SCHEMA_STEPS } from "../../src/stores/sqlite-schema.js";
import { DEFAULT_QUEUE_SETTINGS } from "../../src/task.js";

/** Files that an older version wrote. */

const queue = { project: "p", queue: "q" };
const START_US = 1_767_225_600_000_000;
let folder: string;
let path: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "pullqueue-"));
  path = join(folder, "old.db");
});
afterEach(() => rm(folder, { recursive: true }));

/** A file after the first `steps` steps. */
function fileOf(steps: number): Database.Database {
  const database = new Database(path);
  for (const step of SCHEMA_STEPS.slice(0, steps)) database.exec(step);
  database.pragma(`application_id = ${APPLICATION_ID}`);
  database.pragma(`user_version = ${steps}`);
  return database;
}

/** Two waiting tasks, a leased one and a key, as the first version stored them. */
function fillFirstVersion(database: Database.Database): void {
  database.exec(`
    INSERT INTO queues (project, name, mode, max_leases, acl, disabled, total_tasks) VALUES ('p', 'q', 'pull', 2, NULL, 0, 3);
    INSERT INTO tasks (queue_id, id, named, tag, enqueued_at_us, eta_us, retry_count, uncounted, payload_bytes) VALUES
      (1, 'a', 1, 'x', ${START_US}, ${START_US}, 0, 0, 3),
      (1, 'b', 1, NULL, ${START_US}, ${START_US}, 2, 0, 5),
      (1, 'c', 1, NULL, ${START_US}, ${START_US + 60_000_000}, 1, 0, 7);
    INSERT INTO payloads (serial, payload) VALUES (1, x'010101'), (2, x'0202020202'), (3, x'03030303030303');
    INSERT INTO insert_keys (generation, queue_id, key, id, tag, enqueued_at_us, eta_us)
      VALUES (${Math.floor(START_US / 600_000_000)}, 1, 'key', 'a', 'x', ${START_US}, ${START_US});
  `);
  database.close();
}

test("openSqliteStore() takes a file of the first schema, with its tasks, counts and keys", async () => {
  fillFirstVersion(fileOf(1));
  await using store = await openSqliteStore({ path, clock: manualClock(START_US) });
  const info = await store.getQueue(queue, { stats: true });
  expect(info).toMatchObject({ settings: { ...DEFAULT_QUEUE_SETTINGS, maxLeases: 2 }, paused: false });
  expect(info.stats).toMatchObject({ totalTasks: 3, availableTasks: 2, leasedTasks: 1, payloadBytes: 15 });
  const payload = new Uint8Array(1);
  const [repeated] = await store.insert(queue, [{ payload, idempotencyKey: "key" }]);
  expect(repeated).toMatchObject({ ok: true, value: { id: "a", tag: "x" } });
  await store.putQueue(queue, { ...info.settings, deadLetterQueue: "dead" });
  const leased = await store.lease([queue], { maxTasks: 10, leaseMs: 1000 });
  expect(leased.map(({ id, payload: bytes }) => [id, bytes.byteLength])).toEqual([["a", 3]]);
  const [dead] = await store.lease([{ project: "p", queue: "dead" }], { maxTasks: 10, leaseMs: 1000 });
  expect(dead).toMatchObject({ id: "b", deadLetter: { queue: "q", reason: "retry_limit" } });
  expect(dead?.payload).toHaveLength(5);
  expect(await store.extend(queue, [{ id: "c", retryCount: 1, leaseMs: 0 }])).toMatchObject([{ ok: true }]);
});

test("openSqliteStore() gives an old file and a new one the same schema", async () => {
  const schemaOf = (file: string) => {
    const database = new Database(file);
    const rows = database.prepare("SELECT type, name, sql FROM sqlite_schema ORDER BY name").all();
    database.close();
    return rows;
  };
  fillFirstVersion(fileOf(1));
  await (await openSqliteStore({ path })).close();
  const fresh = join(folder, "new.db");
  await (await openSqliteStore({ path: fresh })).close();
  expect(schemaOf(path)).toEqual(schemaOf(fresh));
});
