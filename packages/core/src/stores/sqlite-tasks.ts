import type { IdSource } from "../ids.js";
import { SQLITE_LOOKAHEAD_ROWS } from "../limits.js";
import type { ExactLease, LeaseAnswer } from "../naive-store.js";
import { idTaken, leaseLost, unknownTask } from "../store-errors.js";
import type {
  ItemResult,
  LeaseExtension,
  LeaseFence,
  NewTask,
  QueueKey,
  Task,
  TaskWithPayload,
} from "../task.js";
import { firstEtaUs } from "./lease-rules.js";
import { type Candidate, type CandidateSource, pickTasks } from "./pick.js";
import { START } from "./sorted-tasks.js";
import type { QueueRow, Statements, TaskRow } from "./sqlite-statements.js";
import { keyGeneration, type SqliteTransaction } from "./sqlite-transaction.js";

/** A queue by name and by row. */
export interface OpenQueue {
  readonly key: QueueKey;
  readonly row: QueueRow;
}

/** A row that a lease may take. */
interface RowCandidate extends Candidate {
  readonly queue: OpenQueue;
  readonly row: TaskRow;
}

/** What one transaction does to the tasks of an SQLite store. Every method is called inside one. */
export class SqliteTasks {
  readonly #statements: Statements;
  readonly #ids: IdSource;
  readonly #tombstoneUs: number;

  constructor(statements: Statements, ids: IdSource, tombstoneMs: number) {
    this.#statements = statements;
    this.#ids = ids;
    this.#tombstoneUs = tombstoneMs * 1000;
  }

  insert(transaction: SqliteTransaction, queue: OpenQueue, task: NewTask): ItemResult<Task> {
    const { nowUs } = transaction;
    const key = task.idempotencyKey;
    const first = key === undefined ? undefined : this.#firstInsert(queue, key, nowUs);
    if (first !== undefined) return { ok: true, value: first };
    if (task.id !== undefined && this.#statements.isTombstoned.get(queue.row.id, task.id, nowUs)) {
      return { ok: false, error: idTaken(task.id) };
    }
    const etaUs = firstEtaUs(task, nowUs);
    const id = this.#insertRow(queue.row.id, task, etaUs, nowUs);
    if (id === undefined) return { ok: false, error: idTaken(task.id ?? "") };
    const value: Task = {
      queue: queue.key,
      id,
      tag: task.tag,
      enqueuedAtUs: nowUs,
      etaUs,
      retryCount: 0,
      uncounted: 0,
    };
    transaction.addTasks(queue.row.id, 1);
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
    );
    for (const { queue, row } of picked.exhausted) {
      this.#statements.deleteSerial.run(row.serial);
      this.#removed(transaction, queue.row.id, row.id, row);
      transaction.addExhausted(taskOf(queue.key, row));
    }
    const tasks = picked.tasks.map(({ queue, row }): TaskWithPayload => {
      this.#statements.leaseTask.run(endUs, row.serial);
      transaction.addLeases(queue.row.id, 1);
      return {
        queue: queue.key,
        id: row.id,
        payload: this.#payload(row),
        tag: row.tag ?? undefined,
        enqueuedAtUs: row.enqueued_at_us,
        etaUs: endUs,
        retryCount: row.retry_count + 1,
        uncounted: row.uncounted,
      };
    });
    return { tasks, more: picked.more };
  }

  extend(transaction: SqliteTransaction, queue: OpenQueue, lease: LeaseExtension): ItemResult<Task> {
    const { nowUs } = transaction;
    const row = this.#statements.extendLease.get(
      nowUs + Math.round(lease.leaseMs * 1000),
      lease.uncounted === true ? 1 : 0,
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
    ) as Pick<TaskRow, "serial" | "named"> | undefined;
    if (row !== undefined) {
      this.#removed(transaction, queueId, target.id, row);
      return { ok: true, value: undefined };
    }
    // Only now it matters why.
    const exists = fenced && this.#statements.findTask.get(queueId, target.id) !== undefined;
    return { ok: false, error: exists ? leaseLost(target.id) : unknownTask(target.id) };
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
   * Removes the next tasks of a queue in the order of their ids, those inserted after `lastSerial` excepted. Gives where
   * it got to, or undefined at the end, and how many it removed.
   */
  removeSome(
    transaction: SqliteTransaction,
    queueId: number,
    chunk: { readonly afterId: string; readonly limit: number; readonly lastSerial: number },
  ): { readonly removed: number; readonly lastId: string | undefined } {
    const { afterId, limit, lastSerial } = chunk;
    const rows = this.#statements.tasksAfterId.all(queueId, afterId, limit) as TaskRow[];
    const old = rows.filter((row) => row.serial <= lastSerial);
    for (const row of old) {
      this.#statements.deleteSerial.run(row.serial);
      this.#removed(transaction, queueId, row.id, row);
    }
    return { removed: old.length, lastId: rows.length < limit ? undefined : rows.at(-1)?.id };
  }

  #firstInsert(queue: OpenQueue, key: string, nowUs: number): Task | undefined {
    const generation = keyGeneration(nowUs);
    const row = (this.#statements.findKey.get(generation, queue.row.id, key) ??
      this.#statements.findKey.get(generation - 1, queue.row.id, key)) as
      | Pick<TaskRow, "id" | "tag" | "enqueued_at_us" | "eta_us">
      | undefined;
    return row === undefined ? undefined : taskOf(queue.key, { ...row, retry_count: 0, uncounted: 0 });
  }

  /** Stores a task and gives its id, or undefined when the caller's id is in use. */
  #insertRow(queueId: number, task: NewTask, etaUs: number, nowUs: number): string | undefined {
    const named = task.id === undefined ? 0 : 1;
    for (;;) {
      const id = task.id ?? this.#ids.next(nowUs);
      const bytes = task.payload.byteLength;
      const { changes, lastInsertRowid } = this.#statements.insertTask.run(
        queueId,
        id,
        named,
        task.tag ?? null,
        nowUs,
        etaUs,
        bytes,
      );
      if (changes === 1) {
        this.#statements.insertPayload.run(Number(lastInsertRowid), task.payload);
        return id;
      }
      // Another process made the same id in the same microsecond: the next one is greater.
      if (task.id !== undefined) return undefined;
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
      const { etaUs, id } = last;
      const rows = (
        only === undefined
          ? this.#statements.available.all(queueId, nowUs, etaUs, id, rowsAhead)
          : this.#statements.availableOfTag.all(queueId, only.tag ?? null, nowUs, etaUs, id, rowsAhead)
      ) as TaskRow[];
      for (const row of rows) yield candidateOf(queue, row);
      const lastRow = rows.length < rowsAhead ? undefined : rows.at(-1);
      last = lastRow === undefined ? undefined : { etaUs: lastRow.eta_us, id: lastRow.id };
    }
  }

  #payload(row: TaskRow): Uint8Array {
    return (this.#statements.readPayload.get(row.serial) as { readonly payload: Uint8Array }).payload;
  }

  /** What goes with a task's row. */
  #removed(
    transaction: SqliteTransaction,
    queueId: number,
    id: string,
    row: Pick<TaskRow, "serial" | "named">,
  ): void {
    this.#statements.deletePayload.run(row.serial);
    transaction.addTasks(queueId, -1);
    if (row.named === 1) transaction.bury(queueId, id, transaction.nowUs + this.#tombstoneUs);
  }
}

/** The retry count names a lease; its end is only asked for where nothing better was given. */
function fenceOf(fence: LeaseFence): [retryCount: number | null, leaseEndUs: number | null] {
  if (fence.retryCount !== undefined) return [fence.retryCount, null];
  return [null, fence.leaseEndUs ?? null];
}

function candidateOf(queue: OpenQueue, row: TaskRow): RowCandidate {
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
  };
}

function taskOf(
  queue: QueueKey,
  row: Pick<TaskRow, "id" | "tag" | "enqueued_at_us" | "eta_us" | "retry_count" | "uncounted">,
): Task {
  return {
    queue,
    id: row.id,
    tag: row.tag ?? undefined,
    enqueuedAtUs: row.enqueued_at_us,
    etaUs: row.eta_us,
    retryCount: row.retry_count,
    uncounted: row.uncounted,
  };
}
