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
  `
  ALTER TABLE queues ADD COLUMN paused INTEGER NOT NULL DEFAULT 0;
  ALTER TABLE queues ADD COLUMN dead_letter_queue TEXT;
  ALTER TABLE queues ADD COLUMN leases_per_second REAL;
  ALTER TABLE queues ADD COLUMN storage_bytes_max INTEGER;
  ALTER TABLE queues ADD COLUMN retention_ms INTEGER;
  ALTER TABLE queues ADD COLUMN tombstone_ms INTEGER;
  ALTER TABLE queues ADD COLUMN payload_bytes INTEGER NOT NULL DEFAULT 0;
  UPDATE queues SET payload_bytes =
    (SELECT coalesce(sum(tasks.payload_bytes), 0) FROM tasks WHERE tasks.queue_id = queues.id);

  ALTER TABLE tasks ADD COLUMN expires_at_us INTEGER;
  -- Whether the last lease was given back, so that one that ran out can be told from it.
  ALTER TABLE tasks ADD COLUMN given_back INTEGER NOT NULL DEFAULT 0;
  -- When the task came from another queue: a purge or a redrive knows it by this, not by its serial.
  ALTER TABLE tasks ADD COLUMN moved_at_us INTEGER;
  ALTER TABLE tasks ADD COLUMN traceparent TEXT;
  ALTER TABLE tasks ADD COLUMN tracestate TEXT;
  -- JSON, because nothing is searched in it.
  ALTER TABLE tasks ADD COLUMN dead_letter TEXT;
  ALTER TABLE insert_keys ADD COLUMN traceparent TEXT;
  ALTER TABLE insert_keys ADD COLUMN tracestate TEXT;

  -- With the retry count, which only changes when the eta does, counting leased tasks reads the index alone.
  DROP INDEX tasks_by_eta;
  CREATE INDEX tasks_by_eta ON tasks (queue_id, eta_us, id, retry_count);
  CREATE INDEX tasks_by_expiry ON tasks (expires_at_us) WHERE expires_at_us IS NOT NULL;
  `,
];
