import { QueueError } from "../errors.js";
import { LIST_TASKS_MAX } from "../limits.js";
import type { QueueKey } from "../task.js";
import type { HttpCalls } from "./http-calls.js";
import type { PlainTasks } from "./http-plain.js";

/**
 * Empties a queue of a server that cannot: lists and deletes what was inserted before now, a page at a time. Tasks that
 * others insert meanwhile stay, so it ends.
 */
export async function purgeByPages(
  calls: HttpCalls,
  queue: QueueKey,
  options: {
    readonly tasks: PlainTasks;
    readonly signal: AbortSignal;
    readonly onProgress: (removed: number) => void;
  },
): Promise<number> {
  const { tasks, signal, onProgress } = options;
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
