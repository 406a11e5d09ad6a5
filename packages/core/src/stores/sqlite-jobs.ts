import type { Clock } from "../clock.js";
import { PURGE_CHUNK_TASKS, SWEEP_CHUNK_ROWS, TAG_STATS_CHUNK_TASKS } from "../limits.js";
import type { MoveChunk, SweepChunk } from "../naive-store.js";
import type { QueueKey, TagFilter, TagStats } from "../task.js";
import type { GroupCommit } from "./group-commit.js";
import { arrivalsOf, isHeld } from "./lease-rules.js";
import { START } from "./sorted-tasks.js";
import { translated } from "./sqlite-database.js";
import type { SqliteMoves, WalkedRow } from "./sqlite-moves.js";
import type { OpenQueue, SqliteQueues } from "./sqlite-queues.js";
import { holdingOf } from "./sqlite-rows.js";
import type { QueueRow, Statements, TaskRow } from "./sqlite-statements.js";
import { keyGeneration, type SqliteTransaction } from "./sqlite-transaction.js";

/** What the long jobs of an SQLite store stand on. */
export interface SqliteJobsParts {
  readonly commits: GroupCommit<SqliteTransaction>;
  readonly statements: Statements;
  readonly queues: SqliteQueues;
  readonly moves: SqliteMoves;
  readonly clock: Clock;
}

/** A task past its retention, and its queue. */
type ExpiredRow = TaskRow & { readonly queue_id: number };

/** Where a sweep got to among the tasks past their retention. */
interface ExpiryPosition {
  readonly expiresAtUs: number;
  readonly serial: number;
}

const NOTHING_SWEPT: SweepChunk = Object.freeze({ expiredTasks: 0, deadLetteredTasks: 0, arrivals: [] });

/** What takes longer than a transaction may: done in chunks, each in one of its own, with turns for others in between. */
export class SqliteJobs {
  readonly #commits: GroupCommit<SqliteTransaction>;
  readonly #statements: Statements;
  readonly #queues: SqliteQueues;
  readonly #moves: SqliteMoves;
  readonly #clock: Clock;

  constructor({ commits, statements, queues, moves, clock }: SqliteJobsParts) {
    this.#commits = commits;
    this.#statements = statements;
    this.#queues = queues;
    this.#moves = moves;
    this.#clock = clock;
  }

  /** Removes the tasks that are in a queue now, or those of one tag. */
  purge(key: QueueKey, only: TagFilter | undefined): AsyncGenerator<number> {
    return this.#walk(key, (transaction, queue, rows) => {
      const chosen = only === undefined ? rows : rows.filter(({ tag }) => tag === (only.tag ?? null));
      for (const row of chosen) this.#moves.remove(transaction, queue.row, row);
      return chosen.length;
    });
  }

  /** Moves the dead letters that are in a queue now back to where they came from. */
  redrive(key: QueueKey): AsyncGenerator<MoveChunk> {
    return this.#walk(key, (transaction, queue, rows) => {
      const moved = rows.flatMap((row) => this.#moves.sendBack(transaction, queue, row) ?? []);
      return { moved: moved.length, arrivals: arrivalsOf(moved) };
    });
  }

  /** Removes what time has ended. */
  async *sweep(): AsyncGenerator<SweepChunk> {
    let after: ExpiryPosition | undefined = { expiresAtUs: -1, serial: -1 };
    while (after !== undefined && this.#expiredAfter(after, this.#clock.nowUs(), 1).length > 0) {
      const from: ExpiryPosition = after;
      const step = await this.#commits.run((transaction) => this.#expireSome(transaction, from));
      yield step.chunk;
      after = step.last;
    }
    yield* this.#forget(({ nowUs }) => this.#statements.forgetTombstones.run(nowUs, SWEEP_CHUNK_ROWS));
    yield* this.#forget(({ nowUs }) =>
      this.#statements.forgetKeys.run(keyGeneration(nowUs) - 1, SWEEP_CHUNK_ROWS),
    );
    for await (const _ of this.clearDeletedQueues()) yield NOTHING_SWEPT;
  }

  /** Removes what deleted queues have left behind, those of an earlier life of this file among them. */
  async *clearDeletedQueues(): AsyncGenerator<void> {
    for (let queueId = -1; ; ) {
      const next = translated(() => this.#statements.queueOfTasksAfter.get(queueId)) as
        | { readonly queue_id: number }
        | undefined;
      if (next === undefined) return;
      queueId = next.queue_id;
      if (translated(() => this.#statements.queueById.get(queueId)) !== undefined) continue;
      while (await this.#commits.run(() => this.#clearSome(queueId))) yield;
    }
  }

  /** Counts of at most `limit` tags after one, or from the untagged. */
  async tagStats(key: QueueKey, limit: number, after: TagFilter | undefined): Promise<readonly TagStats[]> {
    const { id } = translated(() => this.#queues.known(key));
    const nowUs = this.#clock.nowUs();
    const counts: { -readonly [Name in keyof TagStats]: TagStats[Name] }[] = [];
    for await (const rows of this.#rowsByTag(id, after)) {
      for (const { tag, eta_us: etaUs } of rows) {
        let last = counts.at(-1);
        if (last === undefined || last.tag !== (tag ?? undefined)) {
          if (counts.length === limit) return counts;
          last = { tag: tag ?? undefined, totalTasks: 0, availableTasks: 0, oldestEtaUs: etaUs };
          counts.push(last);
        }
        last.totalTasks += 1;
        if (etaUs <= nowUs) last.availableTasks += 1;
      }
    }
    return counts;
  }

  /** Goes through the tasks that are in a queue now, in the order of their ids, as long as the queue is there. */
  async *#walk<R>(
    key: QueueKey,
    visit: (transaction: SqliteTransaction, queue: OpenQueue, rows: readonly WalkedRow[]) => R,
  ): AsyncGenerator<R> {
    const begin = await this.#commits.run(({ nowUs }) => {
      const { serial } = this.#statements.lastSerial.get() as { readonly serial: number | null };
      return { queueId: this.#queues.known(key).id, lastSerial: serial ?? 0, nowUs };
    });
    const wasThere = (row: WalkedRow) =>
      row.serial <= begin.lastSerial && (row.moved_at_us === null || row.moved_at_us <= begin.nowUs);
    let afterId: string | undefined = "";
    while (afterId !== undefined) {
      const from: string = afterId;
      const step = await this.#commits.run((transaction) => {
        const row = this.#queues.find(key);
        if (row?.id !== begin.queueId) return undefined;
        const rows = this.#statements.tasksAfterId.all(row.id, from, PURGE_CHUNK_TASKS) as WalkedRow[];
        const result = visit(transaction, { key, row }, rows.filter(wasThere));
        return { result, lastId: rows.length < PURGE_CHUNK_TASKS ? undefined : rows.at(-1)?.id };
      });
      if (step === undefined) return;
      yield step.result;
      afterId = step.lastId;
    }
  }

  #expiredAfter({ expiresAtUs, serial }: ExpiryPosition, nowUs: number, limit: number): ExpiredRow[] {
    return translated(() => this.#statements.expired.all(nowUs, expiresAtUs, serial, limit) as ExpiredRow[]);
  }

  #expireSome(
    transaction: SqliteTransaction,
    after: ExpiryPosition,
  ): { readonly chunk: SweepChunk; readonly last: ExpiryPosition | undefined } {
    const { nowUs } = transaction;
    const rows = this.#expiredAfter(after, nowUs, SWEEP_CHUNK_ROWS);
    const free = rows.filter((row) => !isHeld(holdingOf(row), nowUs));
    let expiredTasks = 0;
    const moved = free.flatMap((row) => {
      const queue = this.#statements.queueById.get(row.queue_id) as
        | (QueueRow & { readonly project: string })
        | undefined;
      // A deleted queue's tasks are cleared without a word.
      if (queue === undefined) return [];
      const key = { project: queue.project, queue: queue.name };
      const task = this.#moves.retire(transaction, { key, row: queue }, row, "retention");
      if (task === undefined) expiredTasks += 1;
      return task ?? [];
    });
    const last = rows.length < SWEEP_CHUNK_ROWS ? undefined : rows.at(-1);
    return {
      chunk: { expiredTasks, deadLetteredTasks: moved.length, arrivals: arrivalsOf(moved) },
      last: last && { expiresAtUs: last.expires_at_us ?? 0, serial: last.serial },
    };
  }

  /** Repeats a statement that removes at most `SWEEP_CHUNK_ROWS`, until it removes fewer. */
  async *#forget(
    some: (transaction: SqliteTransaction) => { readonly changes: number | bigint },
  ): AsyncGenerator<SweepChunk> {
    while (Number(await this.#commits.run((transaction) => some(transaction).changes)) >= SWEEP_CHUNK_ROWS) {
      yield NOTHING_SWEPT;
    }
  }

  /** Removes some tasks of a queue that is gone; false when there are none left. */
  #clearSome(queueId: number): boolean {
    const rows = this.#statements.tasksAfterId.all(queueId, "", PURGE_CHUNK_TASKS) as TaskRow[];
    for (const { serial } of rows) {
      this.#statements.deleteSerial.run(serial);
      this.#statements.deletePayload.run(serial);
    }
    return rows.length > 0;
  }

  /** A queue's tasks after a tag, tag by tag, the untagged first. */
  async *#rowsByTag(
    queueId: number,
    after: TagFilter | undefined,
  ): AsyncGenerator<readonly Pick<TaskRow, "tag" | "eta_us" | "id">[]> {
    type Row = Pick<TaskRow, "tag" | "eta_us" | "id">;
    const chunks = async function* (next: (last: Row) => unknown[], first: Row): AsyncGenerator<Row[]> {
      for (let last: Row | undefined = first; last !== undefined; ) {
        const from: Row = last;
        const rows = translated(() => next(from) as Row[]);
        yield rows;
        last = rows.length < TAG_STATS_CHUNK_TASKS ? undefined : rows.at(-1);
        await new Promise(setImmediate);
      }
    };
    const { untaggedAfter, taggedAfter } = this.#statements;
    const start = { tag: "", eta_us: START.etaUs, id: START.id };
    if (after === undefined) {
      yield* chunks(({ eta_us, id }) => untaggedAfter.all(queueId, eta_us, id, TAG_STATS_CHUNK_TASKS), start);
    }
    // No task of the tag has a later eta than this.
    const first =
      after?.tag === undefined ? start : { ...start, tag: after.tag, eta_us: Number.MAX_SAFE_INTEGER };
    yield* chunks(
      ({ tag, eta_us, id }) => taggedAfter.all(queueId, tag, eta_us, id, TAG_STATS_CHUNK_TASKS),
      first,
    );
  }
}
