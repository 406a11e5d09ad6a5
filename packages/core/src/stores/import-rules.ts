import { GENERATED_ID_PATTERN } from "../limits.js";
import type { TaskRecord } from "../transfer.js";

/** When a task that is to be imported is not the one that has its id. */

/** Whether a store has made the id; one that a caller chose means the same task wherever it is. */
export function isMadeId(id: string): boolean {
  return GENERATED_ID_PATTERN.test(id);
}

/** Whether the task of the same id, inserted then and with this payload, is another one. */
export function isAnother(task: TaskRecord, enqueuedAtUs: number, payload: Uint8Array | undefined): boolean {
  if (payload === undefined) return false;
  return enqueuedAtUs !== task.enqueuedAtUs || Buffer.compare(payload, task.payload) !== 0;
}
