import { isMissing } from "@pullqueue/testing";
import { type TemporarySchema, temporarySchema } from "@pullqueue/testing/postgres-schema";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { openPostgresStore } from "../../src/stores/postgres.js";
import { SCHEMA_STEPS } from "../../src/stores/postgres-schema.js";
import { DEFAULT_QUEUE_SETTINGS } from "../../src/task.js";

const queue = { project: "p", queue: "q" };

/** Schemas that an older version made. */
describe.skipIf(isMissing("postgres"))("openPostgresStore() on an older schema", () => {
  let schema: TemporarySchema;
  beforeEach(() => {
    schema = temporarySchema();
  });
  afterEach(() => schema[Symbol.asyncDispose]());

  /** The schema after the first `steps` steps. */
  async function makeSchema(steps: number): Promise<void> {
    await schema.sql(
      `CREATE SCHEMA ${schema.name};
      CREATE TABLE schema_steps (step integer PRIMARY KEY, applied_at timestamptz NOT NULL DEFAULT now())`,
    );
    for (const [index, step] of SCHEMA_STEPS.slice(0, steps).entries()) {
      await schema.sql(`${step}; INSERT INTO schema_steps (step) VALUES (${index + 1})`);
    }
  }

  const indexes = () =>
    schema.sql(`SELECT indexname, replace(indexdef, current_schema() || '.', '') AS definition
      FROM pg_indexes WHERE schemaname = current_schema() ORDER BY indexname`);

  test("keeps its queues and tasks", async () => {
    await makeSchema(1);
    await schema.sql(`INSERT INTO queues (project, name, mode, disabled) VALUES ('p', 'q', 'pull', false);
      INSERT INTO tasks (queue_id, id, named, enqueued_at_us, eta_us, payload_bytes, payload)
        VALUES (1, 'b', true, 1, 2, 1, 'b'), (1, 'a', true, 1, 1, 1, 'a')`);
    await using store = await openPostgresStore({ url: schema.url });
    const leased = await store.lease([queue], { maxTasks: 10, leaseMs: 60_000 });
    expect(leased.map(({ id }) => id)).toEqual(["a", "b"]);
    expect(await store.getQueue(queue)).toMatchObject({ settings: { mode: "pull" } });
  });

  test("makes what a new schema has", async () => {
    await makeSchema(1);
    await (await openPostgresStore({ url: schema.url })).close();
    const upgraded = await indexes();
    await using fresh = temporarySchema();
    await using store = await openPostgresStore({ url: fresh.url });
    await store.putQueue(queue, DEFAULT_QUEUE_SETTINGS);
    const made =
      await fresh.sql(`SELECT indexname, replace(indexdef, current_schema() || '.', '') AS definition
      FROM pg_indexes WHERE schemaname = current_schema() ORDER BY indexname`);
    expect(upgraded).toEqual(made);
  });
});
