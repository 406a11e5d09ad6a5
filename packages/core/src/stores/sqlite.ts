import { checkStoreOptions } from "../argument-rules.js";
import { checkedStore } from "../checked-store.js";
import { type Clock, clockNotBefore, systemClock } from "../clock.js";
import { QueueError } from "../errors.js";
import { idSource } from "../ids.js";
import { FOREIGN_WRITE_POLL_MS, QUEUES_MAX_DEFAULT, TOMBSTONE_MS_DEFAULT } from "../limits.js";
import type {
  ExactLease,
  LeaseAnswer,
  MoveChunk,
  NaiveStore,
  PauseState,
  StatsChoice,
  SweepChunk,
  TaskPosition,
} from "../naive-store.js";
import type { StoreManifest, StoreOptions } from "../store.js";
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
} from "../task.js";
import type { TransferStore } from "../transfer.js";
import { GroupCommit } from "./group-commit.js";
import { LeaseBudget, openQueues } from "./lease-budget.js";
import { START } from "./sorted-tasks.js";
import type { SqliteDatabase } from "./sqlite-database.js";
import { translated } from "./sqlite-database.js";
import { SqliteJobs } from "./sqlite-jobs.js";
import { SqliteMoves } from "./sqlite-moves.js";
import { openSqlite } from "./sqlite-open.js";
import { type OpenQueue, queueInfo, SqliteQueues } from "./sqlite-queues.js";
import type { Statements } from "./sqlite-statements.js";
import { SqliteTasks } from "./sqlite-tasks.js";
import { SqliteTransaction } from "./sqlite-transaction.js";
import { SqliteTransfer } from "./sqlite-transfer.js";

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
export async function openSqliteStore(options: SqliteStoreOptions): Promise<TransferStore> {
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
  managesLife: true,
  sweeps: true,
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
  readonly callsInOrder = true;
  readonly #clock: Clock;
  readonly #statements: Statements;
  readonly #commits: GroupCommit<SqliteTransaction>;
  readonly #queues: SqliteQueues;
  readonly #tasks: SqliteTasks;
  readonly #jobs: SqliteJobs;
  readonly #budget = new LeaseBudget();
  readonly transfer: SqliteTransfer;
  readonly #closeDatabase: () => void;
  #clearing: Promise<void>;
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
    const ids = idSource();
    const tombstoneMs = options.tombstoneMs ?? TOMBSTONE_MS_DEFAULT;
    const moves = new SqliteMoves({ statements, queues: this.#queues, ids, tombstoneMs });
    this.#tasks = new SqliteTasks(statements, ids, moves);
    this.#jobs = new SqliteJobs({ commits: this.#commits, statements, queues: this.#queues, moves, clock });
    this.transfer = new SqliteTransfer({
      commits: this.#commits,
      statements,
      queues: this.#queues,
      moves,
      clock,
    });
    this.#clearing = this.#clearDeletedQueues();
  }

  insert(key: QueueKey, tasks: readonly NewTask[]): Promise<readonly ItemResult<Task>[]> {
    return this.#commits.run((transaction) => {
      const queue = { key, row: this.#queues.insertable(key) };
      return this.#tasks.insert(transaction, queue, tasks);
    });
  }

  lease(keys: readonly QueueKey[], request: ExactLease): Promise<LeaseAnswer> {
    return this.#commits.run((transaction) => {
      const named = keys.map((key) => ({ key, row: this.#queues.leasable(key) }));
      const { queues, retryAtUs } = openQueues(named, this.#budget, transaction.nowUs, ({ key, row }) => ({
        key,
        paused: row.paused === 1,
        leasesPerSecond: row.leases_per_second ?? undefined,
      }));
      return { ...this.#tasks.lease(transaction, queues, request), retryAtUs };
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

  async listProjects(limit: number): Promise<readonly string[]> {
    return translated(() => this.#queues.projects(limit));
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
    this.#clearing = this.#clearing.then(() => this.#clearDeletedQueues());
  }

  setPaused(key: QueueKey, state: PauseState): Promise<QueueInfo> {
    return this.#commits.run(() => queueInfo(key.project, this.#queues.setPaused(key, state), undefined));
  }

  tagStats(key: QueueKey, limit: number, after: TagFilter | undefined): Promise<readonly TagStats[]> {
    return this.#jobs.tagStats(key, limit, after);
  }

  purge(key: QueueKey, only: TagFilter | undefined): AsyncIterable<number> {
    return this.#jobs.purge(key, only);
  }

  redrive(key: QueueKey): AsyncIterable<MoveChunk> {
    return this.#jobs.redrive(key);
  }

  sweep(): AsyncIterable<SweepChunk> {
    return this.#jobs.sweep();
  }

  async close(): Promise<void> {
    this.#closing = true;
    await this.#clearing;
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

  async #clearDeletedQueues(): Promise<void> {
    try {
      for await (const _ of this.#jobs.clearDeletedQueues()) if (this.#closing) return;
    } catch {
      // Nobody waits for this, and nothing is wrong without it; the next sweep or opening goes on.
    }
  }
}
