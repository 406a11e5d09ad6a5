import { constants } from "node:fs";
import { open, rename, rm, stat } from "node:fs/promises";
import { dirname } from "node:path";
import { QueueError } from "../errors.js";
import { BACKUP_STEP_PAGES } from "../limits.js";
import { openDatabase, type SqliteDatabase, translateSqliteError } from "./sqlite-database.js";
import { APPLICATION_ID } from "./sqlite-schema.js";

/** A copy of an SQLite store that stands for one moment, made while servers go on writing. */
export interface SqliteBackupOptions {
  /** The store's file. */
  readonly path: string;
  /** The copy, which must not exist yet; its folder must. */
  readonly to: string;
  /** An abort leaves no copy. */
  readonly signal?: AbortSignal | undefined;
  /** Told now and then how much is copied. */
  readonly onProgress?: ((progress: BackupProgress) => void) | undefined;
}

/** How far a copy is, in pages of the database. */
export interface BackupProgress {
  readonly copiedPages: number;
  readonly totalPages: number;
}

/** What a copy holds. */
export interface SqliteBackup {
  readonly bytes: number;
}

/** The one method of better-sqlite3 that a backup needs beyond the store's own. */
interface CopyableDatabase extends SqliteDatabase {
  backup(
    path: string,
    options: { progress: (progress: { totalPages: number; remainingPages: number }) => number },
  ): Promise<unknown>;
}

/**
 * Copies a store while others use it. The copy is checked, on disk, and gets its name last, so a file under that name is
 * whole. Rejects with `invalid_argument` for a file that is not a store or a copy that cannot be written there,
 * `already_exists` when there is something at `to`, `unavailable` when a disk fails.
 */
export async function backupSqliteStore(options: SqliteBackupOptions): Promise<SqliteBackup> {
  const { path, to, signal } = options;
  await checkPaths(path, to);
  const partial = `${to}.partial`;
  await createPartial(partial);
  try {
    await copy(options, partial);
    signal?.throwIfAborted();
    await check(partial);
    const bytes = await sync(partial);
    await rename(partial, to);
    await sync(dirname(to));
    return { bytes };
  } catch (error) {
    for (const name of [partial, `${partial}-wal`, `${partial}-shm`]) await rm(name, { force: true });
    throw error;
  }
}

async function copy({ path, signal, onProgress }: SqliteBackupOptions, partial: string): Promise<void> {
  const database = (await openDatabase(path)) as CopyableDatabase;
  try {
    checkIsStore(database);
    // The open transaction keeps the copy at one moment: without it, each write of another process starts the copy anew.
    database.exec("BEGIN");
    database.prepare("SELECT count(*) FROM queues").get();
    await database.backup(partial, {
      progress: ({ totalPages, remainingPages }) => {
        signal?.throwIfAborted();
        onProgress?.({ copiedPages: totalPages - remainingPages, totalPages });
        return BACKUP_STEP_PAGES;
      },
    });
  } catch (error) {
    if (signal?.aborted === true && error === signal.reason) throw error;
    throw translateSqliteError(error);
  } finally {
    database.close();
  }
}

function checkIsStore(database: SqliteDatabase): void {
  const row = database.prepare("PRAGMA application_id").get() as { readonly application_id: number };
  if (row.application_id === APPLICATION_ID) return;
  throw new QueueError(
    "invalid_argument",
    "the SQLite file holds another program's data, and no store of tasks; name the file that the server was started with",
    { location: "path" },
  );
}

async function checkPaths(path: string, to: string): Promise<void> {
  if ((await stat(path).catch(() => undefined))?.isFile() !== true) {
    throw new QueueError("invalid_argument", "there is no file to copy; name the store's SQLite file", {
      location: "path",
    });
  }
  if ((await stat(to).catch(() => undefined)) === undefined) return;
  throw new QueueError(
    "already_exists",
    "there is a file at the copy's path, and copies replace nothing; name another",
    { location: "to" },
  );
}

/** For its owner alone, as the store itself is. What an ended process left of an earlier copy is overwritten. */
async function createPartial(partial: string): Promise<void> {
  try {
    const file = await open(
      partial,
      constants.O_WRONLY | constants.O_CREAT | constants.O_TRUNC | constants.O_NOFOLLOW,
      0o600,
    );
    await file.close();
  } catch (cause) {
    throw new QueueError(
      "invalid_argument",
      "the copy cannot be written there; check that its folder exists and can be written to",
      { cause, location: "to" },
    );
  }
}

/** SQLite reads the whole copy and looks whether its trees hold together. */
async function check(partial: string): Promise<void> {
  const database = await openDatabase(partial);
  try {
    const row = database.prepare("PRAGMA quick_check(1)").get() as { readonly quick_check: string };
    if (row.quick_check !== "ok") {
      throw new QueueError("unavailable", "the copy is damaged; check the disks, then copy again");
    }
    // One file, without a log beside it.
    database.exec("PRAGMA journal_mode = DELETE");
  } catch (error) {
    throw translateSqliteError(error);
  } finally {
    database.close();
  }
}

/** Brings a file, or a folder's list of names, to disk; gives its size. */
async function sync(path: string): Promise<number> {
  const file = await open(path, "r");
  try {
    await file.sync();
    return (await file.stat()).size;
  } finally {
    await file.close();
  }
}
