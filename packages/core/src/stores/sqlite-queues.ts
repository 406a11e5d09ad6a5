import type { PauseState } from "../naive-store.js";
import { disabledQueue, pushQueue, tooManyQueues, unknownQueue } from "../store-errors.js";
import {
  DEFAULT_QUEUE_SETTINGS,
  type QueueAcl,
  type QueueInfo,
  type QueueKey,
  type QueueSettings,
  type QueueStats,
} from "../task.js";
import { leaseStep, STEPS_PER_HOUR, STEPS_PER_MINUTE } from "./lease-rate.js";
import type { QueueRow, Statements } from "./sqlite-statements.js";

/** A queue by name and by row. */
export interface OpenQueue {
  readonly key: QueueKey;
  readonly row: QueueRow;
}

interface StatsRow {
  readonly total_tasks: number;
  readonly payload_bytes: number;
  readonly later_tasks: number;
  readonly leased_tasks: number;
  readonly oldest_eta_us: number | null;
  readonly leased_minute: number;
  readonly leased_hour: number;
}

/**
 * The queues of an SQLite store. Nothing is cached, because other processes change them too; a look costs two
 * microseconds. What writes is called inside a transaction.
 */
export class SqliteQueues {
  readonly #statements: Statements;
  readonly #createQueues: boolean;
  readonly #queuesMax: number;

  constructor(
    statements: Statements,
    options: { readonly createQueues: boolean; readonly queuesMax: number },
  ) {
    this.#statements = statements;
    this.#createQueues = options.createQueues;
    this.#queuesMax = options.queuesMax;
  }

  find(key: QueueKey): QueueRow | undefined {
    return this.#statements.findQueue.get(key.project, key.queue) as QueueRow | undefined;
  }

  /** A queue of any mode. */
  known(key: QueueKey): QueueRow {
    const row = this.find(key);
    if (row === undefined) throw unknownQueue(key);
    return row;
  }

  /** A queue with tasks to look at or to end. */
  pull(key: QueueKey): QueueRow {
    return pullOnly(key, this.known(key));
  }

  /** A queue to insert into; made when it is not there and may be. */
  insertable(key: QueueKey): QueueRow {
    const row = this.find(key);
    if (row !== undefined) return pullOnly(key, row);
    if (!this.#createQueues) throw unknownQueue(key);
    return this.put(key, DEFAULT_QUEUE_SETTINGS);
  }

  /** A queue to lease from. */
  leasable(key: QueueKey): QueueRow {
    const row = this.insertable(key);
    if (row.disabled === 1) throw disabledQueue(key);
    return row;
  }

  put(key: QueueKey, settings: QueueSettings): QueueRow {
    if (this.find(key) === undefined) {
      const { count } = this.#statements.countQueues.get() as { readonly count: number };
      if (count >= this.#queuesMax) throw tooManyQueues(this.#queuesMax);
    }
    const row = this.#write(key, settings);
    this.deadLetterQueueOf({ key, row });
    return row;
  }

  /** Where a queue's dead letters go; made past every limit, because losing tasks would be worse. */
  deadLetterQueueOf({ key, row }: OpenQueue): OpenQueue | undefined {
    if (row.dead_letter_queue === null) return undefined;
    const target = { project: key.project, queue: row.dead_letter_queue };
    return { key: target, row: this.find(target) ?? this.#write(target, DEFAULT_QUEUE_SETTINGS) };
  }

  setPaused(key: QueueKey, state: PauseState): QueueRow {
    const { id } = this.known(key);
    this.#statements.setPaused.run(state === "paused" ? 1 : 0, id);
    return this.known(key);
  }

  /** Removes the queue itself; its tasks belong to nobody from now on. */
  remove(key: QueueKey): void {
    const { id } = this.known(key);
    this.#statements.removeQueue.run(id);
    this.#statements.forgetLeases.run(id, Number.MAX_SAFE_INTEGER);
  }

  list(project: string, limit: number, after: string | undefined): QueueRow[] {
    // No name is empty.
    return this.#statements.listQueues.all(project, after ?? "", limit) as QueueRow[];
  }

  /** Those with queues, in order of name. */
  projects(limit: number): string[] {
    const projects: string[] = [];
    let last = "";
    while (projects.length < limit) {
      const next = this.#statements.nextProject.get(last) as { readonly project: string } | undefined;
      if (next === undefined) break;
      last = next.project;
      projects.push(last);
    }
    return projects;
  }

  stats(row: QueueRow, nowUs: number): QueueStats {
    const step = leaseStep(nowUs);
    const counts = this.#statements.stats.get(
      nowUs,
      nowUs,
      step - STEPS_PER_MINUTE,
      step - STEPS_PER_HOUR,
      row.id,
    ) as StatsRow | undefined;
    return {
      totalTasks: counts?.total_tasks ?? 0,
      availableTasks: counts === undefined ? 0 : counts.total_tasks - counts.later_tasks,
      oldestEtaUs: counts?.oldest_eta_us ?? undefined,
      leasedLastMinute: counts?.leased_minute ?? 0,
      leasedLastHour: counts?.leased_hour ?? 0,
      leasedTasks: counts?.leased_tasks ?? 0,
      payloadBytes: counts?.payload_bytes ?? 0,
    };
  }

  #write(key: QueueKey, settings: QueueSettings): QueueRow {
    this.#statements.putQueue.run(
      key.project,
      key.queue,
      settings.mode,
      settings.maxLeases ?? null,
      settings.acl === undefined ? null : JSON.stringify(settings.acl),
      settings.disabled ? 1 : 0,
      settings.deadLetterQueue ?? null,
      settings.leasesPerSecond ?? null,
      settings.storageBytesMax ?? null,
      settings.retentionMs ?? null,
      settings.tombstoneMs ?? null,
    );
    return this.known(key);
  }
}

/** A row as data. */
export function queueInfo(project: string, row: QueueRow, stats: QueueStats | undefined): QueueInfo {
  const settings: QueueSettings = {
    mode: row.mode,
    maxLeases: row.max_leases ?? undefined,
    acl: row.acl === null ? undefined : (JSON.parse(row.acl) as QueueAcl),
    disabled: row.disabled === 1,
    deadLetterQueue: row.dead_letter_queue ?? undefined,
    leasesPerSecond: row.leases_per_second ?? undefined,
    storageBytesMax: row.storage_bytes_max ?? undefined,
    retentionMs: row.retention_ms ?? undefined,
    tombstoneMs: row.tombstone_ms ?? undefined,
  };
  const info = { key: { project, queue: row.name }, settings, paused: row.paused === 1 };
  return stats === undefined ? info : { ...info, stats };
}

function pullOnly(key: QueueKey, row: QueueRow): QueueRow {
  if (row.mode === "push") throw pushQueue(key);
  return row;
}
