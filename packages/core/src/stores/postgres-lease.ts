import {
  EXHAUSTED_PER_LEASE_MAX,
  LEASE_TASKS_MAX,
  POSTGRES_LEASE_LOOKS,
  POSTGRES_LEASE_ROWS,
  POSTGRES_TAG_LOOK,
  POSTGRES_UNTAGGED_LOOK,
} from "../limits.js";
import type { ExactLease, LeaseAnswer } from "../naive-store.js";
import type { StoreObserver } from "../store.js";
import type { QueueKey, TagFilter, Task, TaskWithPayload } from "../task.js";
import { LeaseBudget, openQueues } from "./lease-budget.js";
import { arrivalsOf } from "./lease-rules.js";
import { bytesOf } from "./postgres-connections.js";
import { endOf, type LockedRow, type PostgresRetirement } from "./postgres-retire.js";
import { type OpenQueue, taskOf } from "./postgres-rows.js";
import type { PostgresTransaction } from "./postgres-transaction.js";

/** One lease call with its queues. */
export interface LeaseCall {
  readonly queues: readonly OpenQueue[];
  readonly request: ExactLease;
}

/** A row that a lease has looked at. */
interface DueRow extends LockedRow {
  /** Past its retry limit or its retention. */
  readonly spent: boolean;
}

interface LeasedRow extends DueRow {
  readonly leased: boolean;
  /** Its place among the oldest, from 1. */
  readonly place: number;
  /** In base64. */
  readonly payload: string | null;
  readonly more: boolean;
}

/** Calls of one shape, whose tasks are leased together and dealt in the order of the calls. */
interface Party {
  readonly queues: readonly OpenQueue[];
  readonly request: ExactLease;
  readonly guests: Guest[];
  retryAtUs: number | undefined;
}

interface Guest {
  readonly maxTasks: number;
  readonly tasks: TaskWithPayload[];
  readonly answer: (answer: LeaseAnswer) => void;
}

/** What one look has found. */
interface Look {
  readonly tasks: readonly TaskWithPayload[];
  readonly moved: readonly Task[];
  /** Rows that ended here. */
  readonly ended: number;
  /** There are others that a lease could take. */
  readonly more: boolean;
  /** Nothing was left to look at. */
  readonly dry: boolean;
}

/** Leases tasks for many calls in few statements. */
export class PostgresLeases {
  readonly #retirement: PostgresRetirement;
  readonly #observer: StoreObserver | undefined;
  readonly #budget = new LeaseBudget();

  constructor(retirement: PostgresRetirement, observer: StoreObserver | undefined) {
    this.#retirement = retirement;
    this.#observer = observer;
  }

  async lease(
    transaction: PostgresTransaction,
    calls: readonly LeaseCall[],
  ): Promise<readonly LeaseAnswer[]> {
    const answers: LeaseAnswer[] = [];
    for (const party of this.#parties(transaction, calls, answers)) await this.#serve(transaction, party);
    return answers;
  }

  /** Calls on one queue that ask alike go together; all others alone. Paused queues, and those past their rate, are left out. */
  #parties(
    transaction: PostgresTransaction,
    calls: readonly LeaseCall[],
    answers: LeaseAnswer[],
  ): Iterable<Party> {
    const parties = new Map<string, Party>();
    for (const [place, { queues: named, request }] of calls.entries()) {
      const { queues, retryAtUs } = openQueues(
        named,
        this.#budget,
        transaction.nowUs,
        ({ key, paused, settings }) => ({
          key,
          paused,
          leasesPerSecond: settings.leasesPerSecond,
        }),
      );
      const answer = (value: LeaseAnswer) => {
        answers[place] = retryAtUs === undefined ? value : { ...value, retryAtUs };
      };
      if (queues.length === 0) {
        answer({ tasks: [], more: false });
        continue;
      }
      const alone = queues.length > 1 || (request.groupByTag && request.tag === undefined);
      const { leaseMs, payloadBytesMax, tag } = request;
      const shape = alone
        ? `alone/${place}`
        : JSON.stringify([queues[0]!.id, leaseMs, payloadBytesMax, tag ?? null]);
      const party = parties.get(shape) ?? { queues, request, guests: [], retryAtUs };
      party.guests.push({ maxTasks: request.maxTasks, tasks: [], answer });
      parties.set(shape, party);
    }
    return parties.values();
  }

  /** Leases until every guest has something, or nothing is left. */
  async #serve(transaction: PostgresTransaction, { queues, request, guests }: Party): Promise<void> {
    const moved: Task[] = [];
    let ended = 0;
    let more = true;
    let only = request.groupByTag ? { tag: request.tag } : undefined;
    if (request.groupByTag && request.tag === undefined) {
      const oldest = await this.#tagOfOldest(transaction, queues);
      moved.push(...oldest.moved);
      if (oldest.only === undefined) {
        for (const guest of guests)
          guest.answer({ tasks: [], more: oldest.more, arrivals: arrivalsOf(moved) });
        return;
      }
      only = oldest.only;
    }
    for (let looks = 0; looks < POSTGRES_LEASE_LOOKS && ended < EXHAUSTED_PER_LEASE_MAX; looks++) {
      const hungry = guests.filter(({ tasks }) => tasks.length === 0);
      if (hungry.length === 0) break;
      const limit = hungry.reduce((sum, { maxTasks }) => sum + maxTasks, 0);
      const look = await this.#look(transaction, queues, request, Math.min(limit, rowsMax(queues)), only);
      deal(look.tasks, hungry);
      moved.push(...look.moved);
      ended += look.ended;
      more = look.more;
      if (look.dry) break;
      if (look.ended === 0 || only !== undefined) continue;
      // Where one was spent, there may be a whole run of them.
      const run = await this.#dropRun(transaction, queues);
      moved.push(...run.moved);
      ended += run.ended;
    }
    for (const guest of guests) {
      guest.answer({
        tasks: guest.tasks,
        more,
        ...(moved.length === 0 ? {} : { arrivals: arrivalsOf(moved) }),
      });
    }
  }

  async #look(
    transaction: PostgresTransaction,
    queues: readonly OpenQueue[],
    request: ExactLease,
    limit: number,
    only: TagFilter | undefined,
  ): Promise<Look> {
    const { nowUs } = transaction;
    const byId = byIdOf(queues);
    const endUs = nowUs + Math.round(request.leaseMs * 1000);
    const values = [...sourceOf(queues), nowUs, limit, endUs, request.payloadBytesMax];
    const rows =
      only === undefined
        ? await transaction.statement<LeasedRow>("leaseAny", values)
        : only.tag === undefined
          ? await transaction.statement<LeasedRow>("leaseUntagged", [...values, POSTGRES_UNTAGGED_LOOK])
          : await transaction.statement<LeasedRow>("leaseTagged", [...values, only.tag]);
    const leased = rows.filter((row) => row.leased).sort((a, b) => a.place - b.place);
    const spent = rows.filter((row) => row.spent).sort((a, b) => a.place - b.place);
    const moved = await this.#retire(transaction, spent, byId);
    // Where some were spent nothing was leased, and the caller looks again.
    const left = spent.length > 0 ? 0 : rows.length - leased.length;
    // Others have passed over what was locked here and not taken.
    if (left > 0) for (const { key } of queues) transaction.arrived(key);
    this.#count(transaction, leased, byId);
    const tasks = leased.map((row): TaskWithPayload => {
      const { key } = byId.get(row.queue_id)!;
      return {
        ...taskOf(key, row),
        etaUs: endUs,
        retryCount: row.retry_count + 1,
        payload: bytesOf(row.payload!, "base64"),
      };
    });
    const more = left > 0 || spent.length > 0 || rows[0]?.more === true;
    return {
      tasks,
      moved,
      ended: spent.length,
      more,
      dry: rows.length < limit && left === 0 && spent.length === 0,
    };
  }

  /** Drops what is spent among the oldest tasks. */
  async #dropRun(
    transaction: PostgresTransaction,
    queues: readonly OpenQueue[],
  ): Promise<{ readonly moved: readonly Task[]; readonly ended: number }> {
    const rows = await this.#dueRows(transaction, queues, rowsMax(queues));
    const spent = rows.filter((row) => row.spent);
    return { moved: await this.#retire(transaction, spent, byIdOf(queues)), ended: spent.length };
  }

  /** Looks at the oldest tasks and keeps them for this transaction; others pass over them meanwhile. */
  async #dueRows(
    transaction: PostgresTransaction,
    queues: readonly OpenQueue[],
    limit: number,
  ): Promise<readonly DueRow[]> {
    const rows = await transaction.statement<DueRow>("lookAtDue", [
      ...sourceOf(queues),
      transaction.nowUs,
      limit,
    ]);
    if (rows.length > 0) for (const { key } of queues) transaction.arrived(key);
    return rows;
  }

  /** The tag (or none) of the oldest task that a lease could take. */
  async #tagOfOldest(
    transaction: PostgresTransaction,
    queues: readonly OpenQueue[],
  ): Promise<{
    readonly only: TagFilter | undefined;
    readonly moved: readonly Task[];
    readonly more: boolean;
  }> {
    const byId = byIdOf(queues);
    const moved: Task[] = [];
    for (let ended = 0; ended < EXHAUSTED_PER_LEASE_MAX; ended += POSTGRES_TAG_LOOK) {
      const rows = await this.#dueRows(transaction, queues, POSTGRES_TAG_LOOK);
      const first = rows.findIndex(({ spent }) => !spent);
      moved.push(...(await this.#retire(transaction, first < 0 ? rows : rows.slice(0, first), byId)));
      const oldest = rows[first];
      if (oldest !== undefined) return { only: { tag: oldest.tag ?? undefined }, moved, more: true };
      if (rows.length < POSTGRES_TAG_LOOK) return { only: undefined, moved, more: false };
    }
    return { only: undefined, moved, more: true };
  }

  #retire(
    transaction: PostgresTransaction,
    rows: readonly LockedRow[],
    byId: ReadonlyMap<number, OpenQueue>,
  ): Promise<readonly Task[]> {
    const ended = rows.map((row) => ({
      queue: byId.get(row.queue_id)!,
      row,
      reason: endOf(row, transaction.nowUs),
    }));
    return this.#retirement.retire(transaction, ended);
  }

  #count(
    transaction: PostgresTransaction,
    rows: readonly LeasedRow[],
    byId: ReadonlyMap<number, OpenQueue>,
  ): void {
    const counts = new Map<QueueKey, { tasks: number; expiredLeases: number }>();
    for (const row of rows) {
      const { key } = byId.get(row.queue_id)!;
      const count = counts.get(key) ?? { tasks: 0, expiredLeases: 0 };
      counts.set(key, count);
      count.tasks += 1;
      if (row.retry_count > 0 && !row.given_back) count.expiredLeases += 1;
      transaction.addLeases(row.queue_id, 1);
    }
    transaction.afterCommit(() => {
      for (const [queue, count] of counts) this.#observer?.onLeased?.(queue, count);
    });
  }
}

function byIdOf(queues: readonly OpenQueue[]): ReadonlyMap<number, OpenQueue> {
  return new Map(queues.map((queue) => [queue.id, queue]));
}

function sourceOf(queues: readonly OpenQueue[]): unknown[] {
  return [queues.map(({ id }) => id), queues.map(({ settings }) => settings.maxLeases ?? null)];
}

/** Each queue gives as many rows as are asked for, of which the oldest are taken; the others are locked in vain. */
function rowsMax(queues: readonly OpenQueue[]): number {
  return queues.length === 1
    ? LEASE_TASKS_MAX
    : Math.min(LEASE_TASKS_MAX, Math.floor(POSTGRES_LEASE_ROWS / queues.length));
}

/** First come, first served. */
function deal(tasks: readonly TaskWithPayload[], guests: readonly Guest[]): void {
  let next = 0;
  for (const guest of guests) {
    guest.tasks.push(...tasks.slice(next, next + guest.maxTasks));
    next += guest.maxTasks;
    if (next >= tasks.length) return;
  }
}
