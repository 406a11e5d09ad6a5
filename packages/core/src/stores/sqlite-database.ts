import { constants } from "node:fs";
import { open, stat } from "node:fs/promises";
import { dirname } from "node:path";
import { QueueError } from "../errors.js";
import { SQLITE_BUSY_TIMEOUT_MS } from "../limits.js";

/** The few methods of a prepared statement that the store uses. Parameters are numbers, strings, bytes and null. */
export interface SqliteStatement {
  run(...parameters: unknown[]): {
    readonly changes: number | bigint;
    readonly lastInsertRowid: number | bigint;
  };
  get(...parameters: unknown[]): unknown;
  all(...parameters: unknown[]): unknown[];
  /** Makes rows arrays instead of objects, where that can be had: they are read in less than half of the time. */
  raw?(toggle: true): unknown;
}

/** The few methods of a database that the store uses: better-sqlite3's, and those of `node:sqlite`'s `DatabaseSync`. */
export interface SqliteDatabase {
  exec(sql: string): unknown;
  prepare(sql: string): SqliteStatement;
  close(): unknown;
}

/** SQLite's primary result codes that mean something to us. https://www.sqlite.org/rescode.html */
const RESULT_NAMES: Readonly<Record<number, string>> = {
  5: "SQLITE_BUSY",
  6: "SQLITE_LOCKED",
  8: "SQLITE_READONLY",
  10: "SQLITE_IOERR",
  11: "SQLITE_CORRUPT",
  13: "SQLITE_FULL",
  14: "SQLITE_CANTOPEN",
  26: "SQLITE_NOTADB",
};

const SENTENCES: Readonly<Record<string, string>> = {
  SQLITE_BUSY: "another process keeps the SQLite file locked; try again",
  SQLITE_LOCKED: "another connection keeps the SQLite file locked; try again",
  SQLITE_READONLY: "the SQLite file cannot be written; check its permissions and those of its folder",
  SQLITE_IOERR: "reading or writing the SQLite file failed; check its disk",
  SQLITE_CORRUPT: "the SQLite file is damaged; restore it from a copy",
  SQLITE_FULL: "the disk of the SQLite file is full; free some space and try again",
  SQLITE_CANTOPEN: "the SQLite file cannot be opened; check its permissions and those of its folder",
  SQLITE_NOTADB: "the file is not an SQLite database; name another, or move it away",
};

/** How soon trying again makes sense, in milliseconds, when the file is locked or the disk full. */
const RETRY_AFTER_MS = 1000;

/** Opens a file with better-sqlite3, creating it for its owner alone where there is none. */
export async function openDatabase(path: string): Promise<SqliteDatabase> {
  checkPath(path);
  await createFile(path);
  const { default: Database } = await import("better-sqlite3").catch((cause: unknown) => {
    throw new QueueError(
      "not_supported",
      "the SQLite store needs the package better-sqlite3: run npm install better-sqlite3, or pass an open database in the option `database`",
      { cause },
    );
  });
  return translated(() => new Database(path, { timeout: SQLITE_BUSY_TIMEOUT_MS }));
}

/** The door for SQLite's errors: runs something and translates what it throws. */
export function translated<T>(work: () => T): T {
  try {
    return work();
  } catch (error) {
    throw translateSqliteError(error);
  }
}

/** An error of SQLite as ours: without SQL, paths or stacks. */
export function translateSqliteError(error: unknown): QueueError {
  const name = sqliteErrorName(error);
  const sentence = name === undefined ? undefined : SENTENCES[name];
  if (sentence === undefined) return QueueError.from(error);
  const again = name === "SQLITE_BUSY" || name === "SQLITE_LOCKED" || name === "SQLITE_FULL";
  return new QueueError("unavailable", sentence, {
    cause: error,
    ...(again ? { retryAfterMs: RETRY_AFTER_MS } : {}),
  });
}

/** The same of a commit: what the disk could not confirm may be there all the same, and be found by whoever opens the file next. */
export function translateCommitError(error: unknown): QueueError {
  if (sqliteErrorName(error) !== "SQLITE_IOERR") return translateSqliteError(error);
  return new QueueError(
    "timeout",
    "the disk of the SQLite file failed while a transaction was committed, so that it is unclear whether it was done; check the disk, then look, or ask for the same again with an id or a key that keeps it from being done twice",
    { cause: error },
  );
}

/** Whether another connection is in the way, so that trying again helps. */
export function isBusy(error: unknown): boolean {
  const name = sqliteErrorName(error);
  return name === "SQLITE_BUSY" || name === "SQLITE_LOCKED";
}

/** Whether the file or its disk is out of order, so that every other write would fail too. */
export function isDiskError(error: unknown): boolean {
  const name = sqliteErrorName(error);
  return name !== undefined && name in SENTENCES && !isBusy(error);
}

/** The primary code: better-sqlite3 gives names (`SQLITE_IOERR_FSYNC`), `node:sqlite` numbers. */
function sqliteErrorName(error: unknown): string | undefined {
  if (!(error instanceof Error)) return undefined;
  if ("errcode" in error && typeof error.errcode === "number") return RESULT_NAMES[error.errcode & 0xff];
  if (!("code" in error) || typeof error.code !== "string") return undefined;
  return /^SQLITE_[A-Z]+/.exec(error.code)?.[0];
}

function checkPath(path: string): void {
  if (typeof path !== "string" || path === "" || path.includes("\0")) {
    throw new QueueError("invalid_argument", "path must name the SQLite file, such as tasks.db", {
      location: "path",
    });
  }
  if (!path.startsWith(":") && !path.startsWith("file:")) return;
  throw new QueueError(
    "invalid_argument",
    "path must be a plain path: for a store in memory open memory:, for a file leave out file:",
    { location: "path" },
  );
}

async function createFile(path: string): Promise<void> {
  const folder = await stat(dirname(path)).catch(() => undefined);
  if (folder?.isDirectory() !== true) {
    throw new QueueError(
      "invalid_argument",
      "the folder of the SQLite file does not exist; create it, or name another path",
      { location: "path" },
    );
  }
  try {
    const file = await open(path, constants.O_RDWR | constants.O_CREAT, 0o600);
    await file.close();
  } catch (cause) {
    const isFolder = (cause as NodeJS.ErrnoException).code === "EISDIR";
    throw new QueueError(
      isFolder ? "invalid_argument" : "unavailable",
      isFolder ? "path must name a file, and is a folder" : SENTENCES.SQLITE_CANTOPEN!,
      { cause, location: "path" },
    );
  }
}
