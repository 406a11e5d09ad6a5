import type { ExactLease } from "../naive-store.js";
import type { StoreManifest } from "../store.js";
import type {
  ItemResult,
  LeaseExtension,
  LeaseFence,
  NewTask,
  QueueKey,
  Task,
  TaskPage,
  TaskWithPayload,
} from "../task.js";

/** Where a page begins, and how long it is. */
export interface PageRequest {
  readonly limit: number;
  readonly pageToken?: string | undefined;
}

/**
 * How to speak of tasks with one kind of server. Arguments are proved, batches are not empty, and the queues of a lease
 * are of one project. After an abort nothing stays leased; then every method rejects with the signal's reason.
 */
export interface HttpDialect {
  readonly manifest: StoreManifest;
  insert(
    queue: QueueKey,
    tasks: readonly NewTask[],
    signal: AbortSignal | undefined,
  ): Promise<readonly ItemResult<Task>[]>;
  lease(
    queues: readonly QueueKey[],
    request: ExactLease,
    waitMs: number,
    signal: AbortSignal | undefined,
  ): Promise<readonly TaskWithPayload[]>;
  extend(
    queue: QueueKey,
    leases: readonly LeaseExtension[],
    signal: AbortSignal | undefined,
  ): Promise<readonly ItemResult<Task>[]>;
  delete(
    queue: QueueKey,
    targets: readonly LeaseFence[],
    signal: AbortSignal | undefined,
  ): Promise<readonly ItemResult<undefined>[]>;
  list(queue: QueueKey, page: PageRequest, signal: AbortSignal | undefined): Promise<TaskPage>;
  wait(queues: readonly QueueKey[], waitMs: number, signal: AbortSignal | undefined): Promise<boolean>;
}
