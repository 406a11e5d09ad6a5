import Database from "better-sqlite3";
import type { SqliteDatabase } from "../../src/stores/sqlite-database.js";

/** A database of SQLite that is gone with the test: where nothing about its file is asked. */
export function memoryDatabase(): SqliteDatabase {
  return new Database(":memory:");
}
