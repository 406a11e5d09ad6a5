import { QueueError } from "../errors.js";
import type { SqliteDatabase } from "./sqlite-database.js";

/** What a file should become. */
export interface Schema {
  readonly applicationId: number;
  readonly steps: readonly string[];
}

/** Brings a file's schema up to date, each process waiting for the other's transaction. Throws SQLite's own errors, busy among them. */
export function migrate(database: SqliteDatabase, schema: Schema): void {
  if (isUpToDate(database, schema)) return;
  database.exec("BEGIN IMMEDIATE");
  try {
    // Asked again under the lock: another process may have done it.
    if (!isUpToDate(database, schema)) {
      for (const step of schema.steps.slice(pragma(database, "user_version"))) database.exec(step);
      database.exec(`PRAGMA application_id = ${schema.applicationId}`);
      database.exec(`PRAGMA user_version = ${schema.steps.length}`);
    }
    database.exec("COMMIT");
  } catch (error) {
    database.exec("ROLLBACK");
    throw error;
  }
}

/** True when there is nothing to do; throws when the file is not ours or from a newer version. */
function isUpToDate(database: SqliteDatabase, schema: Schema): boolean {
  const version = pragma(database, "user_version");
  const empty = version === 0 && pragma(database, "schema_version") === 0;
  if (!empty && pragma(database, "application_id") !== schema.applicationId) {
    throw new QueueError(
      "invalid_argument",
      "the SQLite file holds another program's data; name another file, or one that does not exist yet",
      { location: "path" },
    );
  }
  if (version > schema.steps.length) {
    throw new QueueError(
      "invalid_argument",
      `the SQLite file has schema version ${version}, and this version of the package knows up to ${schema.steps.length}; install the version that wrote it, or a newer one`,
      { location: "path" },
    );
  }
  return version === schema.steps.length;
}

function pragma(
  database: SqliteDatabase,
  name: "user_version" | "schema_version" | "application_id",
): number {
  const row = database.prepare(`PRAGMA ${name}`).get() as Readonly<Record<string, number>>;
  return row[name]!;
}
