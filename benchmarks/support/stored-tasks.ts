import type { QueueAdmin, QueueKey, QueueStore } from "@pullqueue/core";

/** Bytes of each payload: small, so that ten million tasks fit on a usual disk. */
const PAYLOAD_BYTES = 100;

/** Tasks of one call that fills, and how many such calls are under way. */
const FILL_BATCH = 1000;
const FILL_CALLS = 4;

/** Longer than any measurement, in milliseconds. */
const LEASE_MS = 600_000;

/** Adds so many tasks. */
export async function fill(store: QueueStore, queue: QueueKey, count: number): Promise<void> {
  let left = count;
  const caller = async () => {
    while (left > 0) {
      const batch = Math.min(left, FILL_BATCH);
      left -= batch;
      await insert(store, queue, batch);
    }
  };
  await Promise.all(Array.from({ length: FILL_CALLS }, caller));
}

/** How long each call took, in milliseconds, by what it did. */
export interface CycleTimes {
  readonly insert: readonly number[];
  readonly lease: readonly number[];
  readonly delete: readonly number[];
  readonly stats: readonly number[];
}

/** Insert, lease, delete and statistics in turn, so that their number stays; alone, so that each call is seen whole. */
export async function cycleTimes(
  store: QueueStore & QueueAdmin,
  queue: QueueKey,
  { batch, cycles }: { readonly batch: number; readonly cycles: number },
): Promise<CycleTimes> {
  const times = {
    insert: [] as number[],
    lease: [] as number[],
    delete: [] as number[],
    stats: [] as number[],
  };
  const timed = async <T>(name: keyof typeof times, work: () => Promise<T>): Promise<T> => {
    const startMs = performance.now();
    const result = await work();
    times[name].push(performance.now() - startMs);
    return result;
  };
  for (let cycle = 0; cycle < cycles; cycle++) {
    await timed("insert", () => insert(store, queue, batch));
    const request = { maxTasks: batch, leaseMs: LEASE_MS };
    const tasks = await timed("lease", () => store.lease([queue], request));
    const fences = tasks.map(({ id, retryCount }) => ({ id, retryCount }));
    const results = await timed("delete", () => store.delete(queue, fences));
    for (const result of results) if (!result.ok) throw result.error;
    await timed("stats", () => store.getQueue(queue, { stats: true }));
  }
  return times;
}

async function insert(store: QueueStore, queue: QueueKey, batch: number): Promise<void> {
  const tasks = Array.from({ length: batch }, () => ({ payload: new Uint8Array(PAYLOAD_BYTES).fill(120) }));
  for (const result of await store.insert(queue, tasks)) if (!result.ok) throw result.error;
}
