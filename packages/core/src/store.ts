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
  TagFilter,
  TagStatsPage,
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
 * (retryCount - uncounted) have reached the queue's maxLeases is dropped when a lease would next pick it; one whose
 * retention is over and that nobody holds is dropped likewise, or by the next sweep.
 *
 * Where the queue names a dead-letter queue, such a task is moved there instead of dropped, in the same transaction. A
 * moved task keeps its id unless a task there has it, its retryCount (so that (id, retryCount) still names one lease),
 * payload, tag, enqueuedAtUs and trace context; its etaUs is now, and all its leases so far are uncounted, so attempts
 * start anew. A move is not stopped by tombstones or limits; an id chosen by a caller stays taken where the task was.
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
  /** Everything that v1beta2 had not: pausing, dead letters, retention, limits of a queue, counts by tag, trace context. */
  readonly managesLife: boolean;
  /** `sweep` does the work; a client's server does it by itself. */
  readonly sweeps: boolean;
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
   * hold (the lease ended, somebody else has the task, or it waits in the queue's dead-letter queue). Without a fence:
   * removed whoever holds it.
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

  /** Projects that have queues, in order of name, at most `LIST_PROJECTS_MAX`. Absent where nobody can say (over HTTP). */
  readonly listProjects?: ((options?: CallOptions) => Promise<readonly string[]>) | undefined;

  /** Removes the queue with its tasks and its memory of ids. Fails with `not_found`. */
  deleteQueue(queue: QueueKey, options?: CallOptions): Promise<void>;

  /**
   * Removes all tasks that are in the queue now, or those of one tag, leased ones too, in chunks, so that others are
   * served meanwhile. Resolves with their number; an abort leaves what is not yet removed. Ids stay taken as after a delete.
   */
  purge(queue: QueueKey, options?: PurgeOptions): Promise<number>;

  /**
   * Lets the queue take tasks and hand none out: leases on it find nothing, and those that wait go on waiting. Renewals,
   * releases and deletes go on. Fails with `not_found`; a paused queue stays so.
   */
  pauseQueue(queue: QueueKey, options?: CallOptions): Promise<QueueInfo>;

  /** Ends a pause, and wakes who waits. Fails with `not_found`; a queue that is not paused stays so. */
  resumeQueue(queue: QueueKey, options?: CallOptions): Promise<QueueInfo>;

  /**
   * Counts by tag, up to `TAG_STATS_MAX` tags a page, those without a tag first. A long queue is counted in chunks, so
   * the counts are exact only while nobody changes it. Fails with `not_found`.
   */
  tagStats(
    queue: QueueKey,
    options?: CallOptions & { readonly limit?: number; readonly pageToken?: string },
  ): Promise<TagStatsPage>;

  /**
   * Moves the tasks of a dead-letter queue back to where they came from, in chunks; resolves with their number. Those
   * leased now stay, and those that came from nowhere or from a queue that is gone. An abort leaves the rest.
   */
  redrive(
    queue: QueueKey,
    options?: CallOptions & { readonly onProgress?: (moved: number) => void },
  ): Promise<number>;

  /**
   * Removes what time has ended: tasks whose retention is over (to the dead-letter queue where one is named), ids and keys
   * remembered long enough, what deleted queues left. In chunks; any number of processes may sweep one database at once.
   */
  sweep(options?: CallOptions): Promise<SweepResult>;
}

/** Options of `purge`. */
export interface PurgeOptions extends CallOptions {
  /** Only the tasks of one tag, or those without. Default: all. */
  readonly only?: TagFilter | undefined;
  /** Told how many have been removed so far, after each chunk. */
  readonly onProgress?: ((removed: number) => void) | undefined;
}

/** What a sweep did to tasks whose retention was over. */
export interface SweepResult {
  /** Removed for good: their queue names no dead-letter queue. */
  readonly expiredTasks: number;
  /** Moved to a dead-letter queue. */
  readonly deadLetteredTasks: number;
}

/** What an embedded store tells its owner while it works. Called synchronously, when it is stored; must not throw. */
export interface StoreObserver {
  /** A task was dropped because its leases reached the queue's maxLeases, and the queue names no dead-letter queue. */
  onExhausted?(task: Task): void;
  /** A task was moved to a dead-letter queue; its `deadLetter` says from where and why. */
  onDeadLettered?(task: Task): void;
  /** A task was dropped because its retention was over, and the queue names no dead-letter queue. */
  onExpired?(task: Task): void;
  /** Tasks were leased; `expiredLeases` of them had a lease before that ran out and was not given back. */
  onLeased?(queue: QueueKey, counts: { readonly tasks: number; readonly expiredLeases: number }): void;
  /** A transaction was committed (SQLite, PostgreSQL): how many calls shared it, and how long it took, in milliseconds. */
  onCommit?(commit: { readonly calls: number; readonly durationMs: number }): void;
  /** Something about the store that its owner should know, in a sentence: a database that does not write to its disk. */
  onWarning?(warning: string): void;
  /** The connections to a database (PostgreSQL) have changed: all, those that do nothing, and callers that wait for one. */
  onPool?(pool: { readonly total: number; readonly idle: number; readonly waiting: number }): void;
}

/** Options of every embedded store. */
export interface StoreOptions {
  /** Default: the system's clock. */
  readonly clock?: Clock | undefined;
  /** Whether queues come into being on first insert or lease. Default true. */
  readonly createQueues?: boolean | undefined;
  /** Most queues the store holds. Default `QUEUES_MAX_DEFAULT`. */
  readonly queuesMax?: number | undefined;
  /** How long ids chosen by a caller stay taken where their queue says nothing, in milliseconds. Default `TOMBSTONE_MS_DEFAULT`. */
  readonly tombstoneMs?: number | undefined;
  readonly observer?: StoreObserver | undefined;
}
