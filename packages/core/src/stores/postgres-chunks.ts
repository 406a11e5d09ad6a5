import { PURGE_CHUNK_TASKS } from "../limits.js";
import type { MoveChunk } from "../naive-store.js";
import type { QueueKey, TagFilter } from "../task.js";
import { arrivalsOf, isHeld } from "./lease-rules.js";
import type { PostgresCommits } from "./postgres-commits.js";
import type { PostgresConnections } from "./postgres-connections.js";
import { findQueues, knownQueue } from "./postgres-queues.js";
import type { LockedRow, Move, PostgresRetirement } from "./postgres-retire.js";
import { nameOfQueue, type OpenQueue, taskOf } from "./postgres-rows.js";
import type { PostgresTransaction } from "./postgres-transaction.js";

/** What goes over a whole queue, in chunks in the order of ids, and leaves alone what comes meanwhile. */
export class PostgresChunks {
  readonly #connections: PostgresConnections;
  readonly #commits: PostgresCommits;
  readonly #retirement: PostgresRetirement;
  readonly #tombstoneMs: number;

  constructor(
    connections: PostgresConnections,
    commits: PostgresCommits,
    retirement: PostgresRetirement,
    tombstoneMs: number,
  ) {
    this.#connections = connections;
    this.#commits = commits;
    this.#retirement = retirement;
    this.#tombstoneMs = tombstoneMs;
  }

  async *purge(key: QueueKey, only: TagFilter | undefined): AsyncGenerator<number> {
    const queue = await knownQueue(this.#connections, key);
    const lastSerial = await this.#lastSerial();
    let afterId: string | undefined = "";
    while (afterId !== undefined) {
      const chunk: { readonly removed: number; readonly lastId: string | undefined } =
        await this.#commits.transact(1, (transaction) =>
          this.#purgeSome(transaction, queue, { afterId: afterId ?? "", lastSerial, only }),
        );
      yield chunk.removed;
      afterId = chunk.lastId;
    }
  }

  async *redrive(key: QueueKey): AsyncGenerator<MoveChunk> {
    const queue = await knownQueue(this.#connections, key);
    const lastSerial = await this.#lastSerial();
    let afterId: string | undefined = "";
    while (afterId !== undefined) {
      const chunk: MoveChunk & { readonly lastId: string | undefined } = await this.#commits.transact(
        1,
        (transaction) => this.#redriveSome(transaction, queue, afterId ?? "", lastSerial),
      );
      yield { moved: chunk.moved, arrivals: chunk.arrivals };
      afterId = chunk.lastId;
    }
  }

  /** Tasks that come later have greater ones. */
  async #lastSerial(): Promise<number> {
    const [last] = await this.#connections.read<{ readonly serial: number }>("lastSerial", []);
    return last!.serial;
  }

  async #purgeSome(
    transaction: PostgresTransaction,
    queue: OpenQueue,
    chunk: { readonly afterId: string; readonly lastSerial: number; readonly only: TagFilter | undefined },
  ) {
    const { afterId, lastSerial, only } = chunk;
    const values = [queue.id, afterId, PURGE_CHUNK_TASKS, lastSerial, only !== undefined, only?.tag ?? null];
    type Row = { readonly id: string; readonly named: boolean | null; readonly payload_bytes: number | null };
    const rows = await transaction.statement<Row>("purgeTasks", values);
    let removed = 0;
    for (const { id, named, payload_bytes } of rows) {
      if (payload_bytes === null) continue;
      removed += 1;
      transaction.addTasks(queue.id, -1, -payload_bytes);
      if (named === true) transaction.bury(queue, id, this.#tombstoneMs);
    }
    return { removed, lastId: rows.length < PURGE_CHUNK_TASKS ? undefined : rows.at(-1)?.id };
  }

  async #redriveSome(
    transaction: PostgresTransaction,
    queue: OpenQueue,
    afterId: string,
    lastSerial: number,
  ) {
    const { statement, nowUs } = transaction;
    const rows = await statement<LockedRow & { readonly serial: number }>("tasksAfterId", [
      queue.id,
      afterId,
      PURGE_CHUNK_TASKS,
    ]);
    const letters = rows.flatMap((row) => {
      const { deadLetter, etaUs, retryCount } = taskOf(queue.key, row);
      const stays =
        deadLetter === undefined ||
        row.serial > lastSerial ||
        isHeld({ etaUs, retryCount, givenBack: row.given_back }, nowUs);
      return stays ? [] : [{ row, origin: { project: queue.key.project, queue: deadLetter.queue } }];
    });
    const keys = new Map(letters.map(({ origin }) => [nameOfQueue(origin), origin]));
    const origins =
      keys.size === 0 ? new Map<string, OpenQueue>() : await findQueues(statement, [...keys.values()]);
    const moves = letters.flatMap(({ row, origin }): Move[] => {
      const to = origins.get(nameOfQueue(origin));
      return to === undefined ? [] : [{ from: queue, to, row, deadLetter: undefined }];
    });
    const moved = await this.#retirement.move(transaction, moves);
    const lastId = rows.length < PURGE_CHUNK_TASKS ? undefined : rows.at(-1)?.id;
    return { moved: moved.length, arrivals: arrivalsOf(moved), lastId };
  }
}
