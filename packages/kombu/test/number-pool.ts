import { manualClock } from "@pullqueue/core";
import { type PoolOptions, type ResourceKind, ResourcePool } from "@pullqueue/kombu";

/** A pool of numbers, in the order in which they were made, and which of them were closed. */
export function poolOf(options: PoolOptions, kind: Partial<ResourceKind<number>> = {}) {
  const clock = manualClock();
  const closed: number[] = [];
  let made = 0;
  const pool = new ResourcePool<number>(
    {
      ...{ name: "number", clock, create: () => made++ },
      close: async (resource) => void closed.push(resource),
      ...kind,
    },
    options,
  );
  const counts = () => ({ size: pool.size, inUse: pool.inUse, waiting: pool.waiting });
  return { pool, clock, closed, counts };
}

/** A promise to be settled by hand. */
export function deferred<T>() {
  let resolve = (_value: T) => {};
  let reject = (_error: unknown) => {};
  const promise = new Promise<T>((...settle) => {
    [resolve, reject] = settle;
  });
  return { promise, resolve, reject };
}
