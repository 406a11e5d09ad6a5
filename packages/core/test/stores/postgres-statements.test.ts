import { isMissing } from "@pullqueue/testing";
import { type TemporarySchema, temporarySchema } from "@pullqueue/testing/postgres-schema";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { openPostgresStore } from "../../src/stores/postgres.js";
import { STATEMENT_TEXTS, STATEMENTS } from "../../src/stores/postgres-statements.js";

/** Enough rows that reading all of a table would show in a plan, and in the time. */
const ROWS = 20_000;

const SETTINGS = `SET enable_seqscan = off; SET enable_bitmapscan = off; SET enable_hashjoin = off;
  SET enable_mergejoin = off; SET enable_sort = off; SET plan_cache_mode = force_generic_plan`;

/** The plan of a prepared statement, as a connection of the store would make it once for all. */
async function planIn(schema: TemporarySchema, name: string, text: string): Promise<string> {
  const count = Math.max(0, ...Array.from(text.matchAll(/\$(\d+)/g), ([, n]) => Number(n)));
  const values = Array(count).fill("NULL").join(", ");
  const results = (await schema.sql(
    `${SETTINGS}; PREPARE ${name} AS ${text}; EXPLAIN EXECUTE ${name}${count === 0 ? "" : `(${values})`}; DEALLOCATE ${name}`,
  )) as unknown as Record<string, string>[];
  return results.map((row) => row["QUERY PLAN"]).join("\n");
}

describe.skipIf(isMissing("postgres"))("STATEMENT_TEXTS", () => {
  let schema: TemporarySchema;

  beforeAll(async () => {
    schema = temporarySchema();
    await (await openPostgresStore({ url: schema.url })).close();
    await schema.sql(`INSERT INTO tasks (queue_id, id, named, tag, enqueued_at_us, eta_us, payload_bytes, payload)
      SELECT n % 10, n::text, false, CASE WHEN n % 3 = 0 THEN (n % 7)::text END, n, n, 1, 'x'
      FROM generate_series(1, ${ROWS}) n`);
    await schema.sql(`INSERT INTO insert_keys (queue_id, key, until_minute, id, enqueued_at_us, eta_us)
      SELECT n % 10, n::text, n, n::text, n, n FROM generate_series(1, ${ROWS}) n`);
    await schema.sql(`INSERT INTO tombstones SELECT n % 10, n::text, n FROM generate_series(1, ${ROWS}) n`);
    await schema.sql("ANALYZE");
  }, 60_000);
  afterAll(() => schema[Symbol.asyncDispose]());

  const planOf = (name: string, text: string) => planIn(schema, name, text);

  test.each(Object.entries(STATEMENT_TEXTS))("%s reads no table as a whole", async (name, text) => {
    expect(await planOf(name, text)).not.toMatch(/Seq Scan/);
  });

  test.each([
    ["leaseAny", "tasks_by_eta"],
    ["leaseTagged", "tasks_by_tag"],
    ["leaseUntagged", "tasks_by_eta"],
    ["lookAtDue", "tasks_by_eta"],
    ["extendLeases", "tasks_by_id"],
    ["deleteTasks", "tasks_by_id"],
    ["knownTasks", "tasks_by_id"],
    ["removeBuried", "tombstones_pkey"],
    ["findKeys", "insert_keys_pkey"],
    ["releaseKeys", "insert_keys_pkey"],
    ["findTask", "tasks_by_id"],
    ["listTasks", "tasks_by_eta"],
  ] as const)("%s uses %s", async (name, index) => {
    expect(await planOf(name, STATEMENT_TEXTS[name])).toContain(`using ${index}`);
  });

  test.each(["leaseAny", "leaseTagged", "listTasks"] as const)(
    "%s takes its tasks from the index in order",
    async (name) => {
      const plan = await planOf(name, STATEMENT_TEXTS[name]);
      // What is sorted afterwards is the few rows that were taken.
      expect(plan).toMatch(/Limit[^\n]*\n(?:[^\n]*LockRows[^\n]*\n)?[^\n]*Index Scan using tasks_by/);
    },
  );

  test.each(["leaseAny", "leaseTagged", "leaseUntagged", "extendLeases", "deleteTasks"] as const)(
    "%s compares no row of a batch with all others",
    async (name) => {
      expect(await planOf(name, STATEMENT_TEXTS[name])).not.toMatch(/Join Filter/);
    },
  );

  test.each([
    ["forgetTombstones", "tombstones_by_end"],
    ["forgetKeys", "insert_keys_by_end"],
    ["forgetLeases", "lease_counts_by_step"],
    ["expiredTasks", "tasks_by_expiry"],
  ] as const)("%s stops at what time has not ended, by %s", async (name, index) => {
    expect(await planOf(name, STATEMENTS[name])).toMatch(
      new RegExp(`Index(?: Only)? Scan using ${index} on [^\\n]*\\n\\s*Index Cond`),
    );
  });
});

/**
 * A queue that is empty most of the time is analysed while it is empty, and then known to have no rows at all on many pages.
 * Every way through an index costs the same then, so that a statement must leave the planner one alone.
 */
describe.skipIf(isMissing("postgres")).each([0, 1, 3])(
  "STATEMENT_TEXTS where the tables were analysed with %i rows left",
  (left) => {
    const tables = ["tasks", "insert_keys", "tombstones", "queues", "waiters"];
    const rows = `FROM generate_series(1, ${ROWS}) n`;
    let schema: TemporarySchema;

    const each = (text: (table: string) => string) => schema.sql(tables.map(text).join("; "));
    const fill = () =>
      schema.sql(`
      INSERT INTO queues (project, name, mode, disabled) SELECT 'p', n::text, 'pull', false ${rows};
      INSERT INTO tasks (queue_id, id, named, tag, enqueued_at_us, eta_us, expires_at_us, payload_bytes, payload)
        SELECT 1, n::text, false, CASE WHEN n % 3 = 0 THEN (n % 7)::text END, n, n, n, 1, 'x' ${rows};
      INSERT INTO insert_keys (queue_id, key, until_minute, id, enqueued_at_us, eta_us)
        SELECT 1, n::text, n, n::text, n, n ${rows};
      INSERT INTO tombstones SELECT 1, n::text, n ${rows};
      INSERT INTO waiters SELECT 'p', n::text, 'process', n ${rows}`);

    beforeAll(async () => {
      schema = temporarySchema();
      await (await openPostgresStore({ url: schema.url })).close();
      // Otherwise the database's own cleaning could take the empty pages away.
      await each((table) => `ALTER TABLE ${table} SET (autovacuum_enabled = false)`);
      await fill();
      await each(
        (table) => `DELETE FROM ${table} WHERE ctid <> ALL (ARRAY(SELECT ctid FROM ${table} LIMIT ${left}))`,
      );
      await schema.sql(`ANALYZE ${tables.join(", ")}`);
      await each((table) => `DELETE FROM ${table}`);
      await fill();
    }, 60_000);
    afterAll(() => schema[Symbol.asyncDispose]());

    test("the planner knows many pages and those rows", async () => {
      const known = await schema.sql(`SELECT relname, reltuples, relpages > 50 AS pages FROM pg_class
      WHERE oid = ANY('{${tables.join(", ")}}'::regclass[]) ORDER BY oid`);
      expect(known).toHaveLength(tables.length);
      for (const row of known) expect(row).toMatchObject({ reltuples: left, pages: true });
    });

    test.each([
      ["extendLeases", "tasks_by_id"],
      ["deleteTasks", "tasks_by_id"],
      ["knownTasks", "tasks_by_id"],
      ["lateTasks", "tasks_by_id"],
      ["removeBuried", "tasks_by_id"],
      ["removeBuried", "tombstones_pkey"],
      ["findKeys", "insert_keys_pkey"],
      ["releaseKeys", "insert_keys_pkey"],
      ["findTask", "tasks_by_id"],
      ["removeUnchanged", "tasks_by_id"],
      ["presentTasks", "tasks_by_id"],
      ["withdrawTasks", "tasks_by_id"],
      ["purgeTasks", "tasks_by_id"],
      ["findQueues", "queues_project_name_key"],
      ["nextEtas", "queues_project_name_key"],
      ["tellWaiting", "waiters_pkey"],
    ] as const)("%s looks rows up by the whole key of %s", async (name, index) => {
      const plan = await planIn(schema, name, STATEMENTS[name]);
      expect(plan).not.toMatch(/Join Filter: .*(?:id|key|name|queue) = /);
      const cond = String.raw`Index Cond: \(\((?:queue_id|project) = .*(?:id|key|name|queue) = `;
      expect(plan).toMatch(new RegExp(String.raw`using ${index} on .*\n\s*${cond}`));
    });

    test("expiredTasks looks for the queue of each task by its number", async () => {
      const plan = await planIn(schema, "expiredTasks", STATEMENTS.expiredTasks);
      expect(plan).toMatch(/using tasks_by_expiry on /);
      expect(plan).toMatch(/using queues_pkey on .*\n\s*Index Cond: \(id = t.queue_id\)/);
    });

    test.each([
      ["leaseAny", "tasks_by_eta"],
      ["leaseTagged", "tasks_by_tag"],
      ["leaseUntagged", "tasks_by_eta"],
      ["lookAtDue", "tasks_by_eta"],
      ["listTasks", "tasks_by_eta"],
      ["nextEtas", "tasks_by_eta"],
      ["countUntagged", "tasks_by_eta"],
      ["countTagged", "tasks_by_tag"],
    ] as const)("%s goes by %s alone", async (name, index) => {
      const used = (await planIn(schema, name, STATEMENTS[name])).match(/using tasks_by_\w+/g);
      expect(new Set(used)).toEqual(new Set([`using ${index}`]));
    });
  },
);
