import type { StoreObserver } from "../store.js";
import type { PostgresConnections } from "./postgres-connections.js";
import { PostgresTransaction } from "./postgres-transaction.js";
import type { PostgresWaiting } from "./postgres-waiting.js";

/** Transactions of a store, with what follows each: counts, the observer, and those that wait in other processes. */
export class PostgresCommits {
  readonly #connections: PostgresConnections;
  readonly #waiting: PostgresWaiting;
  readonly #observer: StoreObserver | undefined;

  constructor(
    connections: PostgresConnections,
    waiting: PostgresWaiting,
    observer: StoreObserver | undefined,
  ) {
    this.#connections = connections;
    this.#waiting = waiting;
    this.#observer = observer;
  }

  /** Does the work of so many calls in one transaction; resolves when it is on disk. */
  async transact<T>(calls: number, work: (transaction: PostgresTransaction) => Promise<T>): Promise<T> {
    const startedMs = performance.now();
    const { result, transaction } = await this.#connections.transaction(async (statement, nowUs) => {
      const transaction = new PostgresTransaction(statement, nowUs);
      const result = await work(transaction);
      await transaction.finish();
      return { result, transaction };
    });
    this.#observer?.onCommit?.({ calls, durationMs: performance.now() - startedMs });
    transaction.committed();
    this.#waiting.tasksArrived(transaction.arrivals);
    return result;
  }
}
