import type { SqliteDatabase, SqliteStatement } from "@pullqueue/core";
import Database from "better-sqlite3";

/** What is told of a database's life. */
export interface CrashableDatabaseOptions {
  /** Called for each statement. */
  readonly onStatement: () => void;
  /** Called when the planned crash comes. */
  readonly onCrash: () => void;
}

/**
 * An SQLite database whose process can die at any statement: from then on nothing is done any more, and what was not
 * committed is rolled back, as the system does it with a dead process's file.
 *
 * Power is never cut here (`durability.test.ts` shows that commits are synced), so that nothing is synced.
 */
export class CrashableDatabase implements SqliteDatabase {
  readonly #database: Database.Database;
  readonly #options: CrashableDatabaseOptions;
  #statementsLeft = Number.POSITIVE_INFINITY;
  #isDead = false;

  constructor(path: string, options: CrashableDatabaseOptions) {
    this.#database = new Database(path);
    this.#database.pragma("synchronous = OFF");
    this.#options = options;
  }

  /** Plans the crash: instead of the so many-th statement from now. */
  crashAt(statement: number): void {
    this.#statementsLeft = statement;
  }

  /** Dies now. */
  crash(): void {
    if (this.#isDead) return;
    this.#isDead = true;
    this.#database.close();
  }

  exec(sql: string): unknown {
    if (/^PRAGMA synchronous/.test(sql)) return undefined;
    this.#step();
    return this.#database.exec(sql);
  }

  prepare(sql: string): SqliteStatement {
    const statement = this.#database.prepare(sql);
    return {
      run: (...parameters) => this.#step() && statement.run(...parameters),
      get: (...parameters) => this.#step() && statement.get(...parameters),
      all: (...parameters) => this.#step() && statement.all(...parameters),
    };
  }

  close(): void {
    this.crash();
  }

  #step(): true {
    this.#options.onStatement();
    if (!this.#isDead && --this.#statementsLeft <= 0) {
      this.crash();
      this.#options.onCrash();
    }
    if (this.#isDead) throw new Error("the process of this database has crashed");
    return true;
  }
}
