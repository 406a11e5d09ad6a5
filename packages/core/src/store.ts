import type { Clock } from "./clock.js";
import type {
  ItemResult,
  LeaseExtension,
  LeaseFence,
  LeaseRequest,
  NewTask,
  PeekQuery,
  QueueInfo,
  QueueKey,
  QueuePage,
  QueueSettings,
  Task,
  TaskPage,
  TaskWithPayload,
} from "./task.js";

/**
 * The life of a task:
 *
 *     insert ──> delayed ──(eta)──> available ──lease──> leased ──delete──> gone
 *                                       ^                  │
 *                                       └── extend by 0 ───┤
 *                                       └── lease ends ────┘
 *
 * Available when etaUs <= now; held while the lease's end > now, by the store's own clock. A task whose counted leases
 * (retryCount - uncounted) have reached the queue's maxLeases is dropped when a lease would next pick it.
 */

/** Options of every call that can wait. After an abort nothing stays leased. The signal's reason is thrown unchanged. */
export interface CallOptions {
  readonly signal?: AbortSignal | undefined;
}

/** What a store can do, so that callers and the conformance suite need not guess. */
export interface StoreManifest {
  /** A short name for messages and tests: `memory`, `sqlite`, `http`. */
  readonly name: string;
  /** Tasks outlive the process. */
  readonly persistent: boolean;
  /** `lease` honours `waitMs` without polling by the caller. */
  readonly waits: boolean;
  /** `QueueKey.queue` may be any UTF-8 name; otherwise only `PLAIN_QUEUE_NAME_PATTERN`. */
  readonly anyQueueName: boolean;
  /** Idempotency keys, delete fences and `uncounted` are honoured by the store itself. */
  readonly fences: boolean;
  /** Queues can be managed: `QueueAdmin`'s put, delete and list. */
  readonly managesQueues: boolean;
  /** `lease` takes several queues in one call. */
  readonly leasesManyQueues: boolean;
  /** Smallest step of `leaseMs`, in milliseconds; requests are rounded up to it. */
  readonly leaseStepMs: number;
}

/**
 * The data path. Implemented by the embedded stores, the databases and the HTTP client; proved by one conformance suite.
 *
 * Every method rejects with a `QueueError`: `invalid_argument` and `too_large` for a caller's mistake, `not_found` for an
 * unknown queue, `wrong_mode` for a push queue, `closed` after close, `unavailable` when trying again may help.
 * Queues come into being on insert and lease where the store was opened so; never otherwise.
 */
export interface QueueStore extends AsyncDisposable {
  readonly supports: StoreManifest;

  /**
   * Adds up to `BATCH_ITEMS_MAX` tasks; resolved means stored as durably as the store can. A result for each item, in
   * order. Item errors: `already_exists` for an id in use or recently finished, `invalid_argument`, `too_large`.
   */
  insert(
    queue: QueueKey,
    tasks: readonly NewTask[],
    options?: CallOptions,
  ): Promise<readonly ItemResult<Task>[]>;

  /**
   * Leases the oldest available tasks by (eta, id), from the queues taken together, and returns them in that order.
   * Each gets the same new end and a retryCount one higher. Nothing available is an empty list, not an error.
   */
  lease(
    queues: readonly QueueKey[],
    request: LeaseRequest,
    options?: CallOptions,
  ): Promise<readonly TaskWithPayload[]>;

  /** Moves the ends of leases. Item errors: `lease_lost` when the fence does not hold, for unknown tasks too. */
  extend(
    queue: QueueKey,
    leases: readonly LeaseExtension[],
    options?: CallOptions,
  ): Promise<readonly ItemResult<Task>[]>;

  /**
   * Removes tasks. Item errors: `not_found` when there is no such task, `lease_lost` when a fence was given and does not
   * hold (the lease ended, or somebody else has the task). Without a fence: removed whoever holds it.
   */
  delete(
    queue: QueueKey,
    targets: readonly LeaseFence[],
    options?: CallOptions,
  ): Promise<readonly ItemResult<undefined>[]>;

  /** Looks without leasing. */
  peek(queue: QueueKey, query: PeekQuery, options?: CallOptions): Promise<TaskPage>;

  /**
   * Resolves as soon as a task of one of the queues may have become available (true), or after `waitMs` (false).
   * Registers before it returns its promise: call it, then look, then await it, and nothing is missed. A caller that is
   * woken must look, because others may not have been woken.
   */
  wait(queues: readonly QueueKey[], waitMs: number, options?: CallOptions): Promise<boolean>;

  /** Idempotent; concurrent calls share one promise. Waiting calls end with `closed`; later calls fail with it. */
  close(): Promise<void>;
}

/** Queue management. A store that can do both implements both. */
export interface QueueAdmin {
  /** Creates the queue, or replaces its settings. */
  putQueue(queue: QueueKey, settings: QueueSettings, options?: CallOptions): Promise<QueueInfo>;

  /** Settings and, with `stats`, counts. Fails with `not_found`. */
  getQueue(queue: QueueKey, options?: CallOptions & { readonly stats?: boolean }): Promise<QueueInfo>;

  /** Queues of a project by name, up to `LIST_QUEUES_MAX` a page. An unknown project has none. */
  listQueues(
    project: string,
    options?: CallOptions & {
      readonly limit?: number;
      readonly pageToken?: string;
      readonly stats?: boolean;
    },
  ): Promise<QueuePage>;

  /** Removes the queue with its tasks and its memory of ids. Fails with `not_found`. */
  deleteQueue(queue: QueueKey, options?: CallOptions): Promise<void>;

  /**
   * Removes all tasks that are in the queue now, leased ones too, in chunks, so that others are served meanwhile.
   * Resolves with their number; an abort leaves what is not yet removed. Ids stay taken as after a delete.
   */
  purge(
    queue: QueueKey,
    options?: CallOptions & { readonly onProgress?: (removed: number) => void },
  ): Promise<number>;
}

/** What an embedded store tells its owner while it works. Called synchronously; must not throw. */
export interface StoreObserver {
  /** A task was dropped because its leases reached the queue's maxLeases. */
  onExhausted?(task: Task): void;
}

/** Options of every embedded store. */
export interface StoreOptions {
  /** Default: the system's clock. */
  readonly clock?: Clock | undefined;
  /** Whether queues come into being on first insert or lease. Default true. */
  readonly createQueues?: boolean | undefined;
  /** Most queues the store holds. Default `QUEUES_MAX_DEFAULT`. */
  readonly queuesMax?: number | undefined;
  /** How long ids chosen by a caller stay taken after their task is gone, in milliseconds. Default `TOMBSTONE_MS_DEFAULT`. */
  readonly tombstoneMs?: number | undefined;
  readonly observer?: StoreObserver | undefined;
}
