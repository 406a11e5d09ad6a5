import type { IdSource } from "../ids.js";
import type { StoreObserver } from "../store.js";
import type { DeadLetter, QueueKey, Task } from "../task.js";
import { deadLetterOf, expiryUs } from "./lease-rules.js";
import type { PostgresQueues } from "./postgres-queues.js";
import { columnsOf, nameInQueue, type OpenQueue, taskOf } from "./postgres-rows.js";
import type { TaskRow } from "./postgres-statements.js";
import type { PostgresTransaction } from "./postgres-transaction.js";

/** A task's row that this transaction has locked. */
export interface LockedRow extends TaskRow {
  readonly place_of_row: string;
}

/** A task whose life in its queue is over. */
export interface Ended {
  readonly queue: OpenQueue;
  readonly row: LockedRow;
  readonly reason: DeadLetter["reason"];
}

/** A task that goes to another queue. */
export interface Move {
  readonly from: OpenQueue;
  readonly to: OpenQueue;
  readonly row: LockedRow;
  readonly deadLetter: DeadLetter | undefined;
}

/** What ends a task: its retention first, because a sweep would not have asked how often it was leased. */
export function endOf(row: TaskRow, nowUs: number): DeadLetter["reason"] {
  return row.expires_at_us !== null && row.expires_at_us <= nowUs ? "retention" : "retry_limit";
}

/** Takes tasks out of queues: drops them, or moves them to another queue. */
export class PostgresRetirement {
  readonly #queues: PostgresQueues;
  readonly #ids: IdSource;
  readonly #tombstoneMs: number;
  readonly #observer: StoreObserver | undefined;

  constructor(
    queues: PostgresQueues,
    options: {
      readonly ids: IdSource;
      readonly tombstoneMs: number;
      readonly observer: StoreObserver | undefined;
    },
  ) {
    this.#queues = queues;
    this.#ids = options.ids;
    this.#tombstoneMs = options.tombstoneMs;
    this.#observer = options.observer;
  }

  /** Drops tasks whose life is over, or moves them to their dead-letter queues and gives them as they are there. */
  async retire(transaction: PostgresTransaction, ended: readonly Ended[]): Promise<readonly Task[]> {
    if (ended.length === 0) return [];
    const targets = await this.#queues.deadLetterQueues(
      transaction,
      ended.map(({ queue }) => queue),
    );
    const moves: Move[] = [];
    const drops: Ended[] = [];
    for (const one of ended) {
      const to = targets.get(one.queue.id);
      const { key } = one.queue;
      const deadLetter = deadLetterOf(taskOf(key, one.row), one.reason, transaction.nowUs);
      if (to === undefined) drops.push(one);
      else moves.push({ from: one.queue, to, row: one.row, deadLetter });
    }
    await this.#drop(transaction, drops);
    const moved = await this.move(transaction, moves);
    transaction.afterCommit(() => {
      for (const task of moved) this.#observer?.onDeadLettered?.(task);
    });
    return moved;
  }

  /**
   * Moves tasks; gives them as they are there. Where another transaction brings a task of the same id meanwhile, this one is
   * undone and tried again.
   */
  async move(transaction: PostgresTransaction, moves: readonly Move[]): Promise<readonly Task[]> {
    if (moves.length === 0) return [];
    const { nowUs } = transaction;
    const taken = await this.#takenIds(transaction, moves);
    const named = moves.map((move) => {
      const free = !taken.has(nameInQueue(move.to.id, move.row.id));
      const id = free ? move.row.id : this.#ids.next(nowUs);
      taken.add(nameInQueue(move.to.id, id));
      return { ...move, id, named: move.row.named && free };
    });
    await transaction.statement("moveTasks", [
      nowUs,
      ...columnsOf(
        named,
        ({ row }) => row.place_of_row,
        ({ to }) => to.id,
        ({ id }) => id,
        (move) => move.named,
        ({ to }) => expiryUs(to.settings, nowUs) ?? null,
        ({ deadLetter }) => (deadLetter === undefined ? null : JSON.stringify(deadLetter)),
      ),
    ]);
    return named.map(({ from, to, row, id, deadLetter }) => {
      this.#leftQueue(transaction, from, row);
      transaction.addTasks(to.id, 1, row.payload_bytes);
      transaction.arrived(to.key);
      const there = { ...row, id, eta_us: nowUs, uncounted: row.retry_count };
      return taskOf(to.key, {
        ...there,
        dead_letter: deadLetter === undefined ? null : JSON.stringify(deadLetter),
      });
    });
  }

  async #drop(transaction: PostgresTransaction, ended: readonly Ended[]): Promise<void> {
    if (ended.length === 0) return;
    await transaction.statement(
      "dropTasks",
      columnsOf(ended, ({ row }) => row.place_of_row),
    );
    for (const { queue, row } of ended) this.#leftQueue(transaction, queue, row);
    transaction.afterCommit(() => {
      for (const { queue, row, reason } of ended) this.#tell(queue.key, row, reason);
    });
  }

  #tell(queue: QueueKey, row: TaskRow, reason: DeadLetter["reason"]): void {
    if (reason === "retention") this.#observer?.onExpired?.(taskOf(queue, row));
    else this.#observer?.onExhausted?.(taskOf(queue, row));
  }

  #leftQueue(transaction: PostgresTransaction, queue: OpenQueue, row: LockedRow): void {
    transaction.addTasks(queue.id, -1, -row.payload_bytes);
    if (row.named) transaction.bury(queue, row.id, this.#tombstoneMs);
  }

  /** Which ids are in use where tasks go. */
  async #takenIds(transaction: PostgresTransaction, moves: readonly Move[]): Promise<Set<string>> {
    const columns = columnsOf(
      moves,
      ({ to }) => to.id,
      ({ row }) => row.id,
    );
    const places = moves.map((_, place) => place);
    const rows = await transaction.statement<{ readonly place: number }>("knownTasks", [places, ...columns]);
    return new Set(rows.map(({ place }) => nameInQueue(moves[place]!.to.id, moves[place]!.row.id)));
  }
}
