import type { DeadLetter, QueueAcl, QueueInfo, QueueKey, QueueSettings, QueueStats, Task } from "../task.js";
import type { QueueRow, TaskRow } from "./postgres-statements.js";

/** A queue by name, by row and by its settings. */
export interface OpenQueue {
  readonly key: QueueKey;
  readonly id: number;
  readonly paused: boolean;
  readonly settings: QueueSettings;
}

/** A queue's row as data. */
export function openQueueOf(row: QueueRow): OpenQueue {
  return {
    key: { project: row.project, queue: row.name },
    id: row.id,
    paused: row.paused,
    settings: {
      mode: row.mode,
      maxLeases: row.max_leases ?? undefined,
      acl: row.acl === null ? undefined : (JSON.parse(row.acl) as QueueAcl),
      disabled: row.disabled,
      deadLetterQueue: row.dead_letter_queue ?? undefined,
      leasesPerSecond: row.leases_per_second ?? undefined,
      storageBytesMax: row.storage_bytes_max ?? undefined,
      retentionMs: row.retention_ms ?? undefined,
      tombstoneMs: row.tombstone_ms ?? undefined,
    },
  };
}

/** The same as its callers see it. */
export function queueInfo({ key, settings, paused }: OpenQueue, stats: QueueStats | undefined): QueueInfo {
  return stats === undefined ? { key, settings, paused } : { key, settings, paused, stats };
}

/** What of a task's row its callers see. */
export type VisibleTask = Pick<
  TaskRow,
  "id" | "tag" | "enqueued_at_us" | "eta_us" | "traceparent" | "tracestate"
> &
  Partial<Pick<TaskRow, "retry_count" | "uncounted" | "dead_letter">>;

/** A task's row as data. */
export function taskOf(queue: QueueKey, row: VisibleTask): Task {
  return {
    queue,
    id: row.id,
    tag: row.tag ?? undefined,
    enqueuedAtUs: row.enqueued_at_us,
    etaUs: row.eta_us,
    retryCount: row.retry_count ?? 0,
    uncounted: row.uncounted ?? 0,
    ...(row.traceparent === null ? {} : { traceparent: row.traceparent }),
    ...(row.tracestate === null ? {} : { tracestate: row.tracestate }),
    ...(typeof row.dead_letter === "string" ? { deadLetter: JSON.parse(row.dead_letter) as DeadLetter } : {}),
  };
}

/** A name for what has an id in a queue, to find it by. */
export function nameInQueue(queueId: number, name: string): string {
  return `${queueId}/${name}`;
}

/** A name for a queue, to find it by. A project has no slash. */
export function nameOfQueue({ project, queue }: QueueKey): string {
  return `${project}/${queue}`;
}

/** In the order of a queue's number and of an id, which all transactions lock rows in, so that none wait for each other. */
export function compareInQueue(
  a: { readonly queueId: number; readonly id: string },
  b: { readonly queueId: number; readonly id: string },
): number {
  if (a.queueId !== b.queueId) return a.queueId - b.queueId;
  return a.id < b.id ? -1 : a.id > b.id ? 1 : 0;
}

/** The columns of rows, as PostgreSQL's `unnest` takes them. */
export function columnsOf<T>(
  items: readonly T[],
  ...columns: readonly ((item: T) => unknown)[]
): unknown[][] {
  return columns.map((column) => items.map(column));
}
