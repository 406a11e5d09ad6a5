import type { LeaseExtension, QueueKey, TaskWithPayload } from "./task.js";

/** What gives tasks back that nobody has worked on, so that their leases do not count; by queue, in the order given. */
export function releasesByQueue(
  tasks: readonly TaskWithPayload[],
): readonly (readonly [QueueKey, readonly LeaseExtension[]])[] {
  return tasksByQueue(tasks).map(
    ([queue, held]) =>
      [queue, held.map(({ id, retryCount }) => ({ id, retryCount, leaseMs: 0, uncounted: true }))] as const,
  );
}

/** Tasks of several queues, by queue. */
export function tasksByQueue(
  tasks: readonly TaskWithPayload[],
): readonly (readonly [QueueKey, readonly TaskWithPayload[]])[] {
  const groups = new Map<string, [QueueKey, TaskWithPayload[]]>();
  for (const task of tasks) {
    // A project has no slash.
    const name = `${task.queue.project}/${task.queue.queue}`;
    const group = groups.get(name);
    if (group === undefined) groups.set(name, [task.queue, [task]]);
    else group[1].push(task);
  }
  return [...groups.values()];
}
