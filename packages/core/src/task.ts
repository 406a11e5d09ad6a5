import type { QueueError } from "./errors.js";

/** Names one queue. `project` has no `x~` prefix: `s~app` and `app` are the same project. */
export interface QueueKey {
  readonly project: string;
  readonly queue: string;
}

/** A task as a producer describes it. */
export interface NewTask {
  /** The bytes to carry, at most `PAYLOAD_BYTES_MAX`; empty is fine. */
  readonly payload: Uint8Array;
  /** An id of the caller's choice (`TASK_ID_PATTERN`, not of the generated form); it stays taken for a while after the task is gone. */
  readonly id?: string | undefined;
  /** Groups tasks for leasing; at most `TAG_BYTES_MAX` bytes, without U+0000. Absent and empty are different. */
  readonly tag?: string | undefined;
  /** First time the task may be leased, in microseconds since the epoch by the store's clock; a past time means now. Not with `delayMs`. */
  readonly etaUs?: number | undefined;
  /** The same, counted from the store's now, in milliseconds. */
  readonly delayMs?: number | undefined;
  /**
   * Repeating an insert with the same key within `IDEMPOTENCY_MS` adds nothing and gives the first task again. At most
   * `IDEMPOTENCY_KEY_LENGTH_MAX` characters, without U+0000.
   */
  readonly idempotencyKey?: string | undefined;
  /** The producer's span, as the header of the same name (https://www.w3.org/TR/trace-context/); kept and handed back. */
  readonly traceparent?: string | undefined;
  /** What tracing systems add to it, likewise; only with `traceparent`. */
  readonly tracestate?: string | undefined;
}

/** A stored task without its payload. */
export interface Task {
  readonly queue: QueueKey;
  readonly id: string;
  readonly tag: string | undefined;
  /** When it was inserted, in microseconds since the epoch. */
  readonly enqueuedAtUs: number;
  /** When it may next be leased: its first availability, or the end of its last lease. In microseconds since the epoch. */
  readonly etaUs: number;
  /** Leases applied so far; never decreases, so (id, retryCount) names one lease. */
  readonly retryCount: number;
  /** How many of those do not count against the retry limit: given back without having been handed to anyone, or before a move. */
  readonly uncounted: number;
  /** The trace context that the producer gave. */
  readonly traceparent?: string | undefined;
  readonly tracestate?: string | undefined;
  /** Only on a task in a dead-letter queue: where it came from, and why. */
  readonly deadLetter?: DeadLetter | undefined;
}

/** Why and from where a task was moved to a dead-letter queue. */
export interface DeadLetter {
  /** The queue that it came from, of the same project. */
  readonly queue: string;
  /** Its id there. */
  readonly id: string;
  /** `retry_limit`: its counted leases had reached maxLeases. `retention`: its time in the queue was over. */
  readonly reason: "retry_limit" | "retention";
  /** Its leases until then. */
  readonly retryCount: number;
  /** When it was moved, in microseconds since the epoch. */
  readonly atUs: number;
}

/** A task with its payload, as leased or looked at. */
export interface TaskWithPayload extends Task {
  readonly payload: Uint8Array;
}

/** What is asked of a lease. */
export interface LeaseRequest {
  /** At most this many tasks, 1 to `LEASE_TASKS_MAX`; fewer does not mean that the queue is empty. */
  readonly maxTasks: number;
  /** How long the tasks are hidden from others, 0 to `LEASE_MS_MAX`; whole seconds over HTTP (rounded up). */
  readonly leaseMs: number;
  /** Only tasks of one tag: `tag` if given, otherwise that of the oldest available task (which may have none). */
  readonly groupByTag?: boolean | undefined;
  /** Only with `groupByTag`. The empty tag counts as not given. */
  readonly tag?: string | undefined;
  /** Stop adding tasks past this many payload bytes; one is always given. Default `LEASE_PAYLOAD_BYTES_DEFAULT`. */
  readonly payloadBytesMax?: number | undefined;
  /** Wait up to this long for the first task, 0 to `WAIT_MS_MAX`. Default 0. */
  readonly waitMs?: number | undefined;
}

/**
 * Which lease a caller believes to hold. With `retryCount`, the lease (id, retryCount) must be live; it survives
 * renewals whose answer was lost. With `leaseEndUs` alone, the lease must end exactly then (v1beta2's own check).
 * With neither, any live lease will do for `extend`, and `delete` is unconditional.
 */
export interface LeaseFence {
  readonly id: string;
  readonly retryCount?: number | undefined;
  readonly leaseEndUs?: number | undefined;
}

/** A new end for a lease. */
export interface LeaseExtension extends LeaseFence {
  /** The lease's new length, counted from the store's now; 0 gives the task back at once. */
  readonly leaseMs: number;
  /** Only with `leaseMs` 0: nobody worked on the task, so this lease does not count against the retry limit. */
  readonly uncounted?: boolean | undefined;
}

/** The outcome for one item of a batch: each succeeds or fails by itself. */
export type ItemResult<T> =
  | { readonly ok: true; readonly value: T }
  | { readonly ok: false; readonly error: QueueError };

/** What to look at without leasing. */
export type PeekQuery =
  | { readonly id: string }
  | {
      /** Page size, 1 to `LIST_TASKS_MAX`. */
      readonly limit: number;
      /** Where the previous page ended. */
      readonly pageToken?: string | undefined;
    };

/** Tasks in the order (eta, id). A query by id has one task or none, with its payload; a page leaves payloads out. */
export interface TaskPage {
  readonly tasks: readonly (Task & { readonly payload?: Uint8Array })[];
  readonly nextPageToken?: string | undefined;
}

/** Who may do what with a queue, by e-mail, as in queue.yaml. */
export interface QueueAcl {
  /** May list, get, lease, update and delete tasks (`user_email`). */
  readonly userEmails: readonly string[];
  /** May insert tasks (`writer_email`). */
  readonly writerEmails: readonly string[];
}

/** What can be configured about a queue. */
export interface QueueSettings {
  /** Push queues can be named in queue.yaml; they refuse every task operation. Default `pull`. */
  readonly mode: "pull" | "push";
  /** Leases after which a task is dropped instead of leased again (`task_retry_limit`); undefined: never. */
  readonly maxLeases: number | undefined;
  readonly acl: QueueAcl | undefined;
  /** A disabled queue (gone from queue.yaml) takes tasks and hands none out. */
  readonly disabled: boolean;
  /**
   * A queue of the same project, not this one, that gets tasks past their retry limit or their retention; made when it is
   * not there. Undefined: such tasks are dropped and counted.
   */
  readonly deadLetterQueue: string | undefined;
  /** Most lease calls a second (Google had 10), for each process that holds the store; excess calls find nothing. Undefined: no limit. */
  readonly leasesPerSecond: number | undefined;
  /** Payload bytes the queue may hold; an insert past it fails with `resource_exhausted`, a move does not. Undefined: no limit. */
  readonly storageBytesMax: number | undefined;
  /** How long a task may stay, in milliseconds from when it entered, by the setting of that moment. Undefined: for ever. */
  readonly retentionMs: number | undefined;
  /** How long ids chosen by a caller stay taken after their task is gone, in milliseconds. Undefined: as the store was told. */
  readonly tombstoneMs: number | undefined;
}

/** Settings of a queue that nobody configured. */
export const DEFAULT_QUEUE_SETTINGS: QueueSettings = Object.freeze({
  mode: "pull",
  maxLeases: undefined,
  acl: undefined,
  disabled: false,
  deadLetterQueue: undefined,
  leasesPerSecond: undefined,
  storageBytesMax: undefined,
  retentionMs: undefined,
  tombstoneMs: undefined,
});

/** Counts, exact at the moment they were taken; leases are counted in steps of ten seconds. */
export interface QueueStats {
  /** All tasks: available, delayed and leased. */
  readonly totalTasks: number;
  /** Tasks that a lease could take, or would drop on its way, now. */
  readonly availableTasks: number;
  /** Tasks that are held by a lease now. The others of the total are delayed. */
  readonly leasedTasks: number;
  /** The earliest `etaUs` of any task, or undefined when there is none. */
  readonly oldestEtaUs: number | undefined;
  readonly leasedLastMinute: number;
  readonly leasedLastHour: number;
  /** Bytes of all payloads together. */
  readonly payloadBytes: number;
}

/** Picks the tasks of one tag; undefined: those without a tag. */
export interface TagFilter {
  readonly tag: string | undefined;
}

/** Counts of the tasks of one tag. */
export interface TagStats {
  /** Undefined for the tasks without a tag. */
  readonly tag: string | undefined;
  readonly totalTasks: number;
  /** As in `QueueStats`. */
  readonly availableTasks: number;
  readonly oldestEtaUs: number | undefined;
}

/** Tags of a queue in their order, those without a tag first. */
export interface TagStatsPage {
  readonly tags: readonly TagStats[];
  readonly nextPageToken?: string | undefined;
}

/** A queue, its settings and, when asked for, its counts. */
export interface QueueInfo {
  readonly key: QueueKey;
  readonly settings: QueueSettings;
  /** A paused queue takes tasks and hands none out. A state and no setting: `putQueue` leaves it as it is. */
  readonly paused: boolean;
  readonly stats?: QueueStats | undefined;
}

/** Queues of a project in order of name. */
export interface QueuePage {
  readonly queues: readonly QueueInfo[];
  readonly nextPageToken?: string | undefined;
}
