/** A queue as it stands in its table. */
export interface QueueRow {
  readonly id: number;
  readonly project: string;
  readonly name: string;
  readonly mode: "pull" | "push";
  readonly max_leases: number | null;
  readonly acl: string | null;
  readonly disabled: boolean;
  readonly paused: boolean;
  readonly dead_letter_queue: string | null;
  readonly leases_per_second: number | null;
  readonly storage_bytes_max: number | null;
  readonly retention_ms: number | null;
  readonly tombstone_ms: number | null;
}

/** A task as it stands in its table, without its payload. */
export interface TaskRow {
  readonly queue_id: number;
  readonly id: string;
  readonly named: boolean;
  readonly given_back: boolean;
  readonly tag: string | null;
  readonly enqueued_at_us: number;
  readonly eta_us: number;
  readonly expires_at_us: number | null;
  readonly retry_count: number;
  readonly uncounted: number;
  readonly payload_bytes: number;
  readonly traceparent: string | null;
  readonly tracestate: string | null;
  readonly dead_letter: string | null;
}

const QUEUE_COLUMNS = `q.id, q.project, q.name, q.mode, q.max_leases, q.acl, q.disabled, q.paused, q.dead_letter_queue,
  q.leases_per_second, q.storage_bytes_max, q.retention_ms, q.tombstone_ms`;

const TASK_COLUMNS = `t.queue_id, t.id, t.named, t.given_back, t.tag, t.enqueued_at_us, t.eta_us, t.expires_at_us,
  t.retry_count, t.uncounted, t.payload_bytes, t.traceparent, t.tracestate, t.dead_letter`;

/**
 * The fence in the statement: the retry count and the end of the lease, either may be null. $1 is now. A caller's count is a
 * bigint, because one that no column can hold means no lease, and must not fail its neighbours.
 */
const HOLDS_LEASE = `t.retry_count > 0 AND NOT t.given_back AND t.eta_us > $1
  AND t.retry_count = coalesce(v.retry_count, t.retry_count) AND t.eta_us = coalesce(v.lease_end_us, t.eta_us)`;

/**
 * The row of an item (its queue, and an id or a key in it), by the index of both and in no other way. While a table is
 * analysed as empty, all ways through an index cost the planner the same, and it prefers one that needs nothing of the item
 * and reads all rows for each. It plans none where the index's first column is not compared by a plain equality. A subquery
 * with LIMIT or OFFSET does the same for reads, because it is planned by itself; OFFSET 0 also keeps a parameter from becoming
 * a plain equality.
 */
const byKey = (row: string, item: string, name = "id") =>
  `${row}.queue_id = ANY (ARRAY[${item}.queue_id]) AND ${row}.${name} = ${item}.${name}`;

/** The condition of the index tasks_by_eta: only a statement that repeats it can use it, so that no other does. */
const ORDERED = "t.payload_bytes >= 0";

/**
 * The oldest available tasks of queues ($1, with their retry limits $2) at $3, at most $4, locked, what others have
 * locked left out. Each queue gives its oldest $4, of which the oldest are taken.
 */
function dueText(filter: string): string {
  return `SELECT t.*, (coalesce(t.retry_count - t.uncounted >= q.max_leases, false)
      OR coalesce(t.expires_at_us <= $3, false)) AS spent
    FROM unnest($1::bigint[], $2::integer[]) AS q (queue_id, max_leases)
    CROSS JOIN LATERAL (
      SELECT t.ctid AS place_of_row, ${TASK_COLUMNS} FROM tasks t
      WHERE t.queue_id = q.queue_id AND t.eta_us <= $3 AND ${filter}
      ORDER BY t.eta_us, t.id LIMIT $4 FOR UPDATE SKIP LOCKED) t
    ORDER BY t.eta_us, t.id LIMIT $4`;
}

/**
 * Leases due tasks until $5 as long as their payloads have at most $6 bytes, one in any case, and answers with all that
 * were looked at, as they were before; none where some of them are spent, which have to go first. `more`: there are others
 * behind them. What was not leased is told by a hashed subquery: a join of the two would compare each with each, because
 * plans that hash joins are switched off. Whoever asked sorts the rows by `place`, because to sort payloads takes a file. They are
 * in base64, which is shorter than PostgreSQL's hexadecimal and read faster.
 */
function leaseText(filter: string): string {
  return `WITH due AS MATERIALIZED (${dueText(filter)}),
    placed AS MATERIALIZED (
      SELECT *, row_number() OVER w AS place, sum(payload_bytes) OVER w AS bytes, bool_or(spent) OVER () AS any_spent
      FROM due WINDOW w AS (ORDER BY eta_us, id)),
    leased AS (UPDATE tasks t SET eta_us = $5, retry_count = t.retry_count + 1, given_back = false
      FROM placed p WHERE t.ctid = p.place_of_row AND NOT p.any_spent AND (p.place = 1 OR p.bytes <= $6)
      RETURNING p.*, true AS leased, t.payload),
    last AS (SELECT eta_us, id FROM placed ORDER BY place DESC LIMIT 1)
    SELECT t.place_of_row, ${TASK_COLUMNS}, t.place, t.spent, t.leased,
      encode(t.payload, 'base64') AS payload, EXISTS (
        SELECT FROM unnest($1::bigint[]) AS q (queue_id) CROSS JOIN LATERAL (
          SELECT FROM tasks t WHERE t.queue_id = q.queue_id AND t.eta_us <= $3
            AND (t.eta_us, t.id) > ((SELECT eta_us FROM last), (SELECT id FROM last)) AND ${filter}
          ORDER BY t.eta_us, t.id LIMIT 1) t) AS more
    FROM (SELECT * FROM leased
      UNION ALL SELECT *, false, NULL FROM placed WHERE place NOT IN (SELECT place FROM leased)) t`;
}

/** Tasks without a tag are looked for among the oldest $7 alone, because no index knows them. */
const UNTAGGED = `${ORDERED} AND t.tag IS NULL AND t.eta_us <= coalesce((
  SELECT t.eta_us FROM tasks t WHERE ${ORDERED} AND t.queue_id = q.queue_id AND t.eta_us <= $3
  ORDER BY t.eta_us, t.id OFFSET $7 LIMIT 1), $3)`;

/**
 * Every statement on a task's way, by name, with the index it uses. A test compares the comments with PostgreSQL's plans.
 * Many items are one statement: they come as arrays, `place` is the item's place in them.
 */
export const STATEMENT_TEXTS = {
  // queues' unique index (project, name)
  findQueues: `SELECT ${QUEUE_COLUMNS} FROM unnest($1::text[], $2::text[]) AS k (project, name)
    CROSS JOIN LATERAL (SELECT * FROM queues q WHERE q.project = k.project AND q.name = k.name LIMIT 1) q`,

  // insert_keys' primary key, then tasks_by_id. Takes the keys of items (one whose time is over anew), inserts those that have none or
  // got theirs, and answers with the others alone: `repeated` are those whose key is taken. Payloads come as one block of
  // bytes with their ends in it, because an array of them would be in hexadecimal.
  insertTasks: `WITH v AS MATERIALIZED (
      SELECT * FROM unnest($5::bigint[], $6::text[], $7::text[], $8::boolean[], $9::text[], $10::bigint[], $11::bigint[],
        $12::integer[], $13::integer[], $14::text[], $15::text[]) WITH ORDINALITY
      AS v (queue_id, id, key, named, tag, eta_us, expires_at_us, payload_bytes, payload_end, traceparent, tracestate, place)),
    claimed AS (INSERT INTO insert_keys AS k
        (queue_id, key, until_minute, id, tag, enqueued_at_us, eta_us, traceparent, tracestate)
      SELECT v.queue_id, v.key, $2, v.id, v.tag, $1, v.eta_us, v.traceparent, v.tracestate FROM v
      WHERE v.key IS NOT NULL ORDER BY v.queue_id, v.key COLLATE "C"
      ON CONFLICT (queue_id, key) DO UPDATE
        SET until_minute = excluded.until_minute, id = excluded.id, tag = excluded.tag,
          enqueued_at_us = excluded.enqueued_at_us, eta_us = excluded.eta_us, traceparent = excluded.traceparent,
          tracestate = excluded.tracestate
        WHERE k.until_minute < $3
      RETURNING queue_id, key),
    made AS (INSERT INTO tasks (queue_id, id, named, tag, enqueued_at_us, eta_us, expires_at_us, payload_bytes,
        traceparent, tracestate, payload)
      SELECT v.queue_id, v.id, v.named, v.tag, $1, v.eta_us, v.expires_at_us, v.payload_bytes, v.traceparent, v.tracestate,
        substring($4::bytea FROM v.payload_end - v.payload_bytes + 1 FOR v.payload_bytes)
      FROM v WHERE v.key IS NULL OR (v.queue_id, v.key) IN (SELECT queue_id, key FROM claimed)
      ON CONFLICT (queue_id, id) DO NOTHING RETURNING queue_id, id)
    SELECT v.place, v.key IS NOT NULL AND (v.queue_id, v.key) NOT IN (SELECT queue_id, key FROM claimed) AS repeated
    FROM v WHERE (v.queue_id, v.id) NOT IN (SELECT queue_id, id FROM made)`,
  // insert_keys' primary key. $1: the minute it is.
  findKeys: `SELECT k.queue_id, k.key, k.id, k.tag, k.enqueued_at_us, k.eta_us, k.traceparent, k.tracestate
    FROM unnest($2::bigint[], $3::text[]) AS v (queue_id, key)
    CROSS JOIN LATERAL (SELECT * FROM insert_keys k WHERE k.queue_id = v.queue_id AND k.key = v.key LIMIT 1) k
    WHERE k.until_minute >= $1`,
  // insert_keys' primary key
  releaseKeys: `DELETE FROM insert_keys k USING unnest($1::bigint[], $2::text[]) AS v (queue_id, key)
    WHERE ${byKey("k", "v", "key")}`,
  // tombstones' primary key, then tasks_by_id. What was just inserted in spite of a tombstone goes again.
  removeBuried: `DELETE FROM tasks t USING unnest($2::bigint[], $3::text[]) AS v (queue_id, id)
    WHERE ${byKey("t", "v")}
      AND (SELECT b.until_us FROM tombstones b WHERE b.queue_id = v.queue_id AND b.id = v.id) > $1
    RETURNING t.queue_id, t.id`,
  // counters' primary key
  storedBytes: `SELECT queue_id, sum(payload_bytes)::bigint AS payload_bytes FROM counters
    WHERE queue_id = ANY($1::bigint[]) GROUP BY queue_id`,
  lockQueue: "SELECT pg_advisory_xact_lock(hashtextextended(current_schema(), $1::bigint))",

  leaseAny: leaseText(ORDERED), // tasks_by_eta
  leaseTagged: leaseText("t.tag = $7"), // tasks_by_tag
  leaseUntagged: leaseText(UNTAGGED), // tasks_by_eta
  lookAtDue: dueText(ORDERED), // tasks_by_eta

  // tasks_by_id
  extendLeases: `UPDATE tasks t SET eta_us = v.eta_us, uncounted = t.uncounted + v.uncounted, given_back = v.given_back
    FROM unnest($2::integer[], $3::bigint[], $4::text[], $5::bigint[], $6::bigint[], $7::bigint[], $8::integer[],
      $9::boolean[]) AS v (place, queue_id, id, retry_count, lease_end_us, eta_us, uncounted, given_back)
    WHERE ${byKey("t", "v")} AND ${HOLDS_LEASE}
    RETURNING v.place, ${TASK_COLUMNS}`,
  // tasks_by_id. One row with the places of those that are gone, of those among them that had a chosen id, and their sizes: rows of
  // their own would cost the server more than all else.
  deleteTasks: `WITH gone AS (DELETE FROM tasks t
      USING unnest($2::integer[], $3::bigint[], $4::text[], $5::bigint[], $6::bigint[])
        AS v (place, queue_id, id, retry_count, lease_end_us)
      WHERE ${byKey("t", "v")}
        AND ((v.retry_count IS NULL AND v.lease_end_us IS NULL) OR (${HOLDS_LEASE}))
      RETURNING v.place, t.named, t.payload_bytes)
    SELECT array_agg(place) AS places, array_agg(payload_bytes) AS sizes, array_agg(place) FILTER (WHERE named) AS named
    FROM gone`,
  // tasks_by_id
  knownTasks: `SELECT v.place FROM unnest($1::integer[], $2::bigint[], $3::text[]) AS v (place, queue_id, id)
    CROSS JOIN LATERAL (SELECT FROM tasks t WHERE t.queue_id = v.queue_id AND t.id = v.id LIMIT 1) t`,
  // tasks_by_id, twice. Those that are there, and those that are dead letters of their queue now.
  lateTasks: `SELECT v.place FROM unnest($1::integer[], $2::bigint[], $3::text[]) AS v (place, queue_id, id)
    WHERE EXISTS (SELECT FROM tasks t WHERE ${byKey("t", "v")})
      OR EXISTS (SELECT FROM queues o
        CROSS JOIN LATERAL (
          SELECT d.id FROM queues d WHERE d.project = o.project AND d.name = o.dead_letter_queue LIMIT 1) d
        CROSS JOIN LATERAL (SELECT t.dead_letter FROM tasks t WHERE t.queue_id = d.id AND t.id = v.id LIMIT 1) t
        WHERE o.id = v.queue_id AND t.dead_letter::json ->> 'queue' = o.name)`,
  // tasks' rows by their places
  dropTasks: "DELETE FROM tasks WHERE ctid = ANY($1::tid[])",
  // tasks' rows by their places. A task is new in the queue that it moves to.
  moveTasks: `UPDATE tasks t SET queue_id = v.queue_id, id = v.id, named = v.named, eta_us = $1, uncounted = t.retry_count,
      given_back = true, expires_at_us = v.expires_at_us, dead_letter = v.dead_letter,
      serial = nextval('tasks_serial_seq')
    FROM unnest($2::tid[], $3::bigint[], $4::text[], $5::boolean[], $6::bigint[], $7::text[])
      AS v (place_of_row, queue_id, id, named, expires_at_us, dead_letter)
    WHERE t.ctid = v.place_of_row RETURNING t.queue_id, t.id`,
  // tombstones' primary key
  bury: `INSERT INTO tombstones (queue_id, id, until_us)
    SELECT * FROM unnest($1::bigint[], $2::text[], $3::bigint[])
    ON CONFLICT (queue_id, id) DO UPDATE SET until_us = excluded.until_us`,

  // counters' primary key
  addCounts: `INSERT INTO counters AS c (queue_id, slot, total_tasks, payload_bytes)
    SELECT v.queue_id, pg_backend_pid() % $1, v.tasks, v.bytes
    FROM unnest($2::bigint[], $3::bigint[], $4::bigint[]) AS v (queue_id, tasks, bytes)
    ON CONFLICT (queue_id, slot) DO UPDATE
    SET total_tasks = c.total_tasks + excluded.total_tasks, payload_bytes = c.payload_bytes + excluded.payload_bytes`,
  // lease_counts' primary key
  countLeases: `INSERT INTO lease_counts AS c (queue_id, step, slot, count)
    SELECT v.queue_id, $2, pg_backend_pid() % $1, v.count FROM unnest($3::bigint[], $4::bigint[]) AS v (queue_id, count)
    ON CONFLICT (queue_id, step, slot) DO UPDATE SET count = c.count + excluded.count`,

  // tasks_by_id
  findTask: `SELECT ${TASK_COLUMNS}, t.payload FROM tasks t WHERE t.queue_id = $1 AND t.id = $2`,
  // tasks_by_eta
  listTasks: `SELECT ${TASK_COLUMNS} FROM tasks t
    WHERE ${ORDERED} AND t.queue_id = $1 AND (t.eta_us, t.id) > ($2, $3) ORDER BY t.eta_us, t.id LIMIT $4`,
} as const;

/** Statements of administrators; `stats` counts the delayed and leased tasks of queues, all others are short too. */
const ADMIN_STATEMENT_TEXTS = {
  lockQueues: "SELECT pg_advisory_xact_lock(hashtextextended(current_schema(), 0))",
  countQueues: "SELECT count(*) AS count FROM queues",
  putQueue: `INSERT INTO queues AS q (project, name, mode, max_leases, acl, disabled, dead_letter_queue,
      leases_per_second, storage_bytes_max, retention_ms, tombstone_ms)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
    ON CONFLICT (project, name) DO UPDATE
    SET mode = excluded.mode, max_leases = excluded.max_leases, acl = excluded.acl, disabled = excluded.disabled,
      dead_letter_queue = excluded.dead_letter_queue, leases_per_second = excluded.leases_per_second,
      storage_bytes_max = excluded.storage_bytes_max, retention_ms = excluded.retention_ms,
      tombstone_ms = excluded.tombstone_ms
    RETURNING ${QUEUE_COLUMNS}`,
  // queues' unique index (project, name)
  listQueues: `SELECT ${QUEUE_COLUMNS} FROM queues q WHERE q.project = $1 AND q.name > $2 ORDER BY q.name LIMIT $3`,
  // queues' unique index (project, name)
  listProjects: "SELECT DISTINCT project FROM queues ORDER BY project LIMIT $1",
  removeQueue: `WITH gone AS (DELETE FROM queues WHERE id = $1 RETURNING id)
    INSERT INTO removed_queues (queue_id, removed_at_us) SELECT id, $2 FROM gone ON CONFLICT DO NOTHING`,
  // One statement, so that the counts are of one moment. Leased and delayed tasks are fewer than those that wait.
  stats: `SELECT q.queue_id,
      (SELECT coalesce(sum(c.total_tasks), 0) FROM counters c WHERE c.queue_id = q.queue_id)::bigint AS total_tasks,
      (SELECT coalesce(sum(c.payload_bytes), 0) FROM counters c WHERE c.queue_id = q.queue_id)::bigint AS payload_bytes,
      later.tasks AS later_tasks, later.leased AS leased_tasks,
      (SELECT t.eta_us FROM tasks t WHERE ${ORDERED} AND t.queue_id = q.queue_id
        ORDER BY t.eta_us, t.id LIMIT 1) AS oldest_eta_us,
      (SELECT coalesce(sum(c.count), 0) FROM lease_counts c
        WHERE c.queue_id = q.queue_id AND c.step > $2)::bigint AS leased_minute,
      (SELECT coalesce(sum(c.count), 0) FROM lease_counts c
        WHERE c.queue_id = q.queue_id AND c.step > $3)::bigint AS leased_hour
    FROM unnest($4::bigint[]) AS q (queue_id)
    CROSS JOIN LATERAL (SELECT count(*) AS tasks, count(*) FILTER (WHERE t.retry_count > 0) AS leased
      FROM tasks t WHERE ${ORDERED} AND t.queue_id = q.queue_id AND t.eta_us > $1) AS later`,
  // tasks_by_id. As many as go together in $4 bytes of payload, one at least.
  exportTasks: `SELECT s.*, now_us() AS now_us FROM (
      SELECT ${TASK_COLUMNS}, t.payload, sum(t.payload_bytes) OVER (ORDER BY t.id) - t.payload_bytes AS bytes_before
      FROM (SELECT * FROM tasks t WHERE t.queue_id = $1 AND t.id > $2 ORDER BY t.id LIMIT $3) t) s
    WHERE s.bytes_before < $4 ORDER BY s.id`,
  // tombstones' primary key
  exportTombstones: `SELECT b.id, b.until_us FROM tombstones b
    WHERE b.queue_id = $1 AND b.id > $2 AND b.until_us > now_us() ORDER BY b.id LIMIT $3`,
  // tasks_by_id, and tombstones' primary key
  importTasks: `INSERT INTO tasks (queue_id, id, named, given_back, enqueued_at_us, eta_us, expires_at_us, retry_count,
      uncounted, payload_bytes, tag, traceparent, tracestate, dead_letter, payload)
    SELECT $1, v.id, v.named, v.given_back, v.enqueued_at_us, v.eta_us, v.expires_at_us, v.retry_count, v.uncounted,
      v.payload_bytes, v.tag, v.traceparent, v.tracestate, v.dead_letter,
      substring($2::bytea FROM v.payload_end - v.payload_bytes + 1 FOR v.payload_bytes)
    FROM unnest($3::integer[], $4::integer[], $5::text[], $6::boolean[], $7::boolean[], $8::bigint[], $9::bigint[],
      $10::bigint[], $11::integer[], $12::integer[], $13::text[], $14::text[], $15::text[], $16::text[])
      AS v (payload_end, payload_bytes, id, named, given_back, enqueued_at_us, eta_us, expires_at_us, retry_count,
        uncounted, tag, traceparent, tracestate, dead_letter)
    WHERE NOT EXISTS (
      SELECT FROM tombstones b WHERE b.queue_id = $1 AND b.id = v.id AND b.until_us > now_us())
    ON CONFLICT (queue_id, id) DO NOTHING RETURNING id, payload_bytes`,
  // tasks_by_id
  presentTasks: `SELECT t.id, t.enqueued_at_us, t.payload FROM unnest($2::text[]) AS v (id)
    CROSS JOIN LATERAL (SELECT * FROM tasks t WHERE t.queue_id = $1 AND t.id = v.id LIMIT 1) t`,
  // tasks_by_id
  removeUnchanged: `DELETE FROM tasks t
    USING (SELECT $1::bigint AS queue_id, u.* FROM unnest($2::text[], $3::bigint[], $4::bigint[])
      AS u (id, retry_count, eta_us) OFFSET 0) AS v
    WHERE ${byKey("t", "v")} AND t.retry_count = v.retry_count AND t.eta_us = v.eta_us
    RETURNING t.id, t.named, t.payload_bytes`,
  // tasks_by_id
  withdrawTasks: `DELETE FROM tasks t
    USING (SELECT $1::bigint AS queue_id, u.id FROM unnest($2::text[]) AS u (id) OFFSET 0) AS v
    WHERE ${byKey("t", "v")} RETURNING t.payload_bytes`,
  // tombstones' primary key
  importTombstones: `INSERT INTO tombstones AS b (queue_id, id, until_us)
    SELECT $1, v.id, v.until_us FROM unnest($2::text[], $3::bigint[]) AS v (id, until_us)
    ON CONFLICT (queue_id, id) DO UPDATE SET until_us = greatest(b.until_us, excluded.until_us)`,
  now: "SELECT now_us() AS now_us",
  // What a commit is worth that the operating system has not written, and a page of which half is.
  unsafeSettings: `SELECT name FROM pg_settings WHERE name IN ('fsync', 'full_page_writes') AND setting = 'off' ORDER BY name`,
  setPaused: `UPDATE queues q SET paused = $2 WHERE id = $1 RETURNING ${QUEUE_COLUMNS}`,
  findQueuesById: `SELECT ${QUEUE_COLUMNS} FROM queues q WHERE q.id = ANY($1::bigint[])`, // queues' primary key
  lastSerial: "SELECT last_value AS serial FROM tasks_serial_seq",
  // tasks_by_id. All tasks, or ($5) those of the tag $6, or those without one.
  purgeTasks: `WITH chunk AS MATERIALIZED (
      SELECT t.queue_id, t.id, t.serial FROM tasks t WHERE t.queue_id = $1 AND t.id > $2 ORDER BY t.id LIMIT $3 FOR UPDATE),
    gone AS (DELETE FROM tasks t USING chunk s
      WHERE ${byKey("t", "s")} AND s.serial <= $4 AND (NOT $5 OR t.tag IS NOT DISTINCT FROM $6)
      RETURNING t.id, t.named, t.payload_bytes)
    SELECT id, named, payload_bytes FROM gone
    UNION ALL SELECT id, NULL, NULL FROM chunk WHERE id NOT IN (SELECT id FROM gone) ORDER BY id`,
  // tasks_by_id
  tasksAfterId: `SELECT t.ctid AS place_of_row, t.serial, ${TASK_COLUMNS} FROM tasks t
    WHERE t.queue_id = $1 AND t.id > $2 ORDER BY t.id LIMIT $3 FOR UPDATE`,
  // tasks_by_eta: counts the untagged among some tasks after a place
  countUntagged: `SELECT count(*) AS looked, count(*) FILTER (WHERE t.tag IS NULL) AS total,
      count(*) FILTER (WHERE t.tag IS NULL AND t.eta_us <= $1) AS available,
      min(t.eta_us) FILTER (WHERE t.tag IS NULL) AS oldest_eta_us, max(t.eta_us) AS last_eta_us,
      (array_agg(t.id ORDER BY t.eta_us DESC, t.id DESC))[1] AS last_id
    FROM (SELECT t.tag, t.eta_us, t.id FROM tasks t
      WHERE ${ORDERED} AND t.queue_id = $2 AND (t.eta_us, t.id) > ($3, $4) ORDER BY t.eta_us, t.id LIMIT $5) t`,
  // tasks_by_tag: counts some tagged tasks after a place, by tag
  countTagged: `SELECT t.tag, count(*) AS total, count(*) FILTER (WHERE t.eta_us <= $1) AS available,
      min(t.eta_us) AS oldest_eta_us, max(t.eta_us) AS last_eta_us,
      (array_agg(t.id ORDER BY t.eta_us DESC, t.id DESC))[1] AS last_id
    FROM (SELECT t.tag, t.eta_us, t.id FROM tasks t
      WHERE t.queue_id = $2 AND t.tag IS NOT NULL AND (t.tag, t.eta_us, t.id) > ($3, $4, $5)
      ORDER BY t.tag, t.eta_us, t.id LIMIT $6) t
    GROUP BY t.tag ORDER BY t.tag`,

  // tasks_by_expiry; who holds a task keeps it
  expiredTasks: `SELECT t.ctid AS place_of_row, ${TASK_COLUMNS} FROM tasks t
    CROSS JOIN LATERAL (SELECT FROM queues q WHERE q.id = t.queue_id LIMIT 1) q
    WHERE t.expires_at_us <= $1 AND NOT (t.retry_count > 0 AND NOT t.given_back AND t.eta_us > $1)
    ORDER BY t.expires_at_us LIMIT $2 FOR UPDATE OF t SKIP LOCKED`,
  // tombstones_by_end. The time is asked for once (a subselect), because an index is no help with what may change by the row.
  forgetTombstones: `DELETE FROM tombstones WHERE ctid = ANY(ARRAY(
    SELECT ctid FROM tombstones WHERE until_us <= (SELECT now_us()) ORDER BY until_us LIMIT $1 FOR UPDATE SKIP LOCKED))`,
  // insert_keys_by_end
  forgetKeys: `DELETE FROM insert_keys WHERE ctid = ANY(ARRAY(
    SELECT ctid FROM insert_keys WHERE until_minute < (SELECT now_us() / 60000000) ORDER BY until_minute LIMIT $1
    FOR UPDATE SKIP LOCKED))`,
  // lease_counts_by_step
  forgetLeases: `DELETE FROM lease_counts WHERE ctid = ANY(ARRAY(
    SELECT ctid FROM lease_counts WHERE step <= $2 LIMIT $1 FOR UPDATE SKIP LOCKED))`,
  forgetWaiters: "DELETE FROM waiters WHERE until_us <= now_us()",
  removedQueues: "SELECT queue_id, removed_at_us, now_us() AS now_us FROM removed_queues",
  // tasks_by_id; the primary keys of the others
  removeTasksOf: `DELETE FROM tasks WHERE ctid = ANY(ARRAY(
    SELECT ctid FROM tasks WHERE queue_id = $1 LIMIT $2 FOR UPDATE SKIP LOCKED))`,
  removeTombstonesOf: `DELETE FROM tombstones WHERE ctid = ANY(ARRAY(
    SELECT ctid FROM tombstones WHERE queue_id = $1 LIMIT $2 FOR UPDATE SKIP LOCKED))`,
  removeKeysOf: `DELETE FROM insert_keys WHERE ctid = ANY(ARRAY(
    SELECT ctid FROM insert_keys WHERE queue_id = $1 LIMIT $2 FOR UPDATE SKIP LOCKED))`,
  removeCountsOf: `WITH counted AS (DELETE FROM counters WHERE queue_id = $1)
    DELETE FROM lease_counts WHERE queue_id = $1`,
  forgetRemoved: "DELETE FROM removed_queues WHERE queue_id = $1",

  // waiters' primary key
  awaitTasks: `INSERT INTO waiters AS w (project, queue, process, until_us)
    SELECT v.project, v.queue, $1, now_us() + $2 FROM unnest($3::text[], $4::text[]) AS v (project, queue)
    ON CONFLICT (project, queue, process) DO UPDATE SET until_us = excluded.until_us`,
  stopAwaiting: "DELETE FROM waiters WHERE process = $1",
  // queues' unique index (project, name), then tasks_by_eta
  nextEtas: `SELECT k.project, k.name, k.after_us, (SELECT t.eta_us FROM tasks t
        WHERE ${ORDERED} AND t.queue_id = q.id AND t.eta_us > k.after_us ORDER BY t.eta_us LIMIT 1) AS eta_us, now_us() AS now_us
    FROM unnest($1::text[], $2::text[], $3::bigint[]) AS k (project, name, after_us)
    CROSS JOIN LATERAL (SELECT * FROM queues q WHERE q.project = k.project AND q.name = k.name LIMIT 1) q
    WHERE NOT q.paused`,
  // waiters' primary key
  tellWaiting: `SELECT pg_notify($1, w.project || '/' || w.queue) FROM (
      SELECT DISTINCT w.project, w.queue FROM unnest($3::text[], $4::text[]) AS v (project, queue)
      CROSS JOIN LATERAL (SELECT * FROM waiters w WHERE w.project = v.project AND w.queue = v.queue OFFSET 0) w
      WHERE w.process <> $2 AND w.until_us > now_us()) AS w`,
} as const;

/** All statements by name. */
export const STATEMENTS = { ...STATEMENT_TEXTS, ...ADMIN_STATEMENT_TEXTS };

/** The name of a statement. */
export type StatementName = keyof typeof STATEMENTS;
