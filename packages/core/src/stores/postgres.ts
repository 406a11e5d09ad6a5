import { checkAtLeast, checkStoreOptions } from "../argument-rules.js";
import { checkedStore } from "../checked-store.js";
import { systemClock } from "../clock.js";
import { isQueueError, QueueError } from "../errors.js";
import { type IdSource, idSource } from "../ids.js";
import { POSTGRES_CONNECTIONS_MIN, QUEUES_MAX_DEFAULT, TOMBSTONE_MS_DEFAULT } from "../limits.js";
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
import type { StoreManifest, StoreObserver, StoreOptions } from "../store.js";
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
import { PostgresChunks } from "./postgres-chunks.js";
import { DatabaseClock } from "./postgres-clock.js";
import { PostgresCommits } from "./postgres-commits.js";
import { PostgresConnections } from "./postgres-connections.js";
import { translateOpeningError } from "./postgres-errors.js";
import { PostgresLanes } from "./postgres-lanes.js";
import { migrate } from "./postgres-migrate.js";
import { openPool, type PostgresPool, schemaOf } from "./postgres-pool.js";
import { knownQueue, PostgresQueues, pullQueue, statsOf } from "./postgres-queues.js";
import { PostgresRetirement } from "./postgres-retire.js";
import { type OpenQueue, openQueueOf, queueInfo, taskOf } from "./postgres-rows.js";
import { SCHEMA_STEPS } from "./postgres-schema.js";
import type { QueueRow, TaskRow } from "./postgres-statements.js";
import { PostgresSweeper } from "./postgres-sweep.js";
import { tagStats } from "./postgres-tags.js";
import { PostgresTransfer } from "./postgres-transfer.js";
import { PostgresWaiting } from "./postgres-waiting.js";
import { START } from "./sorted-tasks.js";

/** Options of a PostgreSQL store: the address of its database, or a pool of connections to it. */
export interface PostgresStoreOptions extends StoreOptions {
  /** `postgres://user:password@host:port/database`, with `?schema=` and pg's own parameters such as `sslmode`. */
  readonly url?: string | undefined;
  /**
   * A pool of the package pg, instead of a URL, for this store alone. Whoever opened it ends it. With pg's option `pipeline` (from 8.23) a
   * transaction waits for fewer answers.
   */
  readonly pool?: PostgresPool | undefined;
  /** The schema with the tables, made when it is not there. Default: the URL's, else `pullqueue`. */
  readonly schema?: string | undefined;
  /** Connections at most, besides the one that listens; with a URL. Default `POSTGRES_CONNECTIONS_DEFAULT`. */
  readonly connectionsMax?: number | undefined;
}

/**
 * A store in a PostgreSQL database. Whatever has resolved is on its disk. Any number of processes may have the same
 * schema open. The database's clock decides; the option `clock` is for what waits.
 *
 * Errors: `invalid_argument` for an address that the database refuses or a schema that cannot be one of ours, `unavailable` when the database
 * cannot be reached, `not_supported` when the package pg is not installed.
 */
export async function openPostgresStore(options: PostgresStoreOptions): Promise<TransferStore> {
  if ((options.url === undefined) === (options.pool === undefined)) {
    throw new QueueError(
      "invalid_argument",
      "give the PostgreSQL store either a url or a pool, and not both",
      { location: "url" },
    );
  }
  checkStoreOptions(options);
  checkAtLeast("connectionsMax", options.connectionsMax, POSTGRES_CONNECTIONS_MIN);
  const schema = schemaOf(options.url, options.schema);
  const pool = options.pool ?? (await openPool(options.url ?? "", options.connectionsMax));
  const clock = new DatabaseClock(options.clock ?? systemClock());
  const end = async () => {
    if (options.pool === undefined) await pool.end();
  };
  const connections = new PostgresConnections({ pool, end, schema, clock, observer: options.observer });
  try {
    await migrate(pool, schema, SCHEMA_STEPS);
    await connections.readClock();
    await reportUnsafeSettings(connections, options.observer);
  } catch (error) {
    await connections.close();
    throw isQueueError(error) ? error : translateOpeningError(error);
  }
  return checkedStore(new PostgresStore(connections, clock, options), { clock });
}

/** A database that does not write to its disk cannot keep what this store promises; its owner may have reasons, and is told. */
async function reportUnsafeSettings(
  connections: PostgresConnections,
  observer: StoreObserver | undefined,
): Promise<void> {
  for (const { name } of await connections.read<{ readonly name: string }>("unsafeSettings", [])) {
    observer?.onWarning?.(
      `the database has ${name} = off: after a crash of its machine, stored tasks may be gone or damaged; set it to on`,
    );
  }
}

const MANIFEST: StoreManifest = Object.freeze({
  name: "postgres",
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

class PostgresStore implements NaiveStore {
  readonly supports = MANIFEST;
  readonly #connections: PostgresConnections;
  readonly #waiting: PostgresWaiting;
  readonly #commits: PostgresCommits;
  readonly #queues: PostgresQueues;
  readonly #lanes: PostgresLanes;
  readonly #chunks: PostgresChunks;
  readonly #sweeper: PostgresSweeper;
  readonly #ids: IdSource = idSource();
  readonly transfer: PostgresTransfer;
  #closing = false;
  #removing: Promise<void> = Promise.resolve();

  constructor(connections: PostgresConnections, clock: DatabaseClock, options: PostgresStoreOptions) {
    const { observer } = options;
    const tombstoneMs = options.tombstoneMs ?? TOMBSTONE_MS_DEFAULT;
    this.#connections = connections;
    this.#waiting = new PostgresWaiting(connections, clock);
    this.#commits = new PostgresCommits(connections, this.#waiting, observer);
    this.#queues = new PostgresQueues({
      createQueues: options.createQueues ?? true,
      queuesMax: options.queuesMax ?? QUEUES_MAX_DEFAULT,
    });
    const retirement = new PostgresRetirement(this.#queues, { ids: this.#ids, tombstoneMs, observer });
    this.#lanes = new PostgresLanes({
      commits: this.#commits,
      queues: this.#queues,
      retirement,
      ids: this.#ids,
      tombstoneMs,
      observer,
      connectionsMax: options.connectionsMax,
    });
    this.#chunks = new PostgresChunks(connections, this.#commits, retirement, tombstoneMs);
    this.transfer = new PostgresTransfer(connections, this.#commits, tombstoneMs);
    this.#sweeper = new PostgresSweeper(connections, this.#commits, retirement);
  }

  insert(queue: QueueKey, tasks: readonly NewTask[]): Promise<readonly ItemResult<Task>[]> {
    return this.#lanes.insert.submit({ queue, tasks });
  }

  lease(queues: readonly QueueKey[], request: ExactLease): Promise<LeaseAnswer> {
    return this.#lanes.lease.submit({ queues, request });
  }

  extend(queue: QueueKey, leases: readonly LeaseExtension[]): Promise<readonly ItemResult<Task>[]> {
    return this.#lanes.extend.submit({ queue, leases });
  }

  delete(queue: QueueKey, targets: readonly LeaseFence[]): Promise<readonly ItemResult<undefined>[]> {
    return this.#lanes.delete.submit({ queue, targets });
  }

  async find(key: QueueKey, id: string): Promise<TaskWithPayload | undefined> {
    const queue = await pullQueue(this.#connections, key);
    type Row = TaskRow & { readonly payload: Uint8Array };
    const [row] = await this.#connections.read<Row>("findTask", [queue.id, id]);
    return row === undefined ? undefined : { ...taskOf(key, row), payload: row.payload };
  }

  async list(key: QueueKey, limit: number, after: TaskPosition | undefined): Promise<readonly Task[]> {
    const queue = await pullQueue(this.#connections, key);
    const { etaUs, id } = after ?? START;
    const rows = await this.#connections.read<TaskRow>("listTasks", [queue.id, etaUs, id, limit]);
    return rows.map((row) => taskOf(key, row));
  }

  nextEtaUs(queue: QueueKey, afterUs: number): Promise<number | undefined> {
    return this.#waiting.nextEtaUs(queue, afterUs);
  }

  watchForeignWrites(notify: (queue?: QueueKey) => void): () => void {
    return this.#waiting.watch(notify);
  }

  putQueue(key: QueueKey, settings: QueueSettings): Promise<QueueInfo> {
    return this.#commits.transact(1, async (transaction) => {
      transaction.arrived(key);
      return queueInfo(await this.#queues.put(transaction, key, settings), undefined);
    });
  }

  async getQueue(key: QueueKey, stats: StatsChoice): Promise<QueueInfo> {
    const [info] = await this.#described([await knownQueue(this.#connections, key)], stats);
    return info!;
  }

  async listProjects(limit: number): Promise<readonly string[]> {
    const rows = await this.#connections.read<{ readonly project: string }>("listProjects", [limit]);
    return rows.map(({ project }) => project);
  }

  async listQueues(
    project: string,
    page: { readonly limit: number; readonly after: string | undefined; readonly stats: StatsChoice },
  ): Promise<readonly QueueInfo[]> {
    // No name is empty.
    const rows = await this.#connections.read<QueueRow>("listQueues", [
      project,
      page.after ?? "",
      page.limit,
    ]);
    return this.#described(rows.map(openQueueOf), page.stats);
  }

  /** The queue is gone at once; its tasks, which nobody can reach any more, go in the background. */
  async deleteQueue(key: QueueKey): Promise<void> {
    const queue = await knownQueue(this.#connections, key);
    await this.#commits.transact(1, ({ statement, nowUs }) => statement("removeQueue", [queue.id, nowUs]));
    this.#removing = this.#removing.then(() => this.#removeLeftovers());
  }

  async setPaused(key: QueueKey, state: PauseState): Promise<QueueInfo> {
    const queue = await knownQueue(this.#connections, key);
    return this.#commits.transact(1, async (transaction) => {
      const [row] = await transaction.statement<QueueRow>("setPaused", [queue.id, state === "paused"]);
      if (state === "running") transaction.arrived(key);
      return queueInfo(row === undefined ? queue : openQueueOf(row), undefined);
    });
  }

  async tagStats(key: QueueKey, limit: number, after: TagFilter | undefined): Promise<readonly TagStats[]> {
    return tagStats(this.#connections, await knownQueue(this.#connections, key), limit, after);
  }

  purge(key: QueueKey, only: TagFilter | undefined): AsyncGenerator<number> {
    return this.#chunks.purge(key, only);
  }

  redrive(key: QueueKey): AsyncGenerator<MoveChunk> {
    return this.#chunks.redrive(key);
  }

  sweep(): AsyncGenerator<SweepChunk> {
    return this.#sweeper.sweep();
  }

  async close(): Promise<void> {
    this.#closing = true;
    await this.#removing;
    await this.#waiting.close();
    await this.#connections.close();
  }

  async #described(queues: readonly OpenQueue[], choice: StatsChoice): Promise<readonly QueueInfo[]> {
    if (choice === "without stats" || queues.length === 0)
      return queues.map((queue) => queueInfo(queue, undefined));
    const stats = await statsOf(this.#connections, queues);
    return queues.map((queue) => queueInfo(queue, stats.get(queue.id)));
  }

  async #removeLeftovers(): Promise<void> {
    try {
      for await (const _ of this.#sweeper.removeLeftovers()) if (this.#closing) return;
    } catch {
      // Nobody waits for this, and nothing is wrong without it; the next sweep goes on.
    }
  }
}
