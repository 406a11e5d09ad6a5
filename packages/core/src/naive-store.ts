import type { Eventual } from "./eventual.js";
import type { StoreManifest, SweepResult } from "./store.js";
import type {
  ItemResult,
  LeaseExtension,
  LeaseFence,
  NewTask,
  QueueInfo,
  QueueKey,
  QueueSettings,
  TagFilter,
  TagStats,
  Task,
  TaskWithPayload,
} from "./task.js";
import type { ExportedTask, TaskRecord, TombstoneRecord } from "./transfer.js";

/**
 * What an embedded store has to do itself; `checkedStore` makes a `QueueStore` of it. Arguments are proved and complete,
 * nothing is called after close, nobody aborts, nothing waits. An operation is whole or has not happened. It fails by throwing, at once or
 * later.
 */
export interface NaiveStore {
  readonly supports: StoreManifest;

  /** A lease finds what an insert called before it puts in, though neither has resolved. Default: only after the insert has. */
  readonly callsInOrder?: boolean;

  /** Adds tasks. Rejects for an unknown, surplus or push queue; `already_exists` is an item's error. */
  insert(queue: QueueKey, tasks: readonly NewTask[]): Eventual<readonly ItemResult<Task>[]>;

  /** Leases what is available now. */
  lease(queues: readonly QueueKey[], request: ExactLease): Promise<LeaseAnswer>;

  extend(queue: QueueKey, leases: readonly LeaseExtension[]): Eventual<readonly ItemResult<Task>[]>;

  delete(queue: QueueKey, targets: readonly LeaseFence[]): Eventual<readonly ItemResult<undefined>[]>;

  /** One task with its payload. */
  find(queue: QueueKey, id: string): Promise<TaskWithPayload | undefined>;

  /** At most `limit` tasks after a position, or from the start, in the order (eta, id). */
  list(queue: QueueKey, limit: number, after: TaskPosition | undefined): Promise<readonly Task[]>;

  /**
   * The earliest eta or lease end later than `afterUs` among a queue's tasks; undefined when there is none, or no such
   * queue. Timers ask, so it must neither throw nor reject; whoever knows the answer at once gives it at once.
   */
  nextEtaUs(queue: QueueKey, afterUs: number): Eventual<number | undefined>;

  /**
   * Starts telling of writes that did not come through this object, naming the queue where it is known; returns how to
   * stop. Absent where there are none.
   */
  watchForeignWrites?(notify: (queue?: QueueKey) => void): () => void;

  /** Also makes the dead-letter queue that the settings name, past the store's limit of queues if need be. */
  putQueue(queue: QueueKey, settings: QueueSettings): Promise<QueueInfo>;
  getQueue(queue: QueueKey, stats: StatsChoice): Promise<QueueInfo>;
  /** At most `limit` queues of a project with names after `after`, in order of name. */
  listQueues(
    project: string,
    page: { readonly limit: number; readonly after: string | undefined; readonly stats: StatsChoice },
  ): Promise<readonly QueueInfo[]>;
  /** At most `limit` projects that have queues, in order of name. Absent where nobody can say. */
  listProjects?(limit: number): Promise<readonly string[]>;
  deleteQueue(queue: QueueKey): Promise<void>;
  /** Sets the state and leaves the settings. */
  setPaused(queue: QueueKey, state: PauseState): Promise<QueueInfo>;
  /** Counts of at most `limit` tags after one, or from the untagged. */
  tagStats(queue: QueueKey, limit: number, after: TagFilter | undefined): Promise<readonly TagStats[]>;
  /** Removes what is in the queue now, or of one tag, a chunk for each turn of the iterator; gives the number removed in each. */
  purge(queue: QueueKey, only: TagFilter | undefined): AsyncIterable<number>;
  /** Moves dead letters back, a chunk for each turn. */
  redrive(queue: QueueKey): AsyncIterable<MoveChunk>;
  /** Removes what time has ended, a chunk for each turn. */
  sweep(): AsyncIterable<SweepChunk>;

  /** Whole queues in and out, where tasks outlive the process. */
  readonly transfer?: NaiveTransfer | undefined;

  close(): Promise<void>;
}

/** What a store that keeps its tasks does for `QueueTransfer`. "" is before every id. */
export interface NaiveTransfer {
  exportTasks(queue: QueueKey, afterId: string): Promise<readonly ExportedTask[]>;
  exportTombstones(queue: QueueKey, afterId: string): Promise<readonly TombstoneRecord[]>;
  importTasks(queue: QueueKey, tasks: readonly TaskRecord[]): Promise<ImportResult>;
  importTombstones(queue: QueueKey, tombstones: readonly TombstoneRecord[]): Promise<void>;
  removeTasks(queue: QueueKey, tasks: readonly ExportedTask[]): Promise<readonly string[]>;
  withdrawTasks(queue: QueueKey, ids: readonly string[]): Promise<void>;
}

/** What became of tasks that were to be imported. */
export interface ImportResult {
  readonly added: number;
  /** Those whose id was there; `clashes` are among them. */
  readonly present: number;
  /** Those whose id, which a store had made, another task has here: two stores may make the same in one microsecond. */
  readonly clashes: readonly TaskRecord[];
}

/** Whether counts are wanted with a queue. */
export type StatsChoice = "with stats" | "without stats";

/** The same of an option. */
export function statsChoice(stats: boolean | undefined): StatsChoice {
  return stats === true ? "with stats" : "without stats";
}

/** Whether a queue hands out tasks. */
export type PauseState = "paused" | "running";

/** A `LeaseRequest` with its defaults filled in. */
export interface ExactLease {
  readonly maxTasks: number;
  readonly leaseMs: number;
  readonly groupByTag: boolean;
  /** Only with `groupByTag`; undefined: that of the oldest available task. */
  readonly tag: string | undefined;
  readonly payloadBytesMax: number;
}

/** Leased tasks in order, and whether there were more of the kind asked for than the request could take. */
export interface LeaseAnswer {
  readonly tasks: readonly TaskWithPayload[];
  readonly more: boolean;
  /** Tasks that were moved to dead-letter queues on the way. */
  readonly arrivals?: readonly Arrival[] | undefined;
  /** Where a queue was left out because of its leasesPerSecond: when the first of them lets a lease through. */
  readonly retryAtUs?: number | undefined;
}

/** Tasks that a move has made available in a queue. */
export interface Arrival {
  readonly queue: QueueKey;
  readonly tasks: number;
}

/** A step of a redrive. */
export interface MoveChunk {
  readonly moved: number;
  readonly arrivals: readonly Arrival[];
}

/** A step of a sweep. */
export interface SweepChunk extends SweepResult {
  readonly arrivals: readonly Arrival[];
}

/** A place in the order (eta, id). */
export interface TaskPosition {
  readonly etaUs: number;
  readonly id: string;
}
