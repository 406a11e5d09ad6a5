import type { ItemResult } from "@pullqueue/core";
import { fromQueueError } from "../errors.js";

/** Where a store's errors become this package's. */

/** Calls the store, and translates its errors. */
export async function atDoor<T>(call: () => Promise<T>, signal?: AbortSignal): Promise<T> {
  try {
    return await call();
  } catch (error) {
    throw fromQueueError(error, signal);
  }
}

/** What went wrong with one item of a batch; undefined: nothing. */
export function errorOf(result: ItemResult<unknown> | undefined): unknown {
  if (result?.ok === true) return undefined;
  return fromQueueError(result?.error);
}
