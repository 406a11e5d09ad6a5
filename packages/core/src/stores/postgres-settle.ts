import { leaseLost, unknownTask } from "../store-errors.js";
import type { ItemResult, LeaseExtension, LeaseFence, Task } from "../task.js";
import { columnsOf, compareInQueue, nameInQueue, type OpenQueue, taskOf } from "./postgres-rows.js";
import type { TaskRow } from "./postgres-statements.js";
import type { PostgresTransaction } from "./postgres-transaction.js";

/** One item of a call, in one line with those of the other calls. */
interface Item<F extends LeaseFence, T> {
  readonly queue: OpenQueue;
  readonly queueId: number;
  readonly id: string;
  readonly fence: F;
  readonly settle: (result: ItemResult<T>) => void;
}

/** Renewals of one call. */
export interface ExtendCall {
  readonly queue: OpenQueue;
  readonly leases: readonly LeaseExtension[];
}

/** Moves the ends of leases, all of one round in one statement. */
export async function extendLeases(
  transaction: PostgresTransaction,
  calls: readonly ExtendCall[],
): Promise<readonly (readonly ItemResult<Task>[])[]> {
  return inRounds<LeaseExtension, Task>(
    calls.map(({ queue, leases }) => ({ queue, fences: leases })),
    async (items) => {
      const { nowUs } = transaction;
      const rows = await transaction.statement<TaskRow & { place: number }>("extendLeases", [
        nowUs,
        ...fenceColumns(items),
        ...columnsOf(
          items,
          ({ fence }) => nowUs + Math.round(fence.leaseMs * 1000),
          ({ fence }) => (fence.uncounted === true ? 1 : 0),
          ({ fence }) => fence.leaseMs === 0,
        ),
      ]);
      const held = new Map(rows.map((row) => [row.place, row]));
      for (const [place, { queue, id, fence, settle }] of items.entries()) {
        const row = held.get(place);
        if (row === undefined) settle({ ok: false, error: leaseLost(id) });
        else settle({ ok: true, value: taskOf(queue.key, row) });
        if (row !== undefined && fence.leaseMs === 0) transaction.arrived(queue.key);
      }
    },
  );
}

/** Deletes of one call. */
export interface DeleteCall {
  readonly queue: OpenQueue;
  readonly targets: readonly LeaseFence[];
}

/** What one statement has removed: places of items, their sizes, and the places of those with a chosen id. Null: none. */
interface GoneRow {
  readonly places: readonly number[] | null;
  readonly sizes: readonly number[] | null;
  readonly named: readonly number[] | null;
}

const DELETED: ItemResult<undefined> = Object.freeze({ ok: true, value: undefined });

/** Removes tasks, all of one round in one statement. */
export async function deleteTasks(
  transaction: PostgresTransaction,
  calls: readonly DeleteCall[],
  tombstoneMs: number,
): Promise<readonly (readonly ItemResult<undefined>[])[]> {
  return inRounds<LeaseFence, undefined>(
    calls.map(({ queue, targets }) => ({ queue, fences: targets })),
    async (items) => {
      const [row] = await transaction.statement<GoneRow>("deleteTasks", [
        transaction.nowUs,
        ...fenceColumns(items),
      ]);
      const places = row?.places ?? [];
      for (const [index, place] of places.entries()) {
        const { queueId, settle } = items[place]!;
        transaction.addTasks(queueId, -1, -row!.sizes![index]!);
        settle(DELETED);
      }
      for (const place of row?.named ?? []) {
        const { queue, id } = items[place]!;
        transaction.bury(queue, id, tombstoneMs);
      }
      if (places.length === items.length) return;
      const gone = new Set(places);
      const left = [...items.entries()].filter(([place]) => !gone.has(place));
      const late = await lateAmong(transaction, left);
      for (const [place, { id, settle }] of left) {
        settle({ ok: false, error: late.has(place) ? leaseLost(id) : unknownTask(id) });
      }
    },
  );
}

/** Only now it matters why: which of the items are there, though not held, or are dead letters now. */
async function lateAmong(
  transaction: PostgresTransaction,
  items: readonly (readonly [number, Item<LeaseFence, undefined>])[],
): Promise<ReadonlySet<number>> {
  const fenced = items.filter(
    ([, { fence }]) => fence.retryCount !== undefined || fence.leaseEndUs !== undefined,
  );
  if (fenced.length === 0) return new Set();
  const columns = columnsOf(
    fenced,
    ([place]) => place,
    ([, { queueId }]) => queueId,
    ([, { id }]) => id,
  );
  const rows = await transaction.statement<{ readonly place: number }>("lateTasks", columns);
  return new Set(rows.map(({ place }) => place));
}

/** The items of calls in one order that all transactions share; two of one task go one after the other. */
async function inRounds<F extends LeaseFence, T>(
  calls: readonly { readonly queue: OpenQueue; readonly fences: readonly F[] }[],
  round: (items: readonly Item<F, T>[]) => Promise<void>,
): Promise<readonly (readonly ItemResult<T>[])[]> {
  const results: ItemResult<T>[][] = calls.map(() => []);
  const rounds: Item<F, T>[][] = [];
  const seen = new Map<string, number>();
  for (const [call, { queue, fences }] of calls.entries()) {
    for (const [place, fence] of fences.entries()) {
      const settle = (result: ItemResult<T>) => {
        results[call]![place] = result;
      };
      const name = nameInQueue(queue.id, fence.id);
      const turn = seen.get(name) ?? 0;
      seen.set(name, turn + 1);
      rounds[turn] ??= [];
      rounds[turn].push({ queue, queueId: queue.id, id: fence.id, fence, settle });
    }
  }
  for (const items of rounds) await round(items.sort(compareInQueue));
  return results;
}

/** The retry count names a lease; its end is only asked for where nothing better was given. */
function fenceColumns(items: readonly Omit<Item<LeaseFence, never>, "settle">[]): unknown[][] {
  return [
    items.map((_, place) => place),
    ...columnsOf(
      items,
      ({ queueId }) => queueId,
      ({ id }) => id,
      ({ fence }) => fence.retryCount ?? null,
      ({ fence }) => (fence.retryCount === undefined ? (fence.leaseEndUs ?? null) : null),
    ),
  ];
}
