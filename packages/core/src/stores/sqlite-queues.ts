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

interface StatsRow {
  readonly total_tasks: number;
  readonly later_tasks: number;
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
    const { mode, maxLeases, acl, disabled } = settings;
    this.#statements.putQueue.run(
      key.project,
      key.queue,
      mode,
      maxLeases ?? null,
      acl === undefined ? null : JSON.stringify(acl),
      disabled ? 1 : 0,
    );
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

  stats(row: QueueRow, nowUs: number): QueueStats {
    const step = leaseStep(nowUs);
    const counts = this.#statements.stats.get(
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
    };
  }
}

/** A row as data. */
export function queueInfo(project: string, row: QueueRow, stats: QueueStats | undefined): QueueInfo {
  const settings: QueueSettings = {
    mode: row.mode,
    maxLeases: row.max_leases ?? undefined,
    acl: row.acl === null ? undefined : (JSON.parse(row.acl) as QueueAcl),
    disabled: row.disabled === 1,
  };
  const key = { project, queue: row.name };
  return stats === undefined ? { key, settings } : { key, settings, stats };
}

function pullOnly(key: QueueKey, row: QueueRow): QueueRow {
  if (row.mode === "push") throw pushQueue(key);
  return row;
}
