import { isMissing } from "@pullqueue/testing";
import { type TemporarySchema, temporarySchema } from "@pullqueue/testing/postgres-schema";
import pg from "pg";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { manualClock, systemClock } from "../../src/clock.js";
import { DatabaseClock } from "../../src/stores/postgres-clock.js";
import { PostgresConnections } from "../../src/stores/postgres-connections.js";
import { PostgresListener } from "../../src/stores/postgres-listener.js";
import type { PostgresPool } from "../../src/stores/postgres-pool.js";
import { deferred } from "../support/deferred.js";

describe.skipIf(isMissing("postgres"))("PostgresListener", () => {
  let schema: TemporarySchema;
  let pool: pg.Pool;
  let connections: PostgresConnections;
  beforeEach(() => {
    schema = temporarySchema();
    const url = new URL(schema.url);
    url.searchParams.delete("schema");
    pool = new pg.Pool({ connectionString: url.href, max: 3 });
    connections = new PostgresConnections({
      pool: pool as unknown as PostgresPool,
      end: () => pool.end(),
      schema: schema.name,
      clock: new DatabaseClock(systemClock()),
      observer: undefined,
    });
  });
  afterEach(async () => {
    await connections.close();
    await schema[Symbol.asyncDispose]();
  });

  test("start() waits for the database's answer to LISTEN, also for who comes while that is under way", async () => {
    const [asked, go] = [deferred(), deferred()];
    pool.on("connect", (client) => {
      const query = client.query.bind(client) as (query: { text: string }) => Promise<unknown>;
      client.query = (async (what: { text: string }) => {
        if (what.text.startsWith("LISTEN")) {
          asked.resolve();
          await go.promise;
        }
        return query(what);
      }) as typeof client.query;
    });
    const listener = new PostgresListener(connections, systemClock(), () => {});
    const first = listener.start();
    await asked.promise;
    let listens = false;
    const second = listener.start().then(() => {
      listens = true;
    });
    await schema.sql("SELECT 1");
    expect(listens).toBe(false);
    go.resolve();
    await Promise.all([first, second]);
    await listener.close();
  });

  test("start() tells that something may have been missed where the connection had broken", async () => {
    const heard: (string | undefined)[] = [];
    const told = deferred();
    const listener = new PostgresListener(connections, systemClock(), (payload) => {
      heard.push(payload);
      told.resolve();
    });
    await listener.start();
    expect(heard).toEqual([]);
    await schema.sql(
      "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = $1 AND query LIKE 'LISTEN%'",
      [schema.name],
    );
    while (pool.totalCount > 0) await schema.sql("SELECT 1");
    await listener.start();
    await told.promise;
    expect(heard).toEqual([undefined]);
    await listener.close();
  });
});

test("a listener whose database is away tries again at least once a second, so that consumers go on within two", async () => {
  const clock = manualClock();
  let tries = 0;
  const connections = {
    borrow: async () => {
      tries += 1;
      throw new Error("connection terminated");
    },
  } as unknown as PostgresConnections;
  const listener = new PostgresListener(connections, clock, () => {});
  await listener.start();
  for (let second = 0; second < 10; second++) {
    const before = tries;
    clock.advance(1_000);
    await new Promise(setImmediate);
    if (second > 0) expect(tries).toBeGreaterThan(before);
  }
  await listener.close();
});
