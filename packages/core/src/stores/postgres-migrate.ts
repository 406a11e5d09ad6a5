import { QueueError } from "../errors.js";
import { POSTGRES_MIGRATION_TIMEOUT_MS } from "../limits.js";
import { isConnectionLost } from "./postgres-errors.js";
import type { PostgresClient, PostgresPool, PostgresRow } from "./postgres-pool.js";

/** Brings a schema up to date, each process waiting for the other's transaction. Throws PostgreSQL's own errors. */
export async function migrate(pool: PostgresPool, schema: string, steps: readonly string[]): Promise<void> {
  const client = await pool.connect();
  // One that breaks tells of it by the statement under way; without a listener the process would end.
  client.on("error", () => {});
  let broken = true;
  try {
    if ((await versionOf(client, schema)) !== steps.length) await applySteps(client, schema, steps);
    broken = false;
  } catch (error) {
    broken = isConnectionLost(error);
    throw error;
  } finally {
    client.release(broken);
  }
}

async function applySteps(client: PostgresClient, schema: string, steps: readonly string[]): Promise<void> {
  await patiently(
    client,
    `BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE;
    SET LOCAL lock_timeout = 0; SET LOCAL statement_timeout = ${POSTGRES_MIGRATION_TIMEOUT_MS};
    SELECT pg_advisory_xact_lock(hashtextextended('pullqueue schema ${schema}', 0))`,
  );
  try {
    // Asked again under the lock: another process may have done it.
    const version = await versionOf(client, schema);
    if (version > steps.length) throw tooNew(schema, version, steps.length);
    if (version === 0) await makeSchema(client, schema);
    await patiently(client, `SET LOCAL search_path = "${schema}"`);
    for (const [index, step] of [...steps.entries()].slice(version)) {
      await patiently(client, step);
      await patiently(client, `INSERT INTO schema_steps (step) VALUES (${index + 1})`);
    }
    await patiently(client, "COMMIT");
  } catch (error) {
    if (!isConnectionLost(error)) await patiently(client, "ROLLBACK");
    throw error;
  }
}

/** How many steps a schema has seen; 0 where it is not there. */
async function versionOf(client: PostgresClient, schema: string): Promise<number> {
  // The catalog's tables, because a name that was looked up in vain is not looked up again within a transaction.
  const [known] = await patiently(
    client,
    `SELECT EXISTS (SELECT FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
      WHERE n.nspname = '${schema}' AND c.relname = 'schema_steps') AS known`,
  );
  if (known?.known !== true) return 0;
  const [version] = await patiently(
    client,
    `SELECT coalesce(max(step), 0)::integer AS step FROM "${schema}".schema_steps`,
  );
  return Number(version?.step);
}

/** Asked for a new schema only where there is none, because that takes a right on the whole database. */
async function makeSchema(client: PostgresClient, schema: string): Promise<void> {
  const [found] = await patiently(
    client,
    `SELECT EXISTS (SELECT FROM pg_namespace WHERE nspname = '${schema}') AS there,
      EXISTS (SELECT FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = '${schema}') AS used`,
  );
  if (found?.used === true) {
    throw new QueueError(
      "invalid_argument",
      `the schema ${schema} of the database holds another program's tables; name another one with ?schema=`,
      { location: "schema" },
    );
  }
  if (found?.there !== true) await patiently(client, `CREATE SCHEMA "${schema}"`);
  await patiently(
    client,
    `CREATE TABLE "${schema}".schema_steps (step integer PRIMARY KEY, applied_at timestamptz NOT NULL DEFAULT now())`,
  );
}

function tooNew(schema: string, version: number, known: number): QueueError {
  return new QueueError(
    "invalid_argument",
    `the schema ${schema} of the database has version ${version}, and this version of the package knows up to ${known}; install the version that wrote it, or a newer one`,
    { location: "schema" },
  );
}

async function patiently(client: PostgresClient, text: string): Promise<readonly PostgresRow[]> {
  const { rows } = await client.query({ text, query_timeout: POSTGRES_MIGRATION_TIMEOUT_MS });
  return rows ?? [];
}
