import { SQLITE_PAYLOAD_AHEAD_BYTES } from "../limits.js";
import type { SqliteDatabase } from "./sqlite-database.js";

/** A queue as it stands in its table. */
export interface QueueRow {
  readonly id: number;
  readonly name: string;
  readonly mode: "pull" | "push";
  readonly max_leases: number | null;
  readonly acl: string | null;
  readonly disabled: number;
  readonly paused: number;
  readonly dead_letter_queue: string | null;
  readonly leases_per_second: number | null;
  readonly storage_bytes_max: number | null;
  readonly retention_ms: number | null;
  readonly tombstone_ms: number | null;
  readonly total_tasks: number;
  readonly payload_bytes: number;
}

/** A task as it stands in its table. */
export interface TaskRow {
  readonly serial: number;
  readonly id: string;
  readonly named: number;
  readonly tag: string | null;
  readonly enqueued_at_us: number;
  readonly eta_us: number;
  readonly retry_count: number;
  readonly uncounted: number;
  readonly payload_bytes: number;
  readonly expires_at_us: number | null;
  readonly given_back: number;
  readonly traceparent: string | null;
  readonly tracestate: string | null;
  readonly dead_letter: string | null;
}

/** One that a lease may take. Its payload is null where that is read when it is taken. */
export interface AvailableRow extends TaskRow {
  readonly payload: Uint8Array | null;
}

/** A row of `available` and its like as it comes: the columns in order, or an object from a database that has no arrays. */
export function availableRowOf(row: unknown): AvailableRow {
  if (!Array.isArray(row)) return row as AvailableRow;
  return {
    serial: row[0],
    id: row[1],
    named: row[2],
    tag: row[3],
    enqueued_at_us: row[4],
    eta_us: row[5],
    retry_count: row[6],
    uncounted: row[7],
    payload_bytes: row[8],
    expires_at_us: row[9],
    given_back: row[10],
    traceparent: row[11],
    tracestate: row[12],
    dead_letter: row[13],
    payload: row[14],
  };
}

/** What is left of a row that was deleted. */
export type RemovedRow = Pick<TaskRow, "serial" | "named" | "payload_bytes">;

const QUEUE_COLUMNS = `id, name, mode, max_leases, acl, disabled, paused, dead_letter_queue, leases_per_second,
  storage_bytes_max, retention_ms, tombstone_ms, total_tasks, payload_bytes`;

const TASK_COLUMNS = `serial, id, named, tag, enqueued_at_us, eta_us, retry_count, uncounted, payload_bytes,
  expires_at_us, given_back, traceparent, tracestate, dead_letter`;

const AVAILABLE_COLUMNS = `${TASK_COLUMNS}, CASE WHEN payload_bytes <= ${SQLITE_PAYLOAD_AHEAD_BYTES}
  THEN (SELECT payload FROM payloads WHERE payloads.serial = tasks.serial) END AS payload`;

/** Every statement on a task's way, by name, with the index it uses. A test compares the comments with SQLite's plans. */
export const STATEMENT_TEXTS = {
  // queues' unique index (project, name)
  findQueue: `SELECT ${QUEUE_COLUMNS} FROM queues WHERE project = ? AND name = ?`,
  // queues' primary key
  addTotals:
    "UPDATE queues SET total_tasks = total_tasks + ?, payload_bytes = payload_bytes + ? WHERE id = ?",

  insertTask: `INSERT INTO tasks
      (queue_id, id, named, tag, enqueued_at_us, eta_us, payload_bytes, expires_at_us, traceparent, tracestate)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (queue_id, id) DO NOTHING`,
  insertPayload: "INSERT INTO payloads (serial, payload) VALUES (?, ?)",
  findKey: `SELECT id, tag, enqueued_at_us, eta_us, traceparent, tracestate FROM insert_keys
    WHERE generation = ? AND queue_id = ? AND key = ?`, // insert_keys' primary key
  // insert_keys' primary key
  anyKeyBetween:
    "SELECT 1 FROM insert_keys WHERE generation = ? AND queue_id = ? AND key BETWEEN ? AND ? LIMIT 1",
  insertKey: `INSERT INTO insert_keys
      (generation, queue_id, key, id, tag, enqueued_at_us, eta_us, traceparent, tracestate)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)`,
  anyKeyBefore: "SELECT 1 FROM insert_keys WHERE generation < ? LIMIT 1", // insert_keys' primary key
  // insert_keys' primary key, twice
  forgetKeys: `DELETE FROM insert_keys WHERE (generation, queue_id, key) IN
    (SELECT generation, queue_id, key FROM insert_keys WHERE generation < ? LIMIT ?)`,

  // tasks_by_eta: the rest of the queue's order up to now; payloads' primary key
  available: `SELECT ${AVAILABLE_COLUMNS} FROM tasks
    WHERE queue_id = ? AND eta_us <= ? AND (eta_us, id) > (?, ?) ORDER BY eta_us, id LIMIT ?`,
  // tasks_by_tag: the same within a tag; IS finds the untagged ones too
  availableOfTag: `SELECT ${AVAILABLE_COLUMNS} FROM tasks
    INDEXED BY tasks_by_tag
    WHERE queue_id = ? AND tag IS ? AND eta_us <= ? AND (eta_us, id) > (?, ?) ORDER BY eta_us, id LIMIT ?`,
  readPayload: "SELECT payload FROM payloads WHERE serial = ?", // payloads' primary key
  // tasks' primary key
  leaseTask: "UPDATE tasks SET eta_us = ?, retry_count = retry_count + 1, given_back = 0 WHERE serial = ?",
  // lease_counts' primary key, twice
  countLeases: "UPDATE lease_counts SET count = count + ? WHERE queue_id = ? AND step = ?",
  countFirstLeases: "INSERT INTO lease_counts (queue_id, step, count) VALUES (?, ?, ?)",
  forgetLeases: "DELETE FROM lease_counts WHERE queue_id = ? AND step <= ?", // lease_counts' primary key

  // tasks_by_id; the fence is in the statement: the retry count and the end of the lease, either may be null
  extendLease: `UPDATE tasks SET eta_us = ?, uncounted = uncounted + ?, given_back = ?
    WHERE queue_id = ? AND id = ? AND retry_count > 0 AND given_back = 0
      AND retry_count = coalesce(?, retry_count) AND eta_us = coalesce(?, eta_us) AND eta_us > ?
    RETURNING ${TASK_COLUMNS}`,
  // tasks_by_id; the same fence
  deleteLease: `DELETE FROM tasks
    WHERE queue_id = ? AND id = ? AND retry_count > 0 AND given_back = 0
      AND retry_count = coalesce(?, retry_count) AND eta_us = coalesce(?, eta_us) AND eta_us > ?
    RETURNING serial, named, payload_bytes`,
  deleteTask: "DELETE FROM tasks WHERE queue_id = ? AND id = ? RETURNING serial, named, payload_bytes", // tasks_by_id
  deleteSerial: "DELETE FROM tasks WHERE serial = ?", // tasks' primary key
  // tasks' primary key; left undone where a task of that queue has the id
  moveTask: `UPDATE OR IGNORE tasks SET queue_id = ?, id = ?, named = ?, eta_us = ?, uncounted = retry_count,
    given_back = 1, expires_at_us = ?, dead_letter = ?, moved_at_us = ? WHERE serial = ?`,
  deletePayload: "DELETE FROM payloads WHERE serial = ?", // payloads' primary key
  // tasks_by_id
  findTask: `SELECT ${TASK_COLUMNS} FROM tasks
    WHERE queue_id = ? AND id = ?`,

  isTombstoned: "SELECT 1 FROM tombstones WHERE queue_id = ? AND id = ? AND until_us > ?", // tombstones' primary key
  bury: `INSERT INTO tombstones (queue_id, id, until_us) VALUES (?, ?, ?)
    ON CONFLICT (queue_id, id) DO UPDATE SET until_us = excluded.until_us`, // tombstones' primary key
  // tombstones_by_end, then tombstones' primary key
  forgetTombstones: `DELETE FROM tombstones WHERE (queue_id, id) IN
    (SELECT queue_id, id FROM tombstones WHERE until_us <= ? ORDER BY until_us LIMIT ?)`,

  // tasks_by_expiry
  expired: `SELECT ${TASK_COLUMNS}, queue_id FROM tasks
    WHERE expires_at_us <= ? AND (expires_at_us, serial) > (?, ?) ORDER BY expires_at_us, serial LIMIT ?`,
  // tasks_by_tag alone
  untaggedAfter: `SELECT tag, eta_us, id FROM tasks INDEXED BY tasks_by_tag
    WHERE queue_id = ? AND tag IS NULL AND (eta_us, id) > (?, ?) ORDER BY eta_us, id LIMIT ?`,
  // tasks_by_tag alone
  taggedAfter: `SELECT tag, eta_us, id FROM tasks INDEXED BY tasks_by_tag
    WHERE queue_id = ? AND (tag, eta_us, id) > (?, ?, ?) ORDER BY tag, eta_us, id LIMIT ?`,
  // tasks_by_eta
  nextEta: `SELECT eta_us FROM tasks WHERE queue_id = ? AND eta_us > ? ORDER BY eta_us LIMIT 1`,
  // tasks_by_eta
  listTasks: `SELECT ${TASK_COLUMNS} FROM tasks
    WHERE queue_id = ? AND (eta_us, id) > (?, ?) ORDER BY eta_us, id LIMIT ?`,
} as const;

/** Statements of administrators; `stats` counts the delayed and leased tasks of one queue, all others are short too. */
const ADMIN_STATEMENT_TEXTS = {
  putQueue: `INSERT INTO queues (project, name, mode, max_leases, acl, disabled, dead_letter_queue, leases_per_second,
      storage_bytes_max, retention_ms, tombstone_ms) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
    ON CONFLICT (project, name) DO UPDATE
    SET mode = excluded.mode, max_leases = excluded.max_leases, acl = excluded.acl, disabled = excluded.disabled,
      dead_letter_queue = excluded.dead_letter_queue, leases_per_second = excluded.leases_per_second,
      storage_bytes_max = excluded.storage_bytes_max, retention_ms = excluded.retention_ms,
      tombstone_ms = excluded.tombstone_ms`,
  setPaused: "UPDATE queues SET paused = ? WHERE id = ?",
  countQueues: "SELECT count(*) AS count FROM queues",
  // queues' unique index (project, name)
  listQueues: `SELECT ${QUEUE_COLUMNS} FROM queues
    WHERE project = ? AND name > ? ORDER BY name LIMIT ?`,
  // queues' unique index (project, name); one by one, because DISTINCT would read all names
  nextProject: "SELECT project FROM queues WHERE project > ? ORDER BY project LIMIT 1",
  removeQueue: "DELETE FROM queues WHERE id = ?",
  // One statement, so that the counts are of one moment. Leased and delayed tasks are fewer than those that wait.
  stats: `SELECT total_tasks, payload_bytes,
      (SELECT count(*) FROM tasks WHERE queue_id = queues.id AND eta_us > ?) AS later_tasks,
      (SELECT count(*) FROM tasks WHERE queue_id = queues.id AND eta_us > ? AND retry_count > 0) AS leased_tasks,
      (SELECT eta_us FROM tasks WHERE queue_id = queues.id ORDER BY eta_us, id LIMIT 1) AS oldest_eta_us,
      (SELECT coalesce(sum(count), 0) FROM lease_counts WHERE queue_id = queues.id AND step > ?) AS leased_minute,
      (SELECT coalesce(sum(count), 0) FROM lease_counts WHERE queue_id = queues.id AND step > ?) AS leased_hour
    FROM queues WHERE id = ?`,
  lastSerial: "SELECT max(serial) AS serial FROM tasks",
  // tasks_by_id
  tasksAfterId: `SELECT ${TASK_COLUMNS}, moved_at_us FROM tasks WHERE queue_id = ? AND id > ? ORDER BY id LIMIT ?`,
  listProjects: "SELECT DISTINCT project FROM queues ORDER BY project", // queues' unique index (project, name)
  // tombstones' primary key
  tombstonesAfterId: `SELECT id, until_us FROM tombstones
    WHERE queue_id = ? AND id > ? AND until_us > ? ORDER BY id LIMIT ?`,
  importTask: `INSERT INTO tasks
      (queue_id, id, named, tag, enqueued_at_us, eta_us, retry_count, uncounted, payload_bytes, expires_at_us, given_back,
        traceparent, tracestate, dead_letter)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (queue_id, id) DO NOTHING`,
  // tasks_by_id
  removeUnchanged: `DELETE FROM tasks WHERE queue_id = ? AND id = ? AND retry_count = ? AND eta_us = ?
    RETURNING serial, named, payload_bytes`,
  importTombstone: `INSERT INTO tombstones (queue_id, id, until_us) VALUES (?, ?, ?)
    ON CONFLICT (queue_id, id) DO UPDATE SET until_us = max(until_us, excluded.until_us)`,
  // tasks_by_eta, a step for each queue
  queueOfTasksAfter: "SELECT queue_id FROM tasks WHERE queue_id > ? ORDER BY queue_id LIMIT 1",
  queueById: `SELECT ${QUEUE_COLUMNS}, project FROM queues WHERE id = ?`,
  dataVersion: "PRAGMA data_version",
} as const;

type Prepared<T> = { readonly [Name in keyof T]: ReturnType<SqliteDatabase["prepare"]> };

/** All statements, prepared. */
export type Statements = Prepared<typeof STATEMENT_TEXTS & typeof ADMIN_STATEMENT_TEXTS>;

/** Prepares them all. */
export function prepareStatements(database: SqliteDatabase): Statements {
  const texts = { ...STATEMENT_TEXTS, ...ADMIN_STATEMENT_TEXTS };
  const prepared = Object.entries(texts).map(([name, text]) => [name, database.prepare(text)]);
  const statements = Object.fromEntries(prepared) as Statements;
  for (const statement of [statements.available, statements.availableOfTag]) statement.raw?.(true);
  return statements;
}
