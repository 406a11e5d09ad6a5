import type { CallOptions, QueueAdmin, QueueStore } from "./store.js";
import type { QueueKey, TaskWithPayload } from "./task.js";

/**
 * Moving whole queues between stores: more is read and written of a task than any caller of `QueueStore` may see or set.
 * The embedded stores and the databases implement it; over HTTP nobody may.
 */
export interface QueueTransfer {
  /**
   * Tasks with all that the store knows of them, in order of their ids, which leases do not change: at most
   * `TRANSFER_TASKS_MAX` after a given id, fewer where payloads are large. Fails with `not_found`.
   */
  exportTasks(
    queue: QueueKey,
    options?: CallOptions & { readonly afterId?: string | undefined },
  ): Promise<readonly ExportedTask[]>;

  /** The memory of finished tasks whose ids callers had chosen, likewise. */
  exportTombstones(
    queue: QueueKey,
    options?: CallOptions & { readonly afterId?: string | undefined },
  ): Promise<readonly TombstoneRecord[]>;

  /**
   * Takes tasks as they were exported, at most `TRANSFER_TASKS_MAX`. Importing one again adds nothing: a task whose id is
   * there, or has a tombstone, stays as it is. Resolved means on disk. Fails with `not_found`, and with `invalid_argument`
   * that names the tasks that break a rule, as those of an older version can; then none is imported.
   */
  importTasks(
    queue: QueueKey,
    tasks: readonly TaskRecord[],
    options?: CallOptions,
  ): Promise<{ readonly added: number; readonly present: number }>;

  /**
   * Removes tasks that are still as they were exported, and gives the ids of the others: leased, changed or gone since.
   * Names stay taken as after a delete. Fails with `not_found`.
   */
  removeTasks(
    queue: QueueKey,
    tasks: readonly ExportedTask[],
    options?: CallOptions,
  ): Promise<readonly string[]>;

  /**
   * Takes back tasks that were imported too early, whatever has become of them. Leaves no tombstones, so that the same ids
   * can be imported later. Ids that are not there are passed over. Fails with `not_found`.
   */
  withdrawTasks(queue: QueueKey, ids: readonly string[], options?: CallOptions): Promise<void>;

  /** Takes tombstones, likewise; the later end of two counts. */
  importTombstones(
    queue: QueueKey,
    tombstones: readonly TombstoneRecord[],
    options?: CallOptions,
  ): Promise<void>;
}

/** A store that can be moved from and to. */
export interface TransferStore extends QueueStore, QueueAdmin {
  readonly transfer: QueueTransfer;
  readonly listProjects: NonNullable<QueueAdmin["listProjects"]>;
}

/** All that a store knows of a task. */
export interface TaskRecord extends TaskWithPayload {
  /** Its caller chose the id, which so stays taken for a while after it. */
  readonly named: boolean;
  /** Its last lease was given back, and did not run out. */
  readonly givenBack: boolean;
  /** When its time in the queue is over, in microseconds since the epoch. */
  readonly expiresAtUs: number | undefined;
}

/** A task as it is now. */
export interface ExportedTask extends TaskRecord {
  /** Somebody holds its lease now, by the store's clock. */
  readonly isHeld: boolean;
}

/** The memory of a finished task's id. */
export interface TombstoneRecord {
  readonly id: string;
  /** Until when the id stays taken, in microseconds since the epoch. */
  readonly untilUs: number;
}
