import { isQueueError, type QueueError } from "./errors.js";
import type { Eventual } from "./eventual.js";
import type { ItemResult } from "./task.js";

/** Gives the valid items to a store, and a result to every item in its place. */
export function eachValid<I, T>(
  items: readonly I[],
  check: (item: I) => void,
  call: (valid: readonly I[]) => Promise<readonly ItemResult<T>[]>,
): Promise<readonly ItemResult<T>[]>;
export function eachValid<I, T>(
  items: readonly I[],
  check: (item: I) => void,
  call: (valid: readonly I[]) => Eventual<readonly ItemResult<T>[]>,
): Eventual<readonly ItemResult<T>[]>;
export function eachValid<I, T>(
  items: readonly I[],
  check: (item: I) => void,
  call: (valid: readonly I[]) => Eventual<readonly ItemResult<T>[]>,
): Eventual<readonly ItemResult<T>[]> {
  if (areValid(items, check)) return call(items);
  // A hole in an array is an item too.
  return eachAnswered(
    items,
    Array.from(items, (item) => complaintOf(item, check)),
    call,
  );
}

/** Each complaint is its item's result; the store answers for the others. */
async function eachAnswered<I, T>(
  items: readonly I[],
  complaints: readonly (QueueError | undefined)[],
  call: (valid: readonly I[]) => Eventual<readonly ItemResult<T>[]>,
): Promise<readonly ItemResult<T>[]> {
  const valid = items.filter((_, index) => complaints[index] === undefined);
  const results = valid.length === 0 ? [] : await call(valid);
  let next = 0;
  return complaints.map((error) => (error === undefined ? results[next++]! : { ok: false, error }));
}

/** The usual case, without a list of no complaints. */
function areValid<I>(items: readonly I[], check: (item: I) => void): boolean {
  for (const item of items) if (complaintOf(item, check) !== undefined) return false;
  return true;
}

/** What a rule has against an item. */
export function complaintOf<I>(item: I, check: (item: I) => void): QueueError | undefined {
  try {
    check(item);
    return undefined;
  } catch (error) {
    // A rule's complaint is this item's result; anything else is a defect.
    if (isQueueError(error)) return error;
    throw error;
  }
}
