import { QueueError } from "../errors.js";
import { LIST_TASKS_MAX, PURGE_CHUNK_TASKS } from "../limits.js";
import type { QueueKey } from "../task.js";
import { readBoolean, readInteger, readObject } from "../wire-read.js";
import { type HttpCalls, queuePath } from "./http-calls.js";
import type { PlainTasks } from "./http-plain.js";
import { getQueue } from "./http-queues.js";

/** Purging over HTTP, a piece at a time, so that the caller sees its progress and can stop it. */

/** Who is told, and who may stop it. */
export interface PurgeOptions {
  readonly signal: AbortSignal;
  readonly onProgress: (removed: number) => void;
}

/**
 * Has the server remove tasks until none are left, or as many as there were at first: others may go on inserting. A piece
 * that goes unanswered is not repeated, because the number would be wrong.
 */
export async function purgeOnServer(
  calls: HttpCalls,
  queue: QueueKey,
  { signal, onProgress }: PurgeOptions,
): Promise<number> {
  const { stats } = await getQueue(calls, queue, true, signal);
  const enough = stats?.totalTasks ?? 0;
  for (let total = 0; ; ) {
    const { purged, more } = await calls.value({
      route: "taskqueues.purge",
      path: queuePath(queue),
      query: [["enoughTasks", PURGE_CHUNK_TASKS]],
      read: (json) => {
        const answer = readObject(json, "answer");
        return { purged: readInteger(answer, "purged") ?? 0, more: readBoolean(answer, "more") ?? false };
      },
      repeat: "undone",
      signal,
    });
    total += purged;
    onProgress(total);
    if (!more || total >= enough) return total;
    signal.throwIfAborted();
  }
}

/**
 * Empties a queue of a server that cannot: lists and deletes what was inserted before now, a page at a time. Tasks that
 * others insert meanwhile stay, so it ends.
 */
export async function purgeByPages(
  calls: HttpCalls,
  queue: QueueKey,
  { tasks, signal, onProgress }: PurgeOptions & { readonly tasks: PlainTasks },
): Promise<number> {
  const startUs = calls.serverClock.nowUs();
  for (let total = 0; ; onProgress(total)) {
    const page = await tasks.list(queue, { limit: LIST_TASKS_MAX }, signal);
    const old = page.tasks.filter((task) => task.enqueuedAtUs <= startUs).map(({ id }) => ({ id }));
    if (old.length === 0) return total;
    const results = await tasks.delete(queue, old, signal);
    const removed = results.filter((result) => result.ok).length;
    if (removed === 0) throw stuck(results[0]!.ok ? undefined : results[0]!.error);
    total += removed;
  }
}

function stuck(cause: QueueError | undefined): QueueError {
  const message = "the server lists tasks that it does not delete; look at one of them, then purge again";
  return new QueueError("unavailable", message, { cause });
}
