import type { Clock } from "../clock.js";
import {
  SQLITE_BUSY_DEADLINE_MS,
  SQLITE_BUSY_PAUSE_MS_MAX,
  SQLITE_BUSY_TIMEOUT_MS,
  SQLITE_CACHE_KIB,
  SQLITE_CHECKPOINT_PAGES,
} from "../limits.js";
import { LEASE_STEP_US } from "./lease-rate.js";
import { migrate } from "./migrate.js";
import { isBusy, openDatabase, type SqliteDatabase, translateSqliteError } from "./sqlite-database.js";
import { APPLICATION_ID, SCHEMA_STEPS } from "./sqlite-schema.js";
import { prepareStatements, type Statements } from "./sqlite-statements.js";

/** An open file with our schema, and how to let go of it. */
export interface OpenSqlite {
  readonly database: SqliteDatabase;
  readonly statements: Statements;
  /** The latest time that the file tells of: that of its newest task, or of its last lease. */
  readonly lastUs: number;
  readonly close: () => void;
}

/** Opens a file, or takes a database that is open, sets it up and brings its schema up to date. */
export async function openSqlite(
  from: { readonly path?: string | undefined; readonly database?: SqliteDatabase | undefined },
  clock: Clock,
): Promise<OpenSqlite> {
  const database = from.database ?? (await openDatabase(from.path ?? ""));
  const close = () => {
    if (from.database === undefined) database.close();
  };
  try {
    await patiently(clock, () => setUp(database));
    return { database, statements: prepareStatements(database), lastUs: lastUs(database), close };
  } catch (error) {
    close();
    throw translateSqliteError(error);
  }
}

function lastUs(database: SqliteDatabase): number {
  const { enqueued_us, step } = database
    .prepare(
      `SELECT (SELECT enqueued_at_us FROM tasks ORDER BY serial DESC LIMIT 1) AS enqueued_us,
        (SELECT max(step) FROM lease_counts) AS step`,
    )
    .get() as { readonly enqueued_us: number | null; readonly step: number | null };
  return Math.max(enqueued_us ?? 0, (step ?? 0) * LEASE_STEP_US);
}

function setUp(database: SqliteDatabase): void {
  database.exec(`PRAGMA busy_timeout = ${SQLITE_BUSY_TIMEOUT_MS}`);
  migrate(database, { applicationId: APPLICATION_ID, steps: SCHEMA_STEPS });
  // Readers and one writer do not disturb each other, and a commit costs one fsync of the log.
  database.exec("PRAGMA journal_mode = WAL");
  database.exec("PRAGMA synchronous = FULL");
  database.exec(`PRAGMA wal_autocheckpoint = ${SQLITE_CHECKPOINT_PAGES}`);
  database.exec(`PRAGMA cache_size = -${SQLITE_CACHE_KIB}`);
}

/** Tries again while another process is in the way, without keeping this one from its other work. */
async function patiently<T>(clock: Clock, work: () => T): Promise<T> {
  const untilMs = performance.now() + SQLITE_BUSY_DEADLINE_MS;
  for (let pauseMs = 1; ; pauseMs = Math.min(pauseMs * 2, SQLITE_BUSY_PAUSE_MS_MAX)) {
    try {
      return work();
    } catch (error) {
      // Anything but a busy file is for the caller to translate.
      if (!isBusy(error) || performance.now() > untilMs) throw error;
    }
    await new Promise<void>((resolve) => {
      clock.timer(pauseMs, resolve, { keepAlive: true });
    });
  }
}
