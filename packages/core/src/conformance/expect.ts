import assert from "node:assert/strict";
import { isQueueError, type QueueErrorCode } from "../errors.js";
import type { ItemResult } from "../task.js";

/** The call must fail with a `QueueError` of this code, and a message that says something. */
export async function rejectsWith(call: Promise<unknown>, code: QueueErrorCode): Promise<void> {
  await assert.rejects(call, (error: unknown) => {
    assert.ok(isQueueError(error), `expected a QueueError with the code ${code}, got ${String(error)}`);
    assert.equal(error.code, code, error.message);
    assert.ok(error.message.length > 0, "an error must say what was expected and what came");
    return true;
  });
}

/** The call must fail with exactly this value. */
export async function rejectsWithReason(call: Promise<unknown>, reason: unknown): Promise<void> {
  await assert.rejects(call, (error: unknown) => {
    assert.equal(error, reason, "the signal's reason must come through unchanged");
    return true;
  });
}

/** The values of a batch in which every item must have succeeded. */
export function values<T>(results: readonly ItemResult<T>[]): readonly T[] {
  return results.map((result) => {
    if (!result.ok) throw result.error;
    return result.value;
  });
}

/** The value of a batch of one, which must have succeeded. */
export function soleValue<T>(results: readonly ItemResult<T>[]): T {
  assert.equal(results.length, 1, "a batch of one has one result");
  return values(results)[0]!;
}

/** The outcome of each item: `ok`, or the code of its error. */
export function outcomes(results: readonly ItemResult<unknown>[]): readonly (QueueErrorCode | "ok")[] {
  return results.map((result) => (result.ok ? "ok" : result.error.code));
}

/** The only item of a list. */
export function only<T>(items: readonly T[]): T {
  assert.equal(items.length, 1, `expected one item, got ${items.length}`);
  return items[0]!;
}

/** Ids in the order in which the tasks came. */
export function ids(tasks: readonly { readonly id: string }[]): readonly string[] {
  return tasks.map(({ id }) => id);
}

/** Bytes must be the same, whatever kind of array holds them. */
export function sameBytes(actual: Uint8Array | undefined, expected: Uint8Array): void {
  assert.ok(actual instanceof Uint8Array, "a payload is a Uint8Array");
  assert.equal(actual.byteLength, expected.byteLength);
  assert.ok(
    Buffer.from(actual.buffer, actual.byteOffset, actual.byteLength).equals(expected),
    "bytes differ",
  );
}
