import type { Clock } from "../clock.js";
import { TRANSFER_PAYLOAD_BYTES, TRANSFER_TASKS_MAX } from "../limits.js";
import type { ImportResult, NaiveTransfer } from "../naive-store.js";
import type { QueueKey } from "../task.js";
import type { ExportedTask, TaskRecord, TombstoneRecord } from "../transfer.js";
import type { GroupCommit } from "./group-commit.js";
import { isAnother, isMadeId } from "./import-rules.js";
import { isHeld } from "./lease-rules.js";
import { translated } from "./sqlite-database.js";
import type { SqliteMoves } from "./sqlite-moves.js";
import type { SqliteQueues } from "./sqlite-queues.js";
import { holdingOf, taskOf } from "./sqlite-rows.js";
import type { RemovedRow, Statements, TaskRow } from "./sqlite-statements.js";
import type { SqliteTransaction } from "./sqlite-transaction.js";

/** What moving queues into and out of an SQLite store stands on. */
export interface SqliteTransferParts {
  readonly commits: GroupCommit<SqliteTransaction>;
  readonly statements: Statements;
  readonly queues: SqliteQueues;
  readonly moves: SqliteMoves;
  readonly clock: Clock;
}

/** Whole tasks into and out of an SQLite store. */
export class SqliteTransfer implements NaiveTransfer {
  readonly #commits: GroupCommit<SqliteTransaction>;
  readonly #statements: Statements;
  readonly #queues: SqliteQueues;
  readonly #moves: SqliteMoves;
  readonly #clock: Clock;

  constructor({ commits, statements, queues, moves, clock }: SqliteTransferParts) {
    this.#commits = commits;
    this.#statements = statements;
    this.#queues = queues;
    this.#moves = moves;
    this.#clock = clock;
  }

  async exportTasks(queue: QueueKey, afterId: string): Promise<readonly ExportedTask[]> {
    const nowUs = this.#clock.nowUs();
    return translated(() => {
      const { id: queueId } = this.#queues.known(queue);
      const rows = this.#statements.tasksAfterId.all(queueId, afterId, TRANSFER_TASKS_MAX) as TaskRow[];
      const tasks: ExportedTask[] = [];
      let bytes = 0;
      for (const row of rows) {
        bytes += row.payload_bytes;
        if (tasks.length > 0 && bytes > TRANSFER_PAYLOAD_BYTES) break;
        const task = this.#exported(queue, row, nowUs);
        if (task !== undefined) tasks.push(task);
      }
      return tasks;
    });
  }

  async exportTombstones(queue: QueueKey, afterId: string): Promise<readonly TombstoneRecord[]> {
    return translated(() => {
      const { id: queueId } = this.#queues.known(queue);
      const rows = this.#statements.tombstonesAfterId.all(
        queueId,
        afterId,
        this.#clock.nowUs(),
        TRANSFER_TASKS_MAX,
      ) as { readonly id: string; readonly until_us: number }[];
      return rows.map(({ id, until_us }) => ({ id, untilUs: until_us }));
    });
  }

  importTasks(queue: QueueKey, tasks: readonly TaskRecord[]): Promise<ImportResult> {
    return this.#commits.run((transaction) => {
      const { id: queueId } = this.#queues.known(queue);
      const present = tasks.filter((task) => !this.#import(transaction, queueId, task));
      const clashes = present.filter((task) => this.#clashes(queueId, task));
      return { added: tasks.length - present.length, present: present.length, clashes };
    });
  }

  removeTasks(key: QueueKey, tasks: readonly ExportedTask[]): Promise<readonly string[]> {
    return this.#commits.run((transaction) => {
      const queue = this.#queues.known(key);
      return tasks.flatMap(({ id, retryCount, etaUs }) => {
        const row = this.#statements.removeUnchanged.get(queue.id, id, retryCount, etaUs) as
          | RemovedRow
          | undefined;
        if (row === undefined) return [id];
        this.#moves.removed(transaction, queue, id, row);
        return [];
      });
    });
  }

  withdrawTasks(key: QueueKey, ids: readonly string[]): Promise<void> {
    return this.#commits.run((transaction) => {
      const queue = this.#queues.known(key);
      for (const id of ids) {
        const row = this.#statements.deleteTask.get(queue.id, id) as RemovedRow | undefined;
        if (row === undefined) continue;
        this.#statements.deletePayload.run(row.serial);
        transaction.addTasks(queue.id, -1, -row.payload_bytes);
      }
    });
  }

  importTombstones(queue: QueueKey, tombstones: readonly TombstoneRecord[]): Promise<void> {
    return this.#commits.run(() => {
      const { id: queueId } = this.#queues.known(queue);
      for (const { id, untilUs } of tombstones) this.#statements.importTombstone.run(queueId, id, untilUs);
    });
  }

  /** A task, unless another process has finished it since its row was read. */
  #exported(queue: QueueKey, row: TaskRow, nowUs: number): ExportedTask | undefined {
    const found = this.#statements.readPayload.get(row.serial) as
      | { readonly payload: Uint8Array }
      | undefined;
    if (found === undefined) return undefined;
    const task = taskOf(queue, row);
    return {
      ...task,
      payload: found.payload,
      named: row.named === 1,
      givenBack: row.given_back === 1,
      expiresAtUs: row.expires_at_us ?? undefined,
      isHeld: isHeld(holdingOf(row), nowUs),
    };
  }

  /** Whether another task has the id that a store had made for this one. */
  #clashes(queueId: number, task: TaskRecord): boolean {
    const row = this.#statements.findTask.get(queueId, task.id) as TaskRow | undefined;
    if (row === undefined || !isMadeId(task.id)) return false;
    const found = this.#statements.readPayload.get(row.serial) as
      | { readonly payload: Uint8Array }
      | undefined;
    return isAnother(task, row.enqueued_at_us, found?.payload);
  }

  #import(transaction: SqliteTransaction, queueId: number, task: TaskRecord): boolean {
    if (this.#statements.isTombstoned.get(queueId, task.id, transaction.nowUs) !== undefined) return false;
    const { changes, lastInsertRowid } = this.#statements.importTask.run(
      queueId,
      task.id,
      task.named ? 1 : 0,
      task.tag ?? null,
      task.enqueuedAtUs,
      task.etaUs,
      task.retryCount,
      task.uncounted,
      task.payload.byteLength,
      task.expiresAtUs ?? null,
      task.givenBack ? 1 : 0,
      task.traceparent ?? null,
      task.tracestate ?? null,
      task.deadLetter === undefined ? null : JSON.stringify(task.deadLetter),
    );
    if (changes === 0) return false;
    this.#statements.insertPayload.run(Number(lastInsertRowid), task.payload);
    transaction.addTasks(queueId, 1, task.payload.byteLength);
    return true;
  }
}
