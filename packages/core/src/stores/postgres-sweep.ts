import { POSTGRES_REMOVED_QUEUE_MS, SWEEP_CHUNK_ROWS } from "../limits.js";
import type { SweepChunk } from "../naive-store.js";
import { leaseStep, STEPS_PER_HOUR } from "./lease-rate.js";
import { arrivalsOf } from "./lease-rules.js";
import type { PostgresCommits } from "./postgres-commits.js";
import type { PostgresConnections } from "./postgres-connections.js";
import type { LockedRow, PostgresRetirement } from "./postgres-retire.js";
import { openQueueOf } from "./postgres-rows.js";
import type { QueueRow, StatementName } from "./postgres-statements.js";

/** Removes what time has ended, in chunks of which each skips what another process has in hand: any number may sweep at once. */
export class PostgresSweeper {
  readonly #connections: PostgresConnections;
  readonly #commits: PostgresCommits;
  readonly #retirement: PostgresRetirement;

  constructor(connections: PostgresConnections, commits: PostgresCommits, retirement: PostgresRetirement) {
    this.#connections = connections;
    this.#commits = commits;
    this.#retirement = retirement;
  }

  async *sweep(): AsyncGenerator<SweepChunk> {
    for (let full = true; full; ) {
      const { looked, chunk } = await this.#expire();
      yield chunk;
      full = looked === SWEEP_CHUNK_ROWS;
    }
    const [now] = await this.#connections.read<{ readonly now_us: number }>("now", []);
    yield* this.#inChunks("forgetTombstones", (limit) => [limit]);
    yield* this.#inChunks("forgetKeys", (limit) => [limit]);
    yield* this.#inChunks("forgetLeases", (limit) => [limit, leaseStep(now!.now_us) - STEPS_PER_HOUR]);
    await this.#connections.change("forgetWaiters", []);
    yield* this.removeLeftovers();
  }

  /** What deleted queues have left. A transaction that was under way when its queue went may leave more for a while. */
  async *removeLeftovers(): AsyncGenerator<SweepChunk> {
    type Removed = { readonly queue_id: number; readonly removed_at_us: number; readonly now_us: number };
    for (const removed of await this.#connections.read<Removed>("removedQueues", [])) {
      const queueId = removed.queue_id;
      for (const name of ["removeTasksOf", "removeTombstonesOf", "removeKeysOf"] as const) {
        yield* this.#inChunks(name, (limit) => [queueId, limit]);
      }
      await this.#connections.change("removeCountsOf", [queueId]);
      const overUs = removed.removed_at_us + POSTGRES_REMOVED_QUEUE_MS * 1000;
      if (removed.now_us > overUs) await this.#connections.change("forgetRemoved", [queueId]);
    }
  }

  async *#inChunks(
    name: StatementName,
    values: (limit: number) => readonly unknown[],
  ): AsyncGenerator<SweepChunk> {
    for (let removed = SWEEP_CHUNK_ROWS; removed === SWEEP_CHUNK_ROWS; ) {
      removed = await this.#connections.change(name, values(SWEEP_CHUNK_ROWS));
      yield NOTHING;
    }
  }

  #expire(): Promise<{ readonly looked: number; readonly chunk: SweepChunk }> {
    return this.#commits.transact(1, async (transaction) => {
      const { nowUs, statement } = transaction;
      const rows = await statement<LockedRow>("expiredTasks", [nowUs, SWEEP_CHUNK_ROWS]);
      const ids = [...new Set(rows.map(({ queue_id }) => queue_id))];
      const queues = ids.length === 0 ? [] : await statement<QueueRow>("findQueuesById", [ids]);
      const byId = new Map(queues.map((row) => [row.id, openQueueOf(row)]));
      const ended = rows.flatMap((row) => {
        const queue = byId.get(row.queue_id);
        return queue === undefined ? [] : [{ queue, row, reason: "retention" as const }];
      });
      const moved = await this.#retirement.retire(transaction, ended);
      const expiredTasks = ended.length - moved.length;
      return {
        looked: rows.length,
        chunk: { expiredTasks, deadLetteredTasks: moved.length, arrivals: arrivalsOf(moved) },
      };
    });
  }
}

const NOTHING: SweepChunk = Object.freeze({ expiredTasks: 0, deadLetteredTasks: 0, arrivals: [] });
