import { randomBytes } from "node:crypto";
import pg from "pg";
import { type Clock, manualClock } from "../../src/clock.js";
import type { StoreUnderTest } from "../../src/conformance/index.js";
import type { QueueAdmin, QueueStore } from "../../src/store.js";
import { openPostgresStore, type PostgresStoreOptions } from "../../src/stores/postgres.js";

/** The database of the tests; everything is made in schemas of its own. */
const DATABASE_URL = process.env.PULLQUEUE_TEST_POSTGRES ?? "postgres://postgres@127.0.0.1:5432/postgres";

/** Looks in a row that must find the database idle. A call is between two statements for less than a look takes. */
const QUIET_LOOKS = 3;

/** A schema of one test's own. */
interface TestSchema extends AsyncDisposable {
  readonly name: string;
  /** The address of a store in it. */
  readonly url: string;
  /** Runs SQL as another program would, with the schema as its search path. */
  sql(text: string, values?: readonly unknown[]): Promise<Record<string, unknown>[]>;
  open(options?: PostgresStoreOptions): Promise<QueueStore & QueueAdmin>;
  closeStores(): Promise<void>;
}

/** Waits until the stores have done what a turn of their clock has set off, as far as the database can see it. */
async function quiet(schema: TestSchema): Promise<void> {
  for (let idle = 0; idle < QUIET_LOOKS; ) {
    const [working] = await schema.sql(
      "SELECT count(*) AS count FROM pg_stat_activity WHERE application_name = $1 AND state <> 'idle'",
      [schema.name],
    );
    idle = Number(working!.count) === 0 ? idle + 1 : 0;
    await new Promise(setImmediate);
  }
}

/** Makes a name; the schema comes into being with the first store. Dropped, and its stores closed, in the end. */
function testSchema(): TestSchema {
  const name = `test_${randomBytes(8).toString("hex")}`;
  const url = new URL(DATABASE_URL);
  url.searchParams.set("schema", name);
  url.searchParams.set("application_name", name);
  const pool = new pg.Pool({ connectionString: DATABASE_URL, max: 2, options: `-c search_path=${name}` });
  pool.on("error", () => {});
  const stores: (QueueStore & QueueAdmin)[] = [];
  return {
    name,
    url: url.href,
    sql: async (text, values = []) => (await pool.query(text, [...values])).rows,
    async open(options = {}) {
      const store = await openPostgresStore({ connectionsMax: 5, ...options, url: url.href });
      stores.push(store);
      return store;
    },
    async closeStores() {
      await Promise.all(stores.splice(0).map((store) => store.close()));
    },
    async [Symbol.asyncDispose]() {
      await this.closeStores();
      await pool.query(`DROP SCHEMA IF EXISTS ${name} CASCADE`);
      await pool.end();
    },
  };
}

/**
 * Schemas that factories use again, emptied: making one takes a third of a second. What is left at the end is dropped by
 * `dropSchemas`.
 */
const idle: Record<"own" | "manual", TestSchema[]> = { own: [], manual: [] };

/** Drops what the factories have kept, after all tests of a file. */
export async function dropSchemas(): Promise<void> {
  const all = Object.values(idle).flatMap((schemas) => schemas.splice(0));
  await Promise.all(all.map((schema) => schema[Symbol.asyncDispose]()));
}

/** Empties all tables but those that say how the schema is. */
async function empty(schema: TestSchema): Promise<void> {
  const tables = await schema.sql(
    `SELECT string_agg(format('DELETE FROM %I', relname), ';') AS text FROM pg_class
     WHERE relnamespace = current_schema()::regnamespace AND relkind = 'r' AND relname NOT IN ('schema_steps', 'test_clock')`,
  );
  await schema.sql(String(tables[0]!.text));
}

/** A fresh PostgreSQL store on the database's own clock. */
export async function postgresUnderTest(): Promise<StoreUnderTest> {
  const schema = idle.own.pop() ?? testSchema();
  const store = await schema.open();
  const [now] = await schema.sql("SELECT now_us() AS now_us");
  const startUs = Number(now!.now_us);
  const startedMs = performance.now();
  return {
    store,
    another: () => schema.open(),
    manualClock: false,
    advance: (ms) => new Promise((resolve) => setTimeout(resolve, ms + 1)),
    // The database's, behind by the time of a query's answer.
    nowUs: () => startUs + Math.round((performance.now() - startedMs) * 1000),
    async close() {
      await schema.closeStores();
      await empty(schema);
      idle.own.push(schema);
    },
  };
}

/**
 * A fresh PostgreSQL store on a clock that only moves when told: `now_us()`, the one source of time, reads a table. This
 * process's clock shows a new time before the database does, and its timers fire after: it is never behind.
 */
export async function postgresOnManualClock(): Promise<StoreUnderTest> {
  const schema = idle.manual.pop() ?? (await schemaOnTestClock());
  const timers = manualClock();
  let nowUs = timers.nowUs();
  const clock: Clock = { nowUs: () => nowUs, timer: (ms, callback) => timers.timer(ms, callback) };
  const tick = () => schema.sql("UPDATE test_clock SET us = $1", [nowUs]);
  await tick();
  return {
    store: await schema.open({ clock }),
    another: () => schema.open({ clock }),
    manualClock: true,
    async advance(ms) {
      nowUs += Math.round(ms * 1000);
      await tick();
      timers.advance(ms);
      await quiet(schema);
    },
    nowUs: () => nowUs,
    async close() {
      await schema.closeStores();
      await empty(schema);
      idle.manual.push(schema);
    },
  };
}

async function schemaOnTestClock(): Promise<TestSchema> {
  const schema = testSchema();
  await schema.open();
  await schema.closeStores();
  await schema.sql("CREATE TABLE test_clock AS SELECT 0::bigint AS us");
  await schema.sql(
    "CREATE OR REPLACE FUNCTION now_us() RETURNS bigint LANGUAGE sql VOLATILE AS 'SELECT us FROM test_clock'",
  );
  return schema;
}
