import { checkStoreOptions } from "../argument-rules.js";
import { checkedStore } from "../checked-store.js";
import { type Clock, clockNotBefore, systemClock } from "../clock.js";
import { QueueError } from "../errors.js";
import { idSource } from "../ids.js";
import {
  FOREIGN_WRITE_POLL_MS,
  PURGE_CHUNK_TASKS,
  QUEUES_MAX_DEFAULT,
  TOMBSTONE_MS_DEFAULT,
} from "../limits.js";
import type { ExactLease, LeaseAnswer, NaiveStore, StatsChoice, TaskPosition } from "../naive-store.js";
import type { QueueAdmin, QueueStore, StoreManifest, StoreOptions } from "../store.js";
import type {
  ItemResult,
  LeaseExtension,
  LeaseFence,
  NewTask,
  QueueInfo,
  QueueKey,
  QueueSettings,
  Task,
  TaskWithPayload,
} from "../task.js";
import { GroupCommit } from "./group-commit.js";
import { START } from "./sorted-tasks.js";
import type { SqliteDatabase } from "./sqlite-database.js";
import { translated } from "./sqlite-database.js";
import { openSqlite } from "./sqlite-open.js";
import { queueInfo, SqliteQueues } from "./sqlite-queues.js";
import type { Statements } from "./sqlite-statements.js";
import { type OpenQueue, SqliteTasks } from "./sqlite-tasks.js";
import { SqliteTransaction } from "./sqlite-transaction.js";

/** Options of an SQLite store: the path of its file, or an open database. */
export interface SqliteStoreOptions extends StoreOptions {
  /** The file; made when it is not there, for its owner alone. Its folder must exist. */
  readonly path?: string | undefined;
  /** An open database of better-sqlite3 or `node:sqlite`, instead of a path. Whoever opened it closes it. */
  readonly database?: SqliteDatabase | undefined;
}

/**
 * A store in one SQLite file. Whatever has resolved is on disk. Calls that are made together share one transaction and
 * one fsync. Several stores, in one process or in several, may have the same file open.
 *
 * Errors: `invalid_argument` for a path that cannot be one of ours, `unavailable` when the file cannot be opened,
 * `not_supported` when the package better-sqlite3 is not installed.
 */
export async function openSqliteStore(options: SqliteStoreOptions): Promise<QueueStore & QueueAdmin> {
  if ((options.path === undefined) === (options.database === undefined)) {
    throw new QueueError(
      "invalid_argument",
      "give the SQLite store either a path or an open database, and not both",
      { location: "path" },
    );
  }
  checkStoreOptions(options);
  const given = options.clock ?? systemClock();
  const { database, statements, lastUs, close } = await openSqlite(options, given);
  // A clock that runs behind would hide the newest tasks, and leases would not end.
  const clock = clockNotBefore(given, lastUs);
  return checkedStore(new SqliteStore({ database, close, statements, clock, options }), { clock });
}

const MANIFEST: StoreManifest = Object.freeze({
  name: "sqlite",
  persistent: true,
  waits: true,
  anyQueueName: true,
  fences: true,
  managesQueues: true,
  leasesManyQueues: true,
  leaseStepMs: 0.001,
});

interface SqliteStoreParts {
  readonly database: SqliteDatabase;
  readonly close: () => void;
  readonly statements: Statements;
  readonly clock: Clock;
  readonly options: SqliteStoreOptions;
}

class SqliteStore implements NaiveStore {
  readonly supports = MANIFEST;
  readonly #clock: Clock;
  readonly #statements: Statements;
  readonly #commits: GroupCommit<SqliteTransaction>;
  readonly #queues: SqliteQueues;
  readonly #tasks: SqliteTasks;
  readonly #closeDatabase: () => void;
  #sweeping: Promise<void>;
  #closing = false;

  constructor({ database, close, statements, clock, options }: SqliteStoreParts) {
    this.#clock = clock;
    this.#statements = statements;
    this.#closeDatabase = close;
    this.#commits = new GroupCommit(
      database,
      clock,
      () => new SqliteTransaction(clock.nowUs(), statements, options.observer),
    );
    this.#queues = new SqliteQueues(statements, {
      createQueues: options.createQueues ?? true,
      queuesMax: options.queuesMax ?? QUEUES_MAX_DEFAULT,
    });
    this.#tasks = new SqliteTasks(statements, idSource(), options.tombstoneMs ?? TOMBSTONE_MS_DEFAULT);
    this.#sweeping = this.#sweep();
  }

  insert(key: QueueKey, tasks: readonly NewTask[]): Promise<readonly ItemResult<Task>[]> {
    return this.#commits.run((transaction) => {
      const queue = { key, row: this.#queues.insertable(key) };
      return tasks.map((task) => this.#tasks.insert(transaction, queue, task));
    });
  }

  lease(keys: readonly QueueKey[], request: ExactLease): Promise<LeaseAnswer> {
    return this.#commits.run((transaction) => {
      const queues = keys.map((key) => ({ key, row: this.#queues.leasable(key) }));
      return this.#tasks.lease(transaction, queues, request);
    });
  }

  extend(key: QueueKey, leases: readonly LeaseExtension[]): Promise<readonly ItemResult<Task>[]> {
    return this.#commits.run((transaction) => {
      const queue = this.#pull(key);
      return leases.map((lease) => this.#tasks.extend(transaction, queue, lease));
    });
  }

  delete(key: QueueKey, targets: readonly LeaseFence[]): Promise<readonly ItemResult<undefined>[]> {
    return this.#commits.run((transaction) => {
      const queue = this.#pull(key);
      return targets.map((target) => this.#tasks.delete(transaction, queue, target));
    });
  }

  async find(key: QueueKey, id: string): Promise<TaskWithPayload | undefined> {
    return translated(() => this.#tasks.find(this.#pull(key), id));
  }

  async list(key: QueueKey, limit: number, after: TaskPosition | undefined): Promise<readonly Task[]> {
    return translated(() => this.#tasks.list(this.#pull(key), limit, after ?? START));
  }

  nextEtaUs(key: QueueKey, afterUs: number): number | undefined {
    try {
      const row = this.#queues.find(key);
      if (row === undefined) return undefined;
      const next = this.#statements.nextEta.get(row.id, afterUs) as { readonly eta_us: number } | undefined;
      return next?.eta_us;
    } catch {
      // "Soon" makes somebody look, and the look meets the error where it can be reported.
      return afterUs + 1;
    }
  }

  watchForeignWrites(notify: () => void): () => void {
    let seen = this.#dataVersion();
    let cancel = () => {};
    const poll = () => {
      const version = this.#dataVersion();
      const changed = version !== seen;
      seen = version;
      // Armed before telling: the last waiter to be woken stops the watch.
      cancel = this.#clock.timer(FOREIGN_WRITE_POLL_MS, poll);
      if (changed) notify();
    };
    cancel = this.#clock.timer(FOREIGN_WRITE_POLL_MS, poll);
    return () => cancel();
  }

  putQueue(key: QueueKey, settings: QueueSettings): Promise<QueueInfo> {
    return this.#commits.run(() => queueInfo(key.project, this.#queues.put(key, settings), undefined));
  }

  async getQueue(key: QueueKey, stats: StatsChoice): Promise<QueueInfo> {
    return translated(() => {
      const row = this.#queues.known(key);
      return queueInfo(key.project, row, this.#stats(row, stats));
    });
  }

  async listQueues(
    project: string,
    page: { readonly limit: number; readonly after: string | undefined; readonly stats: StatsChoice },
  ): Promise<readonly QueueInfo[]> {
    return translated(() =>
      this.#queues
        .list(project, page.limit, page.after)
        .map((row) => queueInfo(project, row, this.#stats(row, page.stats))),
    );
  }

  /** The queue is gone at once; its tasks, which nobody can reach any more, go in the background. */
  async deleteQueue(key: QueueKey): Promise<void> {
    await this.#commits.run(() => this.#queues.remove(key));
    this.#sweeping = this.#sweeping.then(() => this.#sweep());
  }

  async *purge(key: QueueKey): AsyncGenerator<number> {
    const { row, last } = translated(() => ({
      row: this.#queues.known(key),
      last: this.#statements.lastSerial.get() as { readonly serial: number | null },
    }));
    yield* this.#removeAll(row.id, last.serial ?? 0);
  }

  async close(): Promise<void> {
    this.#closing = true;
    await this.#sweeping;
    translated(this.#closeDatabase);
  }

  #pull(key: QueueKey): OpenQueue {
    return { key, row: this.#queues.pull(key) };
  }

  #stats(row: OpenQueue["row"], choice: StatsChoice) {
    return choice === "with stats" ? this.#queues.stats(row, this.#clock.nowUs()) : undefined;
  }

  /** Changes whenever another connection has committed. */
  #dataVersion(): number {
    try {
      const row = this.#statements.dataVersion.get() as { readonly data_version: number };
      return row.data_version;
    } catch {
      // A version unlike any other makes somebody look, and the look meets the error where it can be reported.
      return Number.NaN;
    }
  }

  async *#removeAll(queueId: number, lastSerial: number): AsyncGenerator<number> {
    let afterId = "";
    for (;;) {
      const chunk = { afterId, limit: PURGE_CHUNK_TASKS, lastSerial };
      const { removed, lastId } = await this.#commits.run((transaction) =>
        this.#tasks.removeSome(transaction, queueId, chunk),
      );
      yield removed;
      if (lastId === undefined) return;
      afterId = lastId;
    }
  }

  /** Removes what deleted queues have left behind, those of an earlier life of this file among them. */
  async #sweep(): Promise<void> {
    try {
      let queueId = -1;
      while (!this.#closing) {
        const next = this.#statements.queueOfTasksAfter.get(queueId) as
          | { readonly queue_id: number }
          | undefined;
        if (next === undefined) return;
        queueId = next.queue_id;
        if (this.#statements.queueById.get(queueId) !== undefined) continue;
        for await (const _ of this.#removeAll(queueId, Number.MAX_SAFE_INTEGER)) if (this.#closing) return;
      }
    } catch {
      // Nobody waits for this, and nothing is wrong without it; the next opening goes on.
    }
  }
}
