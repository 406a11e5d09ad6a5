import type { IdSource } from "../ids.js";
import { SQLITE_LOOKAHEAD_ROWS } from "../limits.js";
import type { ExactLease, LeaseAnswer } from "../naive-store.js";
import { fullQueue, idTaken, leaseLost, unknownTask } from "../store-errors.js";
import type { ItemResult, LeaseExtension, LeaseFence, NewTask, Task, TaskWithPayload } from "../task.js";
import { arrivalsOf, expiryUs, firstEtaUs } from "./lease-rules.js";
import { type Candidate, type CandidateSource, pickTasks } from "./pick.js";
import { START } from "./sorted-tasks.js";
import type { SqliteMoves } from "./sqlite-moves.js";
import type { OpenQueue } from "./sqlite-queues.js";
import { leasedTaskOf, taskOf } from "./sqlite-rows.js";
import {
  type AvailableRow,
  availableRowOf,
  type QueueRow,
  type RemovedRow,
  type Statements,
  type TaskRow,
} from "./sqlite-statements.js";
import { keyGeneration, type SqliteTransaction } from "./sqlite-transaction.js";

/** What sorts by UTF-16, as here, otherwise than by UTF-8, as in SQLite. */
const OTHER_ORDER = /[\ud800-\uffff]/;

/** A row that a lease may take. */
interface RowCandidate extends Candidate {
  readonly queue: OpenQueue;
  readonly row: AvailableRow;
}

/** What one transaction does to the tasks of an SQLite store. Every method is called inside one. */
export class SqliteTasks {
  readonly #statements: Statements;
  readonly #ids: IdSource;
  readonly #moves: SqliteMoves;

  constructor(statements: Statements, ids: IdSource, moves: SqliteMoves) {
    this.#statements = statements;
    this.#ids = ids;
    this.#moves = moves;
  }

  insert(
    transaction: SqliteTransaction,
    queue: OpenQueue,
    tasks: readonly NewTask[],
  ): readonly ItemResult<Task>[] {
    const allNew = this.#areKeysNew(queue, tasks, transaction.nowUs);
    return tasks.map((task) => this.#insert(transaction, queue, task, allNew));
  }

  /** `isNew`: certainly no insert had the task's key before. */
  #insert(transaction: SqliteTransaction, queue: OpenQueue, task: NewTask, isNew: boolean): ItemResult<Task> {
    const { nowUs } = transaction;
    const key = task.idempotencyKey;
    const first = isNew || key === undefined ? undefined : this.#firstInsert(queue, key, nowUs);
    if (first !== undefined) return { ok: true, value: first };
    if (task.id !== undefined && this.#statements.isTombstoned.get(queue.row.id, task.id, nowUs)) {
      return { ok: false, error: idTaken(task.id) };
    }
    // Another task has the id: that is said first, whether there is room or not.
    if (task.id !== undefined && this.#statements.findTask.get(queue.row.id, task.id) !== undefined) {
      return { ok: false, error: idTaken(task.id) };
    }
    const bytes = task.payload.byteLength;
    const { storage_bytes_max: bytesMax, payload_bytes: bytesBefore } = queue.row;
    if (bytesMax !== null && bytesBefore + transaction.addedBytes(queue.row.id) + bytes > bytesMax) {
      return { ok: false, error: fullQueue(queue.key, bytesMax) };
    }
    const etaUs = firstEtaUs(task, nowUs);
    const { tag, traceparent, tracestate } = task;
    const value: Task = {
      queue: queue.key,
      id: this.#insertRow(queue.row, task, etaUs, nowUs),
      tag,
      enqueuedAtUs: nowUs,
      etaUs,
      retryCount: 0,
      uncounted: 0,
      ...(traceparent === undefined ? {} : { traceparent }),
      ...(tracestate === undefined ? {} : { tracestate }),
    };
    transaction.addTasks(queue.row.id, 1, bytes);
    if (key !== undefined) transaction.rememberKey(queue.row.id, key, value);
    return { ok: true, value };
  }

  lease(transaction: SqliteTransaction, queues: readonly OpenQueue[], request: ExactLease): LeaseAnswer {
    const { nowUs } = transaction;
    const endUs = nowUs + Math.round(request.leaseMs * 1000);
    // One more than asked for tells whether something is left.
    const rowsAhead = queues.length === 1 ? request.maxTasks + 1 : SQLITE_LOOKAHEAD_ROWS;
    const picked = pickTasks(
      queues.map((queue) => this.#source(queue, nowUs, rowsAhead)),
      request,
      nowUs,
    );
    const moved = picked.dropped.flatMap(
      ({ task: { queue, row }, reason }) => this.#moves.retire(transaction, queue, row, reason) ?? [],
    );
    const tasks = picked.tasks.map(({ queue, row }): TaskWithPayload => {
      this.#statements.leaseTask.run(endUs, row.serial);
      transaction.addLease(queue.row.id, queue.key, row.retry_count > 0 && row.given_back === 0 ? 1 : 0);
      return leasedTaskOf(queue.key, row, endUs, row.payload ?? this.#payload(row));
    });
    return { tasks, more: picked.more, arrivals: arrivalsOf(moved) };
  }

  extend(transaction: SqliteTransaction, queue: OpenQueue, lease: LeaseExtension): ItemResult<Task> {
    const { nowUs } = transaction;
    const row = this.#statements.extendLease.get(
      nowUs + Math.round(lease.leaseMs * 1000),
      lease.uncounted === true ? 1 : 0,
      lease.leaseMs === 0 ? 1 : 0,
      queue.row.id,
      lease.id,
      ...fenceOf(lease),
      nowUs,
    ) as TaskRow | undefined;
    if (row === undefined) return { ok: false, error: leaseLost(lease.id) };
    return { ok: true, value: taskOf(queue.key, row) };
  }

  delete(transaction: SqliteTransaction, queue: OpenQueue, target: LeaseFence): ItemResult<undefined> {
    const [retryCount, leaseEndUs] = fenceOf(target);
    const fenced = retryCount !== null || leaseEndUs !== null;
    const queueId = queue.row.id;
    const row = (
      fenced
        ? this.#statements.deleteLease.get(queueId, target.id, retryCount, leaseEndUs, transaction.nowUs)
        : this.#statements.deleteTask.get(queueId, target.id)
    ) as RemovedRow | undefined;
    if (row !== undefined) {
      this.#moves.removed(transaction, queue.row, target.id, row);
      return { ok: true, value: undefined };
    }
    // Only now it matters why.
    const isLate =
      fenced &&
      (this.#statements.findTask.get(queueId, target.id) !== undefined ||
        this.#moves.hasDeadLetter(queue, target.id));
    return { ok: false, error: isLate ? leaseLost(target.id) : unknownTask(target.id) };
  }

  find(queue: OpenQueue, id: string): TaskWithPayload | undefined {
    const row = this.#statements.findTask.get(queue.row.id, id) as TaskRow | undefined;
    return row === undefined ? undefined : { ...taskOf(queue.key, row), payload: this.#payload(row) };
  }

  list(queue: OpenQueue, limit: number, after: { readonly etaUs: number; readonly id: string }): Task[] {
    const rows = this.#statements.listTasks.all(queue.row.id, after.etaUs, after.id, limit) as TaskRow[];
    return rows.map((row) => taskOf(queue.key, row));
  }

  /**
   * Whether certainly no insert had any of these keys before. Our client's keys follow each other, so that one look for
   * all of them mostly tells; keys in any other order, which may repeat each other, are looked for one by one.
   */
  #areKeysNew(queue: OpenQueue, tasks: readonly NewTask[], nowUs: number): boolean {
    let first: string | undefined;
    let last = "";
    for (const { idempotencyKey: key } of tasks) {
      if (key === undefined) continue;
      if (key <= last || OTHER_ORDER.test(key)) return false;
      first ??= key;
      last = key;
    }
    if (first === undefined) return true;
    const generation = keyGeneration(nowUs);
    const any = (during: number) => this.#statements.anyKeyBetween.get(during, queue.row.id, first, last);
    return any(generation) === undefined && any(generation - 1) === undefined;
  }

  #firstInsert(queue: OpenQueue, key: string, nowUs: number): Task | undefined {
    const generation = keyGeneration(nowUs);
    const row = (this.#statements.findKey.get(generation, queue.row.id, key) ??
      this.#statements.findKey.get(generation - 1, queue.row.id, key)) as
      | Pick<TaskRow, "id" | "tag" | "enqueued_at_us" | "eta_us" | "traceparent" | "tracestate">
      | undefined;
    if (row === undefined) return undefined;
    return taskOf(queue.key, { ...row, retry_count: 0, uncounted: 0, dead_letter: null });
  }

  /** Stores a task under its own id, which is free, or under one of ours, and gives the id. */
  #insertRow(queue: QueueRow, task: NewTask, etaUs: number, nowUs: number): string {
    for (;;) {
      const id = task.id ?? this.#ids.next(nowUs);
      const { changes, lastInsertRowid } = this.#statements.insertTask.run(
        queue.id,
        id,
        task.id === undefined ? 0 : 1,
        task.tag ?? null,
        nowUs,
        etaUs,
        task.payload.byteLength,
        expiryUs({ retentionMs: queue.retention_ms ?? undefined }, nowUs) ?? null,
        task.traceparent ?? null,
        task.tracestate ?? null,
      );
      if (changes === 1) {
        this.#statements.insertPayload.run(Number(lastInsertRowid), task.payload);
        return id;
      }
      // Another process made the same id in the same microsecond: the next one is greater.
    }
  }

  #source(queue: OpenQueue, nowUs: number, rowsAhead: number): CandidateSource<RowCandidate> {
    return {
      maxLeases: queue.row.max_leases ?? undefined,
      available: (only) => this.#available(queue, nowUs, rowsAhead, only),
    };
  }

  *#available(
    queue: OpenQueue,
    nowUs: number,
    rowsAhead: number,
    only: { readonly tag: string | undefined } | undefined,
  ): Generator<RowCandidate> {
    const queueId = queue.row.id;
    let last: { readonly etaUs: number; readonly id: string } | undefined = START;
    while (last !== undefined) {
      const { etaUs, id }: { readonly etaUs: number; readonly id: string } = last;
      const rows: readonly unknown[] =
        only === undefined
          ? this.#statements.available.all(queueId, nowUs, etaUs, id, rowsAhead)
          : this.#statements.availableOfTag.all(queueId, only.tag ?? null, nowUs, etaUs, id, rowsAhead);
      let row: AvailableRow | undefined;
      for (const values of rows) {
        row = availableRowOf(values);
        yield candidateOf(queue, row);
      }
      last = row === undefined || rows.length < rowsAhead ? undefined : { etaUs: row.eta_us, id: row.id };
    }
  }

  #payload(row: TaskRow): Uint8Array {
    return (this.#statements.readPayload.get(row.serial) as { readonly payload: Uint8Array }).payload;
  }
}

/** The retry count names a lease; its end is only asked for where nothing better was given. */
function fenceOf(fence: LeaseFence): [retryCount: number | null, leaseEndUs: number | null] {
  if (fence.retryCount !== undefined) return [fence.retryCount, null];
  return [null, fence.leaseEndUs ?? null];
}

function candidateOf(queue: OpenQueue, row: AvailableRow): RowCandidate {
  return {
    queue,
    row,
    serial: row.serial,
    id: row.id,
    etaUs: row.eta_us,
    tag: row.tag ?? undefined,
    retryCount: row.retry_count,
    uncounted: row.uncounted,
    payloadBytes: row.payload_bytes,
    expiresAtUs: row.expires_at_us ?? undefined,
  };
}
