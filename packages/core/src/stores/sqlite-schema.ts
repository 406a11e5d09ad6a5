/** Marks a file as ours: the letters "pulq". https://www.sqlite.org/pragma.html#pragma_application_id */
export const APPLICATION_ID = 0x70_75_6c_71;

/**
 * The steps that make the schema, oldest first. A released step is never changed; changes are new steps at the end.
 * The file's `user_version` is the number of steps it has seen.
 *
 * Times are microseconds since the epoch. Payloads stand apart, because a lease or a renewal would otherwise write them
 * anew (measured: batches of leases are a fifth faster, and a payload of 1 MiB costs a renewal nothing). Keys grow
 * with time, so that tables and indexes are written at their end.
 */
export const SCHEMA_STEPS: readonly string[] = [
  `
  -- AUTOINCREMENT: the number of a deleted queue is never used again, so what is left of it can go later.
  CREATE TABLE queues (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    project TEXT NOT NULL,
    name TEXT NOT NULL,
    mode TEXT NOT NULL,
    max_leases INTEGER,
    acl TEXT,
    disabled INTEGER NOT NULL,
    total_tasks INTEGER NOT NULL DEFAULT 0,
    UNIQUE (project, name)
  ) STRICT;

  -- AUTOINCREMENT: a purge knows new tasks by their serial, also when all old ones are gone.
  CREATE TABLE tasks (
    serial INTEGER PRIMARY KEY AUTOINCREMENT,
    queue_id INTEGER NOT NULL,
    id TEXT NOT NULL,
    named INTEGER NOT NULL,
    tag TEXT,
    enqueued_at_us INTEGER NOT NULL,
    eta_us INTEGER NOT NULL,
    retry_count INTEGER NOT NULL DEFAULT 0,
    uncounted INTEGER NOT NULL DEFAULT 0,
    payload_bytes INTEGER NOT NULL
  ) STRICT;
  CREATE UNIQUE INDEX tasks_by_id ON tasks (queue_id, id);
  CREATE INDEX tasks_by_eta ON tasks (queue_id, eta_us, id);
  CREATE INDEX tasks_by_tag ON tasks (queue_id, tag, eta_us, id);

  CREATE TABLE payloads (
    serial INTEGER PRIMARY KEY,
    payload BLOB NOT NULL
  ) STRICT;

  -- Ids chosen by a caller that stay taken after their task is gone.
  CREATE TABLE tombstones (
    queue_id INTEGER NOT NULL,
    id TEXT NOT NULL,
    until_us INTEGER NOT NULL,
    PRIMARY KEY (queue_id, id)
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX tombstones_by_end ON tombstones (until_us);

  -- What inserts with an idempotency key made. A generation is as long as a key is remembered at least.
  CREATE TABLE insert_keys (
    generation INTEGER NOT NULL,
    queue_id INTEGER NOT NULL,
    key TEXT NOT NULL,
    id TEXT NOT NULL,
    tag TEXT,
    enqueued_at_us INTEGER NOT NULL,
    eta_us INTEGER NOT NULL,
    PRIMARY KEY (generation, queue_id, key)
  ) STRICT, WITHOUT ROWID;

  -- How many tasks were leased in each step of ten seconds.
  CREATE TABLE lease_counts (
    queue_id INTEGER NOT NULL,
    step INTEGER NOT NULL,
    count INTEGER NOT NULL,
    PRIMARY KEY (queue_id, step)
  ) STRICT, WITHOUT ROWID;
  `,
];
