import type { Clock, ExportedTask, QueueInfo, QueueKey, TransferStore } from "@pullqueue/core";
import { MIGRATE_LOOK_MS } from "../limits.js";
import { pages } from "./export.js";

/** What a migration did to one queue. */
export interface MigrationCounts {
  moved: number;
  tombstones: number;
  /** Tasks that consumers of the old store hold; they are waited for. */
  leased: number;
}

/** What a migration needs around it. */
export interface MigrationOptions {
  readonly clock: Clock;
  readonly signal: AbortSignal;
  readonly onProgress: (counts: MigrationCounts) => void;
}

/**
 * Moves a queue from one store to another. Both are paused meanwhile: producers go on, consumers of the old one finish
 * what they hold, and nobody gets a task twice. A task leaves the old store only when it is on disk in the new one; what
 * an interrupted run had copied already, the next one finds there and removes here. Ends when the old queue is empty.
 */
export async function migrateQueue(
  from: TransferStore,
  to: TransferStore,
  info: QueueInfo,
  { clock, signal, onProgress }: MigrationOptions,
): Promise<MigrationCounts> {
  const queue = info.key;
  const counts: MigrationCounts = { moved: 0, tombstones: 0, leased: 0 };
  await from.pauseQueue(queue, { signal });
  await to.putQueue(queue, info.settings, { signal });
  await to.pauseQueue(queue, { signal });
  for (;;) {
    counts.leased = 0;
    for await (const tasks of pages((afterId) => from.transfer.exportTasks(queue, { signal, afterId }))) {
      const free = tasks.filter((task) => !task.isHeld);
      counts.leased += tasks.length - free.length;
      counts.moved += await moveTasks(from, to, queue, free, signal);
      onProgress(counts);
    }
    const { stats } = await from.getQueue(queue, { stats: true, signal });
    if (stats?.totalTasks === 0) break;
    onProgress(counts);
    if (counts.leased > 0) await pause(clock, MIGRATE_LOOK_MS, signal);
  }
  for await (const tombstones of pages((afterId) =>
    from.transfer.exportTombstones(queue, { signal, afterId }),
  )) {
    await to.transfer.importTombstones(queue, tombstones, { signal });
    counts.tombstones += tombstones.length;
    onProgress(counts);
  }
  return counts;
}

async function moveTasks(
  from: TransferStore,
  to: TransferStore,
  queue: QueueKey,
  tasks: readonly ExportedTask[],
  signal: AbortSignal,
): Promise<number> {
  if (tasks.length === 0) return 0;
  await to.transfer.importTasks(queue, tasks, { signal });
  // From here on each of them is in both: not interrupted, so that as few as possible stay so.
  const changed = await from.transfer.removeTasks(queue, tasks);
  // A lease that was under way when the queue was paused has taken some: they stay where their holders look for them.
  const copies = changed.map((id) => ({ id }));
  if (copies.length > 0) await to.delete(queue, copies);
  return tasks.length - changed.length;
}

/** Sleeps, or throws the signal's reason as soon as it fires. */
async function pause(clock: Clock, ms: number, signal: AbortSignal): Promise<void> {
  await new Promise<void>((resolve) => {
    const end = () => {
      cancel();
      signal.removeEventListener("abort", end);
      resolve();
    };
    const cancel = clock.timer(ms, end, { keepAlive: true });
    signal.addEventListener("abort", end, { once: true });
    if (signal.aborted) end();
  });
  signal.throwIfAborted();
}
