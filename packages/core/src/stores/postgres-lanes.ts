import { isQueueError } from "../errors.js";
import type { IdSource } from "../ids.js";
import {
  POSTGRES_CONNECTIONS_DEFAULT,
  POSTGRES_ITEM_BYTES,
  POSTGRES_LANES,
  POSTGRES_TRANSACTION_ITEMS,
} from "../limits.js";
import type { ExactLease, LeaseAnswer } from "../naive-store.js";
import type { StoreObserver } from "../store.js";
import type { ItemResult, LeaseExtension, LeaseFence, NewTask, QueueKey, Task } from "../task.js";
import { Lane, type Outcome } from "./lane.js";
import type { PostgresCommits } from "./postgres-commits.js";
import { insertTasks } from "./postgres-insert.js";
import { PostgresLeases } from "./postgres-lease.js";
import type { PostgresRow } from "./postgres-pool.js";
import type { PostgresQueues, Purpose } from "./postgres-queues.js";
import type { PostgresRetirement } from "./postgres-retire.js";
import type { OpenQueue } from "./postgres-rows.js";
import { deleteTasks, extendLeases } from "./postgres-settle.js";
import type { PostgresTransaction } from "./postgres-transaction.js";

/** What the lanes stand on. */
export interface PostgresLanesOptions {
  readonly commits: PostgresCommits;
  readonly queues: PostgresQueues;
  readonly retirement: PostgresRetirement;
  readonly ids: IdSource;
  readonly tombstoneMs: number;
  readonly observer: StoreObserver | undefined;
  readonly connectionsMax: number | undefined;
}

interface Insert {
  readonly queue: QueueKey;
  readonly tasks: readonly NewTask[];
}

interface Lease {
  readonly queues: readonly QueueKey[];
  readonly request: ExactLease;
}

interface Extend {
  readonly queue: QueueKey;
  readonly leases: readonly LeaseExtension[];
}

interface Delete {
  readonly queue: QueueKey;
  readonly targets: readonly LeaseFence[];
}

/** One lane for each kind of call, with connections of its own, so that renewals and deletes are never stuck behind leases. */
export class PostgresLanes {
  readonly insert: Lane<Insert, readonly ItemResult<Task>[]>;
  readonly lease: Lane<Lease, LeaseAnswer>;
  readonly extend: Lane<Extend, readonly ItemResult<Task>[]>;
  readonly delete: Lane<Delete, readonly ItemResult<undefined>[]>;

  constructor(options: PostgresLanesOptions) {
    const { ids, tombstoneMs, retirement, observer } = options;
    const leases = new PostgresLeases(retirement, observer);
    this.insert = lane(options, "insert", {
      keysOf: ({ queue }) => [queue],
      itemsOf: ({ tasks }) => itemsOfInsert(tasks),
      work: (transaction, calls) =>
        insertTasks(
          transaction,
          calls.map(({ call, queues }) => ({ queue: queues[0]!, tasks: call.tasks })),
          ids,
        ),
    });
    this.lease = lane(options, "lease", {
      keysOf: ({ queues }) => queues,
      itemsOf: ({ request }) => request.maxTasks,
      work: (transaction, calls) =>
        leases.lease(
          transaction,
          calls.map(({ call, queues }) => ({ queues, request: call.request })),
        ),
    });
    this.extend = lane(options, "settle", {
      keysOf: ({ queue }) => [queue],
      itemsOf: ({ leases }) => leases.length,
      work: (transaction, calls) =>
        extendLeases(
          transaction,
          calls.map(({ call, queues }) => ({ queue: queues[0]!, leases: call.leases })),
        ),
    });
    this.delete = lane(options, "settle", {
      keysOf: ({ queue }) => [queue],
      itemsOf: ({ targets }) => targets.length,
      work: (transaction, calls) =>
        deleteTasks(
          transaction,
          calls.map(({ call, queues }) => ({ queue: queues[0]!, targets: call.targets })),
          tombstoneMs,
        ),
    });
  }
}

/** A call whose queues are there. */
interface Ready<Q> {
  readonly call: Q;
  readonly queues: readonly OpenQueue[];
}

interface Kind<Q, A> {
  readonly keysOf: (call: Q) => readonly QueueKey[];
  readonly itemsOf: (call: Q) => number;
  readonly work: (transaction: PostgresTransaction, calls: readonly Ready<Q>[]) => Promise<readonly A[]>;
}

function lane<Q, A>(options: PostgresLanesOptions, purpose: Purpose, kind: Kind<Q, A>): Lane<Q, A> {
  const { commits, queues, connectionsMax = POSTGRES_CONNECTIONS_DEFAULT } = options;
  return new Lane<Q, A>({
    // What is left over is for looks and for administrators.
    parallel: Math.max(1, Math.floor((connectionsMax - 1) / POSTGRES_LANES)),
    itemsMax: POSTGRES_TRANSACTION_ITEMS,
    itemsOf: kind.itemsOf,
    run: (calls) => {
      const keys = calls.map(kind.keysOf);
      const work = async (transaction: PostgresTransaction, rows: readonly PostgresRow[]) => {
        const opened = await queues.open(transaction, rows, keys, purpose);
        const ready: Ready<Q>[] = [];
        for (const [place, call] of calls.entries()) {
          const found = opened[place]!;
          if (!isQueueError(found)) ready.push({ call, queues: found });
        }
        const values = ready.length === 0 ? [] : await kind.work(transaction, ready);
        let next = 0;
        return opened.map(
          (found): Outcome<A> => (isQueueError(found) ? { error: found } : { value: values[next++]! }),
        );
      };
      return commits.transact(calls.length, work, queues.finding(keys));
    },
  });
}

/** Large payloads count for more, so that a transaction's block of bytes is bounded too. */
function itemsOfInsert(tasks: readonly NewTask[]): number {
  const bytes = tasks.reduce((sum, { payload }) => sum + payload.byteLength, 0);
  return Math.max(tasks.length, Math.ceil(bytes / POSTGRES_ITEM_BYTES));
}
