import type { LeaseFence, NewTask } from "../task.js";

/** The rules of time that every embedded store shares. */

/** When a new task may first be leased. A past time means now. */
export function firstEtaUs(task: NewTask, nowUs: number): number {
  if (task.etaUs !== undefined) return Math.max(nowUs, task.etaUs);
  return nowUs + Math.round((task.delayMs ?? 0) * 1000);
}

/**
 * Whether a task is leased now, by the lease that a fence names. A task that was never leased is not, however far its
 * eta. The retry count names the lease; the end is only asked for where nothing better was given.
 */
export function holdsLease(
  task: { readonly etaUs: number; readonly retryCount: number },
  fence: LeaseFence,
  nowUs: number,
): boolean {
  if (task.retryCount === 0 || task.etaUs <= nowUs) return false;
  if (fence.retryCount !== undefined) return task.retryCount === fence.retryCount;
  return fence.leaseEndUs === undefined || task.etaUs === fence.leaseEndUs;
}
