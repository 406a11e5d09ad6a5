import type { IdSource } from "../ids.js";
import { IDEMPOTENCY_MS } from "../limits.js";
import { fullQueue, idTaken } from "../store-errors.js";
import type { ItemResult, NewTask, Task } from "../task.js";
import { expiryUs, firstEtaUs } from "./lease-rules.js";
import {
  columnsOf,
  compareInQueue,
  nameInQueue,
  type OpenQueue,
  taskOf,
  type VisibleTask,
} from "./postgres-rows.js";
import type { PostgresTransaction } from "./postgres-transaction.js";

const MINUTE_US = 60_000_000;

/** Tasks of one call. */
export interface InsertCall {
  readonly queue: OpenQueue;
  readonly tasks: readonly NewTask[];
}

/** A task on its way into its table. */
interface Item {
  readonly queue: OpenQueue;
  readonly queueId: number;
  readonly task: NewTask;
  readonly id: string;
  readonly bytes: number;
  readonly etaUs: number;
  /** Where its outcome goes, with those of its call. */
  readonly results: ItemResult<Task>[];
  readonly place: number;
}

/** Bytes that limited queues have room for, by the queue's number. */
type Room = Map<number, number>;

/**
 * Inserts what calls bring, all of one round in one statement. Items that depend on each other (two of one id, or of one
 * key) go in rounds, one after the other.
 */
export async function insertTasks(
  transaction: PostgresTransaction,
  calls: readonly InsertCall[],
  ids: IdSource,
): Promise<readonly (readonly ItemResult<Task>[])[]> {
  const { nowUs } = transaction;
  const answers: ItemResult<Task>[][] = [];
  let waiting: Item[] = [];
  for (const { queue, tasks } of calls) {
    const results: ItemResult<Task>[] = [];
    answers.push(results);
    for (const [place, task] of tasks.entries()) {
      const [id, etaUs] = [task.id ?? ids.next(nowUs), firstEtaUs(task, nowUs)];
      waiting.push({
        queue,
        queueId: queue.id,
        task,
        id,
        bytes: task.payload.byteLength,
        etaUs,
        results,
        place,
      });
    }
  }
  const room = await roomOf(transaction, calls);
  while (waiting.length > 0) {
    const { round, later } = independent(waiting);
    const again = await insertRound(transaction, round, room);
    const renamed = again.map((item) =>
      item.task.id === undefined ? { ...item, id: ids.next(nowUs) } : item,
    );
    waiting = [...renamed, ...later];
  }
  return answers;
}

/** Exact among all processes: whoever adds to a limited queue waits for those who do so already. */
async function roomOf(transaction: PostgresTransaction, calls: readonly InsertCall[]): Promise<Room> {
  const limited = new Map<number, number>();
  for (const { queue } of calls) {
    if (queue.settings.storageBytesMax !== undefined) limited.set(queue.id, queue.settings.storageBytesMax);
  }
  const queueIds = [...limited.keys()].sort((a, b) => a - b);
  for (const queueId of queueIds) await transaction.statement("lockQueue", [queueId]);
  if (queueIds.length === 0) return limited;
  const stored = await transaction.statement<{ queue_id: number; payload_bytes: number }>("storedBytes", [
    queueIds,
  ]);
  for (const { queue_id, payload_bytes } of stored)
    limited.set(queue_id, limited.get(queue_id)! - payload_bytes);
  return limited;
}

/** Those that do not depend on one before them. */
function independent(items: readonly Item[]): { readonly round: readonly Item[]; readonly later: Item[] } {
  const ids = new Set<string>();
  const keys = new Set<string>();
  const later: Item[] = [];
  const round = items.filter((item) => {
    const { id, idempotencyKey: key } = item.task;
    const idName = id === undefined ? undefined : nameInQueue(item.queueId, id);
    const keyName = key === undefined ? undefined : nameInQueue(item.queueId, key);
    const waits = (idName !== undefined && ids.has(idName)) || (keyName !== undefined && keys.has(keyName));
    if (waits) later.push(item);
    if (idName !== undefined) ids.add(idName);
    if (keyName !== undefined) keys.add(keyName);
    return !waits;
  });
  return { round, later };
}

/** One round; gives those that have to go again. */
async function insertRound(
  transaction: PostgresTransaction,
  items: readonly Item[],
  room: Room,
): Promise<readonly Item[]> {
  const fresh = await withoutKnown(transaction, items, room);
  const { fitting, refused } = fit(fresh, room);
  const { made, failed, repeated } = await insertRows(transaction, fitting);
  await releaseKeys(transaction, failed);
  for (const item of made) succeed(transaction, item);
  for (const { queueId, bytes } of [...failed, ...repeated]) {
    const left = room.get(queueId);
    if (left !== undefined) room.set(queueId, left + bytes);
  }
  // Whoever had taken a key may have let go of it meanwhile.
  const again: Item[] = [...(await settleRepeated(transaction, repeated))];
  for (const item of failed) {
    if (item.task.id !== undefined) settle(item, { ok: false, error: idTaken(item.id) });
    // Another process made the same id in the same microsecond.
    else again.push(item);
  }
  for (const item of refused) {
    // One before it has failed, and so there is room again.
    if ([...failed, ...repeated].some(({ queueId }) => queueId === item.queueId)) again.push(item);
    else {
      const error = fullQueue(item.queue.key, item.queue.settings.storageBytesMax ?? 0);
      settle(item, { ok: false, error });
    }
  }
  return again;
}

/** Where room is limited, what was inserted before under the same key needs none: it is settled first. */
async function withoutKnown(
  transaction: PostgresTransaction,
  items: readonly Item[],
  room: Room,
): Promise<readonly Item[]> {
  if (room.size === 0) return items;
  const asked = items.filter(({ queueId, task }) => room.has(queueId) && task.idempotencyKey !== undefined);
  const unknown = new Set(await settleRepeated(transaction, asked));
  const settled = new Set(asked.filter((item) => !unknown.has(item)));
  return items.filter((item) => !settled.has(item));
}

/** Settles items with what their keys have made already; gives those whose keys have made nothing. */
async function settleRepeated(
  transaction: PostgresTransaction,
  items: readonly Item[],
): Promise<readonly Item[]> {
  if (items.length === 0) return [];
  const rows = await transaction.statement<VisibleTask & { queue_id: number; key: string }>("findKeys", [
    Math.floor(transaction.nowUs / MINUTE_US),
    ...columnsOf(
      items,
      ({ queueId }) => queueId,
      ({ task }) => task.idempotencyKey,
    ),
  ]);
  const first = new Map(rows.map((row) => [nameInQueue(row.queue_id, row.key), row]));
  return items.filter((item) => {
    const row = first.get(nameInQueue(item.queueId, item.task.idempotencyKey ?? ""));
    if (row !== undefined) settle(item, { ok: true, value: taskOf(item.queue.key, row) });
    return row === undefined;
  });
}

/** Takes room for what fits. */
function fit(
  items: readonly Item[],
  room: Room,
): { readonly fitting: readonly Item[]; readonly refused: readonly Item[] } {
  if (room.size === 0) return { fitting: items, refused: [] };
  const refused: Item[] = [];
  const fitting = items.filter((item) => {
    const left = room.get(item.queueId);
    if (left === undefined) return true;
    if (item.bytes > left) {
      refused.push(item);
      return false;
    }
    room.set(item.queueId, left - item.bytes);
    return true;
  });
  return { fitting, refused };
}

/** What became of a round's items. */
interface Inserted {
  readonly made: readonly Item[];
  /** Their id is taken; their key, where they have one, is theirs. */
  readonly failed: readonly Item[];
  /** Their key is taken. */
  readonly repeated: readonly Item[];
}

/** Takes the keys of items and inserts those that have none or got theirs. */
async function insertRows(transaction: PostgresTransaction, items: readonly Item[]): Promise<Inserted> {
  if (items.length === 0) return { made: [], failed: [], repeated: [] };
  const sorted = [...items].sort(compareInQueue);
  let end = 0;
  const ends = sorted.map(({ bytes }) => {
    end += bytes;
    return end;
  });
  const { nowUs } = transaction;
  const rows = await transaction.statement<{ place: number; repeated: boolean }>("insertTasks", [
    nowUs,
    Math.ceil((nowUs + IDEMPOTENCY_MS * 1000) / MINUTE_US),
    Math.floor(nowUs / MINUTE_US),
    Buffer.concat(sorted.map(({ task }) => task.payload)),
    ...columnsOf(
      sorted,
      ({ queueId }) => queueId,
      ({ id }) => id,
      ({ task }) => task.idempotencyKey ?? null,
      ({ task }) => task.id !== undefined,
      ({ task }) => task.tag ?? null,
      ({ etaUs }) => etaUs,
      ({ queue }) => expiryUs(queue.settings, nowUs) ?? null,
      ({ bytes }) => bytes,
    ),
    ends,
    ...columnsOf(
      sorted,
      ({ task }) => task.traceparent ?? null,
      ({ task }) => task.tracestate ?? null,
    ),
  ]);
  // PostgreSQL counts from one.
  const repeated = rows.filter((row) => row.repeated).map(({ place }) => sorted[place - 1]!);
  const taken = rows.filter((row) => !row.repeated).map(({ place }) => sorted[place - 1]!);
  const left = new Set([...repeated, ...taken]);
  const inserted = left.size === 0 ? sorted : sorted.filter((item) => !left.has(item));
  const buried = await removeBuried(transaction, inserted);
  if (buried.size === 0) return { made: inserted, failed: taken, repeated };
  return {
    made: inserted.filter((item) => !buried.has(item)),
    failed: [...taken, ...buried],
    repeated,
  };
}

/** Asked after the insert, which waits for a delete of the same id under way: only then its tombstone can be seen. */
async function removeBuried(
  transaction: PostgresTransaction,
  items: readonly Item[],
): Promise<ReadonlySet<Item>> {
  const named = items.filter(({ task }) => task.id !== undefined);
  if (named.length === 0) return new Set();
  const columns = columnsOf(
    named,
    ({ queueId }) => queueId,
    ({ id }) => id,
  );
  const removed = await transaction.statement<{ queue_id: number; id: string }>("removeBuried", [
    transaction.nowUs,
    ...columns,
  ]);
  const names = new Set(removed.map(({ queue_id, id }) => nameInQueue(queue_id, id)));
  return new Set(named.filter(({ queueId, id }) => names.has(nameInQueue(queueId, id))));
}

async function releaseKeys(transaction: PostgresTransaction, items: readonly Item[]): Promise<void> {
  const keyed = items.filter(({ task }) => task.idempotencyKey !== undefined);
  if (keyed.length === 0) return;
  await transaction.statement(
    "releaseKeys",
    columnsOf(
      keyed,
      ({ queueId }) => queueId,
      ({ task }) => task.idempotencyKey,
    ),
  );
}

function succeed(transaction: PostgresTransaction, item: Item): void {
  const { queue, queueId, task, id, bytes, etaUs } = item;
  transaction.addTasks(queueId, 1, bytes);
  transaction.arrived(queue.key);
  const row = {
    id,
    tag: task.tag ?? null,
    enqueued_at_us: transaction.nowUs,
    eta_us: etaUs,
    traceparent: task.traceparent ?? null,
    tracestate: task.tracestate ?? null,
  };
  settle(item, { ok: true, value: taskOf(queue.key, row) });
}

function settle({ results, place }: Item, result: ItemResult<Task>): void {
  results[place] = result;
}
