import { isMissing } from "@pullqueue/testing";
import { type TemporarySchema, temporarySchema } from "@pullqueue/testing/postgres-schema";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { openPostgresStore } from "../../src/stores/postgres.js";
import { STATEMENT_TEXTS, STATEMENTS } from "../../src/stores/postgres-statements.js";

/** Enough rows that reading all of a table would show in a plan, and in the time. */
const ROWS = 20_000;

const SETTINGS = `SET enable_seqscan = off; SET enable_bitmapscan = off; SET enable_hashjoin = off;
  SET enable_mergejoin = off; SET plan_cache_mode = force_generic_plan`;

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

  /** The plan of a prepared statement, as a connection of the store would make it once for all. */
  async function planOf(name: string, text: string): Promise<string> {
    const count = Math.max(0, ...Array.from(text.matchAll(/\$(\d+)/g), ([, n]) => Number(n)));
    const values = Array(count).fill("NULL").join(", ");
    const results = (await schema.sql(
      `${SETTINGS}; PREPARE ${name} AS ${text}; EXPLAIN EXECUTE ${name}${count === 0 ? "" : `(${values})`}; DEALLOCATE ${name}`,
    )) as unknown as Record<string, string>[];
    return results.map((row) => row["QUERY PLAN"]).join("\n");
  }

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
