import { type Clock, manualClock, type QueueAdmin, type QueueStore } from "@pullqueue/core";
import type { StoreFactory } from "@pullqueue/core/conformance";
import { type TemporarySchema, temporarySchema } from "./postgres-schema.js";

/** Opens a store, or a way to one, on the database at a URL. */
export type OpenOnPostgres = (
  url: string,
  clock?: Clock,
) => Promise<{ readonly store: QueueStore & QueueAdmin; readonly close: () => Promise<void> }>;

/** Looks in a row that must find the database idle. A call is between two statements for less than a look takes. */
const QUIET_LOOKS = 3;

/** Queries for the time, of which the quickest counts: on a busy machine an answer may be old when it comes. */
const CLOCK_QUERIES = 5;

/** Schemas that factories use again, emptied, because making one takes a third of a second. */
const idle: Record<"own" | "manual", TemporarySchema[]> = { own: [], manual: [] };

/** Drops what the factories have kept, after all tests of a file. */
export async function dropSchemas(): Promise<void> {
  const all = Object.values(idle).flatMap((schemas) => schemas.splice(0));
  await Promise.all(all.map((schema) => schema[Symbol.asyncDispose]()));
}

/** Stores on the database's own clock. */
export function postgresOnOwnClock(open: OpenOnPostgres): StoreFactory {
  return async () => {
    const schema = idle.own.pop() ?? temporarySchema();
    const handles = handlesOf(schema, open);
    const store = await handles.open();
    const nowUs = await clockOf(schema);
    return {
      store,
      another: () => handles.open(),
      manualClock: false,
      advance: (ms) => new Promise((resolve) => setTimeout(resolve, ms + 1)),
      nowUs,
      async close() {
        await handles.close();
        await empty(schema);
        idle.own.push(schema);
      },
    };
  };
}

/**
 * Stores on a clock that only moves when told: `now_us()`, their one source of time, reads a table. This process's clock
 * shows a new time before the database does, and its timers fire after: it is never behind.
 */
export function postgresOnManualClock(open: OpenOnPostgres): StoreFactory {
  return async () => {
    const schema = idle.manual.pop() ?? (await schemaOnTestClock(open));
    const timers = manualClock();
    let nowUs = timers.nowUs();
    const clock: Clock = { nowUs: () => nowUs, timer: (ms, callback) => timers.timer(ms, callback) };
    const tick = () => schema.sql("UPDATE test_clock SET us = $1", [nowUs]);
    await tick();
    const handles = handlesOf(schema, open, clock);
    return {
      store: await handles.open(),
      another: () => handles.open(),
      manualClock: true,
      async advance(ms) {
        nowUs += Math.round(ms * 1000);
        await tick();
        timers.advance(ms);
        await quiet(schema);
      },
      nowUs: () => nowUs,
      async close() {
        await handles.close();
        await empty(schema);
        idle.manual.push(schema);
      },
    };
  };
}

/** The database's clock: never behind it, and ahead by no more than the quickest of a few queries took. */
async function clockOf(schema: TemporarySchema): Promise<() => number> {
  let quickest = { tookMs: Number.POSITIVE_INFINITY, askedMs: 0, us: 0 };
  for (let query = 0; query < CLOCK_QUERIES; query++) {
    const askedMs = performance.now();
    const [now] = await schema.sql("SELECT now_us() AS now_us");
    const tookMs = performance.now() - askedMs;
    if (tookMs < quickest.tookMs) quickest = { tookMs, askedMs, us: Number(now!.now_us) };
  }
  return () => quickest.us + Math.ceil((performance.now() - quickest.askedMs) * 1000);
}

function handlesOf(schema: TemporarySchema, open: OpenOnPostgres, clock?: Clock) {
  const closings: (() => Promise<void>)[] = [];
  return {
    async open() {
      const { store, close } = await open(schema.url, clock);
      closings.push(close);
      return store;
    },
    async close() {
      await Promise.all(closings.splice(0).map((close) => close()));
    },
  };
}

async function schemaOnTestClock(open: OpenOnPostgres): Promise<TemporarySchema> {
  const schema = temporarySchema();
  const first = await open(schema.url);
  await first.close();
  await schema.sql("CREATE TABLE test_clock AS SELECT 0::bigint AS us");
  await schema.sql(
    "CREATE OR REPLACE FUNCTION now_us() RETURNS bigint LANGUAGE sql VOLATILE AS 'SELECT us FROM test_clock'",
  );
  return schema;
}

/** Empties all tables but those that say how the schema is. */
async function empty(schema: TemporarySchema): Promise<void> {
  const tables = await schema.sql(
    `SELECT string_agg(format('DELETE FROM %I', relname), ';') AS text FROM pg_class
     WHERE relnamespace = current_schema()::regnamespace AND relkind = 'r' AND relname NOT IN ('schema_steps', 'test_clock')`,
  );
  await schema.sql(String(tables[0]!.text));
}

/** Waits until the stores have done what a turn of their clock has set off, as far as the database can see it. */
async function quiet(schema: TemporarySchema): Promise<void> {
  for (let idleLooks = 0; idleLooks < QUIET_LOOKS; ) {
    const [working] = await schema.sql(
      "SELECT count(*) AS count FROM pg_stat_activity WHERE application_name = $1 AND state <> 'idle'",
      [schema.name],
    );
    idleLooks = Number(working!.count) === 0 ? idleLooks + 1 : 0;
    await new Promise(setImmediate);
  }
}
