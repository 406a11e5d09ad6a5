import {
  type Clock,
  DEFAULT_QUEUE_SETTINGS,
  type ExportedTask,
  isQueueError,
  newIdempotencyKey,
  QueueError,
  type QueueInfo,
  type QueueKey,
  type TransferStore,
} from "@pullqueue/core";
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
 * Throws `invalid_argument` when both are one store under two addresses: what is there already is removed from the old
 * one, so all would be lost. A queue that is made in the new one for a moment must not be seen in the old one.
 */
export async function checkDifferent(
  from: TransferStore,
  to: TransferStore,
  signal: AbortSignal,
): Promise<void> {
  const probe: QueueKey = { project: "pullqueue-migrate", queue: newIdempotencyKey() };
  await to.putQueue(probe, DEFAULT_QUEUE_SETTINGS, { signal });
  try {
    await from.getQueue(probe, { signal });
  } catch (error) {
    if (isQueueError(error, "not_found")) return;
    throw error;
  } finally {
    await to.deleteQueue(probe);
  }
  throw new QueueError("invalid_argument", "--from and --to are the same store");
}

/**
 * Moves a queue from one store to another. Both are paused meanwhile: producers go on, consumers of the old one finish
 * what they hold, and nobody gets a task twice. A task leaves the old store only when it is on disk in the new one; what
 * an interrupted run had copied already, the next one finds there and removes here. Ends when the old queue is empty, or
 * with `invalid_argument` at tasks that the new store refuses: when they are gone, the next run goes on.
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
      const held = tasks.filter((task) => task.isHeld).map(({ id }) => id);
      counts.leased += held.length;
      // An interrupted run may have left copies of them: whoever finishes them here could not finish those.
      if (held.length > 0) await to.transfer.withdrawTasks(queue, held, { signal });
      counts.moved += await moveTasks(from, to, queue, free, signal).catch((error: unknown) => {
        throw isQueueError(error, "invalid_argument") ? halfMoved(error, counts.moved) : error;
      });
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
  // Their names stay free in the new store, where a later turn brings those that were given back.
  if (changed.length > 0) await to.transfer.withdrawTasks(queue, changed);
  return tasks.length - changed.length;
}

/** The new store takes no such tasks, as those of older versions can be: whoever runs the migration decides about them. */
function halfMoved(refusal: QueueError, moved: number): QueueError {
  return new QueueError(
    "invalid_argument",
    `${refusal.message}. ${moved} tasks of this queue have been moved, and the others are in the old store as they were; the queues of both stores stay paused, so that nothing is lost or done twice. Look at what is refused and delete it in the old store (tasks.get and tasks.delete of its server), then run this command again to go on`,
    { cause: refusal },
  );
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
