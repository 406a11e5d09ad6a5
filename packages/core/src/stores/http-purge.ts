import { QueueError } from "../errors.js";
import { LIST_TASKS_MAX, PURGE_CHUNK_TASKS } from "../limits.js";
import type { RouteName } from "../routes.js";
import type { QueueKey, TagFilter } from "../task.js";
import { readBoolean, readInteger, readObject } from "../wire-read.js";
import { type HttpCalls, queuePath } from "./http-calls.js";
import type { PlainTasks } from "./http-plain.js";
import { getQueue } from "./http-queues.js";

/** Purging and redriving over HTTP, a piece at a time, so that the caller sees its progress and can stop it. */

/** Who is told, and who may stop it. */
export interface ProgressOptions {
  readonly signal: AbortSignal;
  readonly onProgress: (tasks: number) => void;
}

/** Has the server remove all tasks, or those of one tag. */
export function purgeOnServer(
  calls: HttpCalls,
  queue: QueueKey,
  { only, ...options }: ProgressOptions & { readonly only: TagFilter | undefined },
): Promise<number> {
  const tag = only?.tag === undefined ? (["untagged", true] as const) : (["tag", only.tag] as const);
  return inPieces(calls, queue, options, {
    route: "taskqueues.purge",
    query: only === undefined ? [] : [tag],
    count: "purged",
  });
}

/** Has the server move dead letters back to where they came from. */
export function redriveOnServer(
  calls: HttpCalls,
  queue: QueueKey,
  options: ProgressOptions,
): Promise<number> {
  return inPieces(calls, queue, options, { route: "taskqueues.redrive", query: [], count: "redriven" });
}

/** A method that is called until it says that there is no more. */
interface PiecewiseMethod {
  readonly route: RouteName;
  readonly query: readonly (readonly [name: string, value: string | number | boolean])[];
  /** The field with the number of tasks. */
  readonly count: string;
}

/**
 * Goes on until nothing is left, or with as many tasks as there were at first: others may go on inserting. A piece that
 * goes unanswered is not repeated, because the number would be wrong.
 */
async function inPieces(
  calls: HttpCalls,
  queue: QueueKey,
  { signal, onProgress }: ProgressOptions,
  method: PiecewiseMethod,
): Promise<number> {
  const { stats } = await getQueue(calls, queue, true, signal);
  const enough = stats?.totalTasks ?? 0;
  for (let total = 0; ; ) {
    const { count, more } = await calls.value({
      route: method.route,
      path: queuePath(queue),
      query: [["enoughTasks", PURGE_CHUNK_TASKS], ...method.query],
      read: (json) => {
        const answer = readObject(json, "answer");
        return { count: readInteger(answer, method.count) ?? 0, more: readBoolean(answer, "more") ?? false };
      },
      repeat: "undone",
      signal,
    });
    total += count;
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
  { tasks, signal, onProgress }: ProgressOptions & { readonly tasks: PlainTasks },
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
