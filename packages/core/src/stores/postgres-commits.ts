import type { StoreObserver } from "../store.js";
import type { PostgresConnections, Statement } from "./postgres-connections.js";
import type { PostgresRow } from "./postgres-pool.js";
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

  /**
   * Does the work of so many calls in one transaction; resolves when it is on disk. The rows of the statement `opening`, which is sent
   * with the transaction's beginning, are there when the work starts.
   */
  async transact<T>(
    calls: number,
    work: (transaction: PostgresTransaction, opened: readonly PostgresRow[]) => Promise<T>,
    opening?: Statement,
  ): Promise<T> {
    const startedMs = performance.now();
    const { result, transaction } = await this.#connections.transaction({
      opening,
      work: async (statement, nowUs, opened) => {
        const transaction = new PostgresTransaction(statement, nowUs);
        const result = await work(transaction, opened);
        const telling = this.#waiting.telling(transaction.arrivals);
        return { result: { result, transaction }, closing: transaction.closing(), telling };
      },
    });
    this.#observer?.onCommit?.({ calls, durationMs: performance.now() - startedMs });
    transaction.committed();
    return result;
  }
}
