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
  readonly settle: (result: ItemResult<Task>) => void;
}

/** Bytes that limited queues have room for, by the queue's number. */
type Room = Map<number, number>;

/**
 * Inserts what calls bring, in as few statements as there are kinds of them. Items that depend on each other (two of one
 * id, or of one key) go in rounds, one after the other.
 */
export async function insertTasks(
  transaction: PostgresTransaction,
  calls: readonly InsertCall[],
  ids: IdSource,
): Promise<readonly (readonly ItemResult<Task>[])[]> {
  const { nowUs } = transaction;
  const results: ItemResult<Task>[][] = calls.map(() => []);
  let waiting: Item[] = [];
  for (const [call, { queue, tasks }] of calls.entries()) {
    for (const [place, task] of tasks.entries()) {
      const settle = (result: ItemResult<Task>) => {
        results[call]![place] = result;
      };
      const [id, etaUs] = [task.id ?? ids.next(nowUs), firstEtaUs(task, nowUs)];
      waiting.push({ queue, queueId: queue.id, task, id, bytes: task.payload.byteLength, etaUs, settle });
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
  return results;
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
function independent(items: readonly Item[]): { readonly round: Item[]; readonly later: Item[] } {
  const seen = new Set<string>();
  const round: Item[] = [];
  const later: Item[] = [];
  for (const item of items) {
    const { id, idempotencyKey } = item.task;
    const names = [
      ...(id === undefined ? [] : [`id/${nameInQueue(item.queueId, id)}`]),
      ...(idempotencyKey === undefined ? [] : [`key/${nameInQueue(item.queueId, idempotencyKey)}`]),
    ];
    (names.some((name) => seen.has(name)) ? later : round).push(item);
    for (const name of names) seen.add(name);
  }
  return { round, later };
}

/** One round; gives those that have to go again. */
async function insertRound(
  transaction: PostgresTransaction,
  items: readonly Item[],
  room: Room,
): Promise<readonly Item[]> {
  const { fresh, again } = await claimKeys(transaction, items);
  const { fitting, refused } = fit(fresh, room);
  const inserted = await insertRows(transaction, fitting);
  await removeBuried(transaction, fitting, inserted);

  const failed = fitting.filter((item) => !inserted.has(nameInQueue(item.queueId, item.id)));
  for (const { queueId, bytes } of failed) {
    const left = room.get(queueId);
    if (left !== undefined) room.set(queueId, left + bytes);
  }
  await releaseKeys(transaction, [...failed, ...refused]);
  for (const item of fitting)
    if (inserted.has(nameInQueue(item.queueId, item.id))) succeed(transaction, item);
  for (const item of failed) {
    if (item.task.id !== undefined) item.settle({ ok: false, error: idTaken(item.id) });
    // Another process made the same id in the same microsecond.
    else again.push(item);
  }
  for (const item of refused) {
    // One before it has failed, and so there is room again.
    if (failed.some(({ queueId }) => queueId === item.queueId)) again.push(item);
    else
      item.settle({ ok: false, error: fullQueue(item.queue.key, item.queue.settings.storageBytesMax ?? 0) });
  }
  return again;
}

/** Takes the keys of items; those whose key is taken already are settled with what it made. */
async function claimKeys(
  transaction: PostgresTransaction,
  items: readonly Item[],
): Promise<{ readonly fresh: readonly Item[]; readonly again: Item[] }> {
  const keyed = items
    .flatMap((item) =>
      item.task.idempotencyKey === undefined ? [] : [{ ...item, key: item.task.idempotencyKey }],
    )
    .sort((a, b) => compareInQueue({ queueId: a.queueId, id: a.key }, { queueId: b.queueId, id: b.key }));
  if (keyed.length === 0) return { fresh: items, again: [] };
  const { nowUs } = transaction;
  const untilMinute = Math.ceil((nowUs + IDEMPOTENCY_MS * 1000) / MINUTE_US);
  const claimed = await transaction.statement<{ queue_id: number; key: string }>("claimKeys", [
    nowUs,
    untilMinute,
    Math.floor(nowUs / MINUTE_US),
    ...columnsOf(
      keyed,
      ({ queueId }) => queueId,
      ({ key }) => key,
      ({ id }) => id,
      ({ task }) => task.tag ?? null,
      ({ etaUs }) => etaUs,
      ({ task }) => task.traceparent ?? null,
      ({ task }) => task.tracestate ?? null,
    ),
  ]);
  const ours = new Set(claimed.map(({ queue_id, key }) => nameInQueue(queue_id, key)));
  const repeated = keyed.filter(({ queueId, key }) => !ours.has(nameInQueue(queueId, key)));
  const again: Item[] = [];
  if (repeated.length === 0) return { fresh: items, again };
  const columns = columnsOf(
    repeated,
    ({ queueId }) => queueId,
    ({ key }) => key,
  );
  const rows = await transaction.statement<VisibleTask & { queue_id: number; key: string }>(
    "findKeys",
    columns,
  );
  const first = new Map(rows.map((row) => [nameInQueue(row.queue_id, row.key), row]));
  for (const item of repeated) {
    const row = first.get(nameInQueue(item.queueId, item.key));
    if (row !== undefined) item.settle({ ok: true, value: taskOf(item.queue.key, row) });
    // Whoever had taken it has let go of it meanwhile.
    else again.push(item);
  }
  const settled = new Set(repeated.map(({ queueId, key }) => nameInQueue(queueId, key)));
  const fresh = items.filter(
    ({ queueId, task }) =>
      task.idempotencyKey === undefined || !settled.has(nameInQueue(queueId, task.idempotencyKey)),
  );
  return { fresh, again };
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

/** Gives the names of those that are now in the table. */
async function insertRows(transaction: PostgresTransaction, items: readonly Item[]): Promise<Set<string>> {
  if (items.length === 0) return new Set();
  const sorted = [...items].sort(compareInQueue);
  let end = 0;
  const ends = sorted.map(({ bytes }) => {
    end += bytes;
    return end;
  });
  const { nowUs } = transaction;
  const rows = await transaction.statement<{ queue_id: number; id: string }>("insertTasks", [
    nowUs,
    Buffer.concat(sorted.map(({ task }) => task.payload)),
    ...columnsOf(
      sorted,
      ({ queueId }) => queueId,
      ({ id }) => id,
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
  return new Set(rows.map(({ queue_id, id }) => nameInQueue(queue_id, id)));
}

/** Asked after the insert, which waits for a delete of the same id under way: only then its tombstone can be seen. */
async function removeBuried(
  transaction: PostgresTransaction,
  items: readonly Item[],
  inserted: Set<string>,
): Promise<void> {
  const named = items.filter(
    ({ task, queueId, id }) => task.id !== undefined && inserted.has(nameInQueue(queueId, id)),
  );
  if (named.length === 0) return;
  const columns = columnsOf(
    named,
    ({ queueId }) => queueId,
    ({ id }) => id,
  );
  const removed = await transaction.statement<{ queue_id: number; id: string }>("removeBuried", [
    transaction.nowUs,
    ...columns,
  ]);
  for (const { queue_id, id } of removed) inserted.delete(nameInQueue(queue_id, id));
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

function succeed(
  transaction: PostgresTransaction,
  { queue, queueId, task, id, bytes, etaUs, settle }: Item,
): void {
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
  settle({ ok: true, value: taskOf(queue.key, row) });
}
