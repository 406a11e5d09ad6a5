import { TRANSFER_PAYLOAD_BYTES, TRANSFER_TASKS_MAX } from "../limits.js";
import type { ImportResult, NaiveTransfer } from "../naive-store.js";
import type { QueueKey } from "../task.js";
import type { ExportedTask, TaskRecord, TombstoneRecord } from "../transfer.js";
import { isAnother, isMadeId } from "./import-rules.js";
import { isHeld } from "./lease-rules.js";
import type { PostgresCommits } from "./postgres-commits.js";
import type { PostgresConnections } from "./postgres-connections.js";
import { knownQueue } from "./postgres-queues.js";
import { columnsOf, taskOf } from "./postgres-rows.js";
import type { TaskRow } from "./postgres-statements.js";
import type { PostgresTransaction } from "./postgres-transaction.js";

type ExportedRow = TaskRow & {
  readonly named: boolean;
  readonly given_back: boolean;
  readonly expires_at_us: number | null;
  readonly payload: Uint8Array;
  readonly now_us: number;
};

/** Whole tasks into and out of a PostgreSQL store. */
export class PostgresTransfer implements NaiveTransfer {
  readonly #connections: PostgresConnections;
  readonly #commits: PostgresCommits;
  readonly #tombstoneMs: number;

  constructor(connections: PostgresConnections, commits: PostgresCommits, tombstoneMs: number) {
    this.#connections = connections;
    this.#commits = commits;
    this.#tombstoneMs = tombstoneMs;
  }

  async exportTasks(key: QueueKey, afterId: string): Promise<readonly ExportedTask[]> {
    const queue = await knownQueue(this.#connections, key);
    const rows = await this.#connections.read<ExportedRow>("exportTasks", [
      queue.id,
      afterId,
      TRANSFER_TASKS_MAX,
      TRANSFER_PAYLOAD_BYTES,
    ]);
    return rows.map((row) => {
      const task = taskOf(key, row);
      return {
        ...task,
        payload: row.payload,
        named: row.named,
        givenBack: row.given_back,
        expiresAtUs: row.expires_at_us ?? undefined,
        isHeld: isHeld({ ...task, givenBack: row.given_back }, row.now_us),
      };
    });
  }

  async exportTombstones(key: QueueKey, afterId: string): Promise<readonly TombstoneRecord[]> {
    const queue = await knownQueue(this.#connections, key);
    const rows = await this.#connections.read<{ readonly id: string; readonly until_us: number }>(
      "exportTombstones",
      [queue.id, afterId, TRANSFER_TASKS_MAX],
    );
    return rows.map(({ id, until_us }) => ({ id, untilUs: until_us }));
  }

  async importTasks(key: QueueKey, tasks: readonly TaskRecord[]): Promise<ImportResult> {
    const queue = await knownQueue(this.#connections, key);
    return this.#commits.transact(1, async (transaction) => {
      const rows = await transaction.statement<{ readonly id: string; readonly payload_bytes: number }>(
        "importTasks",
        valuesOf(queue.id, tasks),
      );
      for (const { payload_bytes } of rows) transaction.addTasks(queue.id, 1, payload_bytes);
      transaction.arrived(key);
      const added = new Set(rows.map(({ id }) => id));
      const present = tasks.filter(({ id }) => !added.has(id));
      const clashes = await clashesOf(transaction, queue.id, present);
      return { added: rows.length, present: tasks.length - rows.length, clashes };
    });
  }

  async removeTasks(key: QueueKey, tasks: readonly ExportedTask[]): Promise<readonly string[]> {
    const queue = await knownQueue(this.#connections, key);
    const columns = columnsOf(
      tasks,
      ({ id }) => id,
      ({ retryCount }) => retryCount,
      ({ etaUs }) => etaUs,
    );
    type Gone = { readonly id: string; readonly named: boolean; readonly payload_bytes: number };
    return this.#commits.transact(1, async (transaction) => {
      const gone = await transaction.statement<Gone>("removeUnchanged", [queue.id, ...columns]);
      for (const { id, named, payload_bytes } of gone) {
        transaction.addTasks(queue.id, -1, -payload_bytes);
        if (named) transaction.bury(queue, id, this.#tombstoneMs);
      }
      const removed = new Set(gone.map(({ id }) => id));
      return tasks.map(({ id }) => id).filter((id) => !removed.has(id));
    });
  }

  async withdrawTasks(key: QueueKey, ids: readonly string[]): Promise<void> {
    const queue = await knownQueue(this.#connections, key);
    await this.#commits.transact(1, async (transaction) => {
      type Gone = { readonly payload_bytes: number };
      const gone = await transaction.statement<Gone>("withdrawTasks", [queue.id, ids]);
      for (const { payload_bytes } of gone) transaction.addTasks(queue.id, -1, -payload_bytes);
    });
  }

  async importTombstones(key: QueueKey, tombstones: readonly TombstoneRecord[]): Promise<void> {
    const queue = await knownQueue(this.#connections, key);
    const last = new Map(tombstones.map((tombstone) => [tombstone.id, tombstone]));
    const columns = columnsOf(
      [...last.values()],
      ({ id }) => id,
      ({ untilUs }) => untilUs,
    );
    await this.#commits.transact(1, ({ statement }) => statement("importTombstones", [queue.id, ...columns]));
  }
}

/** Those whose id, which a store had made, another task has. */
async function clashesOf(
  transaction: PostgresTransaction,
  queueId: number,
  tasks: readonly TaskRecord[],
): Promise<readonly TaskRecord[]> {
  const made = new Map(tasks.filter(({ id }) => isMadeId(id)).map((task) => [task.id, task]));
  if (made.size === 0) return [];
  type Row = Pick<TaskRow, "id" | "enqueued_at_us"> & { readonly payload: Uint8Array };
  const rows = await transaction.statement<Row>("presentTasks", [queueId, [...made.keys()]]);
  return rows.flatMap(({ id, enqueued_at_us, payload }) => {
    const task = made.get(id)!;
    return isAnother(task, enqueued_at_us, payload) ? [task] : [];
  });
}

/** Payloads as one block of bytes with their ends in it, as for an insert. */
function valuesOf(queueId: number, tasks: readonly TaskRecord[]): readonly unknown[] {
  let end = 0;
  const ends = tasks.map(({ payload }) => {
    end += payload.byteLength;
    return end;
  });
  return [
    queueId,
    Buffer.concat(tasks.map(({ payload }) => payload)),
    ends,
    ...columnsOf(
      tasks,
      ({ payload }) => payload.byteLength,
      ({ id }) => id,
      ({ named }) => named,
      ({ givenBack }) => givenBack,
      ({ enqueuedAtUs }) => enqueuedAtUs,
      ({ etaUs }) => etaUs,
      ({ expiresAtUs }) => expiresAtUs ?? null,
      ({ retryCount }) => retryCount,
      ({ uncounted }) => uncounted,
      ({ tag }) => tag ?? null,
      ({ traceparent }) => traceparent ?? null,
      ({ tracestate }) => tracestate ?? null,
      ({ deadLetter }) => (deadLetter === undefined ? null : JSON.stringify(deadLetter)),
    ),
  ];
}
