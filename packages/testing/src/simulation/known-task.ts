import type { DeadLetter, LeaseFence, QueueKey, TaskWithPayload } from "@pullqueue/core";

/** A task as the answers of the store tell of it. */
export interface KnownTask {
  readonly queue: QueueKey;
  readonly id: string;
  /** The name in its payload. */
  readonly key: string;
  readonly payloadBytes: number;
  readonly tag: string | undefined;
  /** When it came into its queue. */
  readonly enteredUs: number;
  /** When its retention is over; infinite without one. */
  readonly expiresUs: number;
  /** In a dead-letter queue: where it came from. */
  readonly deadLetter: DeadLetter | undefined;
  /** When it may be leased next; the end of its lease while it is held. */
  etaUs: number;
  retryCount: number;
  uncounted: number;
  /** When an answer last told of it. */
  changedUs: number;
  /** A purge or a move ended without an answer: it may have gone. */
  isDoubtful: boolean;
}

/** Tasks by queue and id. */
export function nameOfTask(queue: QueueKey, id: string): string {
  return `${queue.project}/${queue.queue}/${id}`;
}

/** Whether somebody holds it. */
export function isHeld(task: KnownTask, nowUs: number): boolean {
  return task.retryCount > 0 && task.etaUs > nowUs;
}

/** How many of its leases count against the retry limit. */
export function attempts({
  retryCount,
  uncounted,
}: Pick<TaskWithPayload, "retryCount" | "uncounted">): number {
  return retryCount - uncounted;
}

/** Whether a fence means the lease that is, or was, the last one. */
export function isMeant(task: KnownTask, fence: LeaseFence): boolean {
  if (fence.retryCount !== undefined) return fence.retryCount === task.retryCount;
  return fence.leaseEndUs === undefined || fence.leaseEndUs === task.etaUs;
}

/** Whether a fence says which lease it means at all. */
export function isFenced(fence: LeaseFence): boolean {
  return fence.retryCount !== undefined || fence.leaseEndUs !== undefined;
}
