import type { Arrival } from "../naive-store.js";
import type { DeadLetter, LeaseFence, NewTask, QueueSettings, Task } from "../task.js";

/** The rules of time that every embedded store shares. */

/** When a new task may first be leased. A past time means now. */
export function firstEtaUs(task: NewTask, nowUs: number): number {
  if (task.etaUs !== undefined) return Math.max(nowUs, task.etaUs);
  return nowUs + Math.round((task.delayMs ?? 0) * 1000);
}

/** When a task that enters a queue now has been there long enough; undefined: never. */
export function expiryUs(settings: Pick<QueueSettings, "retentionMs">, nowUs: number): number | undefined {
  return settings.retentionMs === undefined ? undefined : nowUs + settings.retentionMs * 1000;
}

/** What says whether somebody holds a task. */
interface Holding {
  readonly etaUs: number;
  readonly retryCount: number;
  readonly givenBack: boolean;
}

/**
 * Whether somebody holds a task. One that was never leased, or was given back, is nobody's, however far its eta: the clock
 * of whoever gave it back may be ahead of the one that asks.
 */
export function isHeld({ etaUs, retryCount, givenBack }: Holding, nowUs: number): boolean {
  return retryCount > 0 && !givenBack && etaUs > nowUs;
}

/** What is noted of a task that moves to a dead-letter queue. */
export function deadLetterOf(task: Task, reason: DeadLetter["reason"], nowUs: number): DeadLetter {
  return { queue: task.queue.queue, id: task.id, reason, retryCount: task.retryCount, atUs: nowUs };
}

/** How many tasks came into which queues. */
export function arrivalsOf(moved: readonly Task[]): readonly Arrival[] {
  const counts = new Map<string, { readonly queue: Task["queue"]; tasks: number }>();
  for (const { queue } of moved) {
    const name = `${queue.project}/${queue.queue}`;
    const arrival = counts.get(name);
    if (arrival === undefined) counts.set(name, { queue, tasks: 1 });
    else arrival.tasks += 1;
  }
  return [...counts.values()];
}

/** Whether a task is held by the lease that a fence names: by retry count; the end is only asked for where nothing better was given. */
export function holdsLease(task: Holding, fence: LeaseFence, nowUs: number): boolean {
  if (!isHeld(task, nowUs)) return false;
  if (fence.retryCount !== undefined) return task.retryCount === fence.retryCount;
  return fence.leaseEndUs === undefined || task.etaUs === fence.leaseEndUs;
}
