import { isQueueError, type QueueError } from "./errors.js";
import type { ItemResult } from "./task.js";

/** Gives the valid items to a store, and a result to every item in its place. */
export async function eachValid<I, T>(
  items: readonly I[],
  check: (item: I) => void,
  call: (valid: readonly I[]) => Promise<readonly ItemResult<T>[]>,
): Promise<readonly ItemResult<T>[]> {
  // A hole in an array is an item too.
  const complaints = Array.from(items, (item) => complaintOf(item, check));
  if (complaints.every((complaint) => complaint === undefined)) return call(items);
  const valid = items.filter((_, index) => complaints[index] === undefined);
  const results = valid.length === 0 ? [] : await call(valid);
  let next = 0;
  return complaints.map((error) => (error === undefined ? results[next++]! : { ok: false, error }));
}

function complaintOf<I>(item: I, check: (item: I) => void): QueueError | undefined {
  try {
    check(item);
    return undefined;
  } catch (error) {
    // A rule's complaint is this item's result; anything else is a defect.
    if (isQueueError(error)) return error;
    throw error;
  }
}
