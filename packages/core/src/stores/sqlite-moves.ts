import type { IdSource } from "../ids.js";
import type { DeadLetter, Task } from "../task.js";
import { deadLetterOf, expiryUs, isHeld } from "./lease-rules.js";
import type { OpenQueue, SqliteQueues } from "./sqlite-queues.js";
import { deadLetterOfRow, holdingOf, taskOf } from "./sqlite-rows.js";
import type { QueueRow, RemovedRow, Statements, TaskRow } from "./sqlite-statements.js";
import type { SqliteTransaction } from "./sqlite-transaction.js";

/** Options of `SqliteMoves`. */
export interface SqliteMovesOptions {
  readonly statements: Statements;
  readonly queues: SqliteQueues;
  readonly ids: IdSource;
  /** How long ids stay taken where their queue says nothing, in milliseconds. */
  readonly tombstoneMs: number;
}

/** A row on a walk through a queue, which may have come from another. */
export type WalkedRow = TaskRow & { readonly moved_at_us: number | null };

/** How tasks of an SQLite store leave their queue: removed, or moved to another. Every method is called inside a transaction. */
export class SqliteMoves {
  readonly #statements: Statements;
  readonly #queues: SqliteQueues;
  readonly #ids: IdSource;
  readonly #tombstoneMs: number;

  constructor({ statements, queues, ids, tombstoneMs }: SqliteMovesOptions) {
    this.#statements = statements;
    this.#queues = queues;
    this.#ids = ids;
    this.#tombstoneMs = tombstoneMs;
  }

  /** Removes a task. */
  remove(transaction: SqliteTransaction, queue: QueueRow, row: TaskRow): void {
    this.#statements.deleteSerial.run(row.serial);
    this.removed(transaction, queue, row.id, row);
  }

  /** What goes with a task's row, which is gone. */
  removed(transaction: SqliteTransaction, queue: QueueRow, id: string, row: RemovedRow): void {
    this.#statements.deletePayload.run(row.serial);
    this.#left(transaction, queue, id, row);
  }

  /** Drops a task whose life is over, or moves it to the dead-letter queue and gives it as it is there. */
  retire(
    transaction: SqliteTransaction,
    queue: OpenQueue,
    row: TaskRow,
    reason: DeadLetter["reason"],
  ): Task | undefined {
    const target = this.#queues.deadLetterQueueOf(queue);
    if (target === undefined) {
      this.remove(transaction, queue.row, row);
      transaction.addDropped(taskOf(queue.key, row), reason);
      return undefined;
    }
    const deadLetter = deadLetterOf(taskOf(queue.key, row), reason, transaction.nowUs);
    const moved = this.#move(transaction, queue.row, row, target, deadLetter);
    transaction.addDeadLetter(moved);
    return moved;
  }

  /** Moves a dead letter that nobody holds to where it came from, if that is still there. */
  sendBack(transaction: SqliteTransaction, queue: OpenQueue, row: TaskRow): Task | undefined {
    const deadLetter = deadLetterOfRow(row);
    if (deadLetter === undefined || isHeld(holdingOf(row), transaction.nowUs)) return undefined;
    const key = { project: queue.key.project, queue: deadLetter.queue };
    const origin = this.#queues.find(key);
    if (origin === undefined) return undefined;
    return this.#move(transaction, queue.row, row, { key, row: origin }, undefined);
  }

  /** Whether a task that was in a queue is a dead letter now. */
  hasDeadLetter({ key, row }: OpenQueue, id: string): boolean {
    if (row.dead_letter_queue === null) return false;
    const target = this.#queues.find({ project: key.project, queue: row.dead_letter_queue });
    if (target === undefined) return false;
    const found = this.#statements.findTask.get(target.id, id) as TaskRow | undefined;
    return found !== undefined && deadLetterOfRow(found)?.queue === key.queue;
  }

  #move(
    transaction: SqliteTransaction,
    from: QueueRow,
    row: TaskRow,
    to: OpenQueue,
    deadLetter: DeadLetter | undefined,
  ): Task {
    const { nowUs } = transaction;
    const dead_letter = deadLetter === undefined ? null : JSON.stringify(deadLetter);
    const expiresAtUs = expiryUs({ retentionMs: to.row.retention_ms ?? undefined }, nowUs) ?? null;
    let { id, named } = row;
    for (;;) {
      const { changes } = this.#statements.moveTask.run(
        to.row.id,
        id,
        named,
        nowUs,
        expiresAtUs,
        dead_letter,
        nowUs,
        row.serial,
      );
      if (changes === 1) break;
      id = this.#ids.next(nowUs);
      named = 0;
    }
    this.#left(transaction, from, row.id, row);
    transaction.addTasks(to.row.id, 1, row.payload_bytes);
    return taskOf(to.key, { ...row, id, eta_us: nowUs, uncounted: row.retry_count, dead_letter });
  }

  /** A task has left a queue: its count falls, and an id that a caller chose stays taken. */
  #left(transaction: SqliteTransaction, queue: QueueRow, id: string, row: RemovedRow): void {
    transaction.addTasks(queue.id, -1, -row.payload_bytes);
    if (row.named === 0) return;
    const keepMs = queue.tombstone_ms ?? this.#tombstoneMs;
    transaction.bury(queue.id, id, transaction.nowUs + keepMs * 1000);
  }
}
