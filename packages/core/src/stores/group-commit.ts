import type { Clock } from "../clock.js";
import { isQueueError, type QueueError } from "../errors.js";
import { SQLITE_BUSY_DEADLINE_MS, SQLITE_BUSY_PAUSE_MS_MAX, TRANSACTION_MS_MAX } from "../limits.js";
import {
  isBusy,
  isDiskError,
  type SqliteDatabase,
  translateCommitError,
  translateSqliteError,
} from "./sqlite-database.js";

/** How many calls shared a transaction, and how long it took from its begin to its end, in milliseconds. */
export interface CommitMeasures {
  readonly calls: number;
  readonly durationMs: number;
}

/** What belongs to one transaction. */
export interface TransactionWork {
  /** Writes what was gathered, last thing before the commit. */
  finish(): void;
  /** After the commit. */
  committed(commit: CommitMeasures): void;
}

/** A call that waits for its transaction. */
interface Call<T extends TransactionWork> {
  /** Does the work and gives what to do after the commit. */
  readonly attempt: (transaction: T) => () => void;
  readonly reject: (error: QueueError) => void;
}

/**
 * Lets everything that waits together share one transaction and so one fsync. Calls gather until the next turn of the
 * event loop; then all are done and committed, and only then does anyone hear of it.
 *
 * A call that throws a QueueError has written nothing, and fails alone. When something else goes wrong the transaction
 * is rolled back and each call tried again in one of its own, so that a bad one cannot fail the others; when the commit
 * itself fails, nobody can say what is on disk, and all fail.
 */
export class GroupCommit<T extends TransactionWork> {
  readonly #database: SqliteDatabase;
  readonly #clock: Clock;
  readonly #newTransaction: () => T;
  #waiting: Call<T>[] = [];
  #scheduled = false;
  #busySinceMs: number | undefined;
  #pauseMs = 1;

  constructor(database: SqliteDatabase, clock: Clock, newTransaction: () => T) {
    this.#database = database;
    this.#clock = clock;
    this.#newTransaction = newTransaction;
  }

  /** Does `work` in the next transaction; resolves when it is on disk. */
  run<R>(work: (transaction: T) => R): Promise<R> {
    return new Promise((resolve, reject) => {
      const attempt = (transaction: T) => {
        try {
          const value = work(transaction);
          return () => resolve(value);
        } catch (error) {
          if (!isQueueError(error)) throw error;
          return () => reject(error);
        }
      };
      this.#waiting.push({ attempt, reject });
      this.#schedule();
    });
  }

  #schedule(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    setImmediate(() => this.#turn());
  }

  #turn(): void {
    this.#scheduled = false;
    const startedMs = performance.now();
    if (!this.#begin()) return;
    // By the clock: in simulated time no busy machine decides what shares a transaction.
    const startedUs = this.#clock.nowUs();
    const calls: Call<T>[] = [];
    const afterwards: (() => void)[] = [];
    const transaction = this.#newTransaction();
    let committing = false;
    try {
      for (const call of this.#waiting) {
        calls.push(call);
        afterwards.push(call.attempt(transaction));
        if (this.#clock.nowUs() - startedUs > TRANSACTION_MS_MAX * 1000) break;
      }
      transaction.finish();
      committing = true;
      this.#database.exec("COMMIT");
    } catch (error) {
      this.#rollBack();
      this.#drop(calls.length);
      if (committing) failAll(calls, translateCommitError(error));
      else if (calls.length === 1 || isDiskError(error)) failAll(calls, error);
      else for (const call of calls) this.#alone(call);
      return;
    }
    this.#drop(calls.length);
    transaction.committed({ calls: calls.length, durationMs: performance.now() - startedMs });
    for (const after of afterwards) after();
  }

  /** Starts a transaction. When another process is in the way, tries again later, and in the end fails all that wait. */
  #begin(): boolean {
    try {
      this.#database.exec("BEGIN IMMEDIATE");
    } catch (error) {
      this.#couldNotBegin(error);
      return false;
    }
    this.#busySinceMs = undefined;
    this.#pauseMs = 1;
    return true;
  }

  #couldNotBegin(error: unknown): void {
    const nowMs = performance.now();
    this.#busySinceMs ??= nowMs;
    if (isBusy(error) && nowMs - this.#busySinceMs < SQLITE_BUSY_DEADLINE_MS) {
      this.#scheduled = true;
      this.#clock.timer(this.#pauseMs, () => this.#turn(), { keepAlive: true });
      this.#pauseMs = Math.min(this.#pauseMs * 2, SQLITE_BUSY_PAUSE_MS_MAX);
      return;
    }
    this.#busySinceMs = undefined;
    failAll(this.#waiting.splice(0), error);
  }

  #alone(call: Call<T>): void {
    const startedMs = performance.now();
    const transaction = this.#newTransaction();
    let after: () => void;
    let committing = false;
    try {
      this.#database.exec("BEGIN IMMEDIATE");
      after = call.attempt(transaction);
      transaction.finish();
      committing = true;
      this.#database.exec("COMMIT");
    } catch (error) {
      this.#rollBack();
      failAll([call], committing ? translateCommitError(error) : error);
      return;
    }
    transaction.committed({ calls: 1, durationMs: performance.now() - startedMs });
    after();
  }

  #rollBack(): void {
    try {
      this.#database.exec("ROLLBACK");
    } catch {
      // After some errors SQLite has rolled back by itself, and says that there is no transaction.
    }
  }

  /** Takes the first calls from those that wait, and sees to the rest. */
  #drop(count: number): void {
    this.#waiting = this.#waiting.slice(count);
    if (this.#waiting.length > 0) this.#schedule();
  }
}

function failAll(calls: readonly { readonly reject: (error: QueueError) => void }[], error: unknown): void {
  const translated = isQueueError(error) ? error : translateSqliteError(error);
  for (const call of calls) call.reject(translated);
}
