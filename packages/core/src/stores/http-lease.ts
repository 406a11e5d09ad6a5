import type { Clock } from "../clock.js";
import { isQueueError } from "../errors.js";
import { CLIENT_ABORT_GRACE_MS } from "../limits.js";
import type { ExactLease } from "../naive-store.js";
import type { QueueKey, Task, TaskWithPayload } from "../task.js";
import { taskFromWire } from "../wire.js";
import { type JsonObject, readArray, readObject } from "../wire-read.js";

/** What leases over HTTP have in common, whoever is asked. */

type LeasedTasks = readonly TaskWithPayload[];

/** A lease call that may be given up. */
export interface RevocableLease {
  /** Sends the call; `cut` ends it whatever becomes of it, `givenUp` when nobody wants it any more. */
  readonly send: (cut: AbortSignal, givenUp: AbortSignal | undefined) => Promise<LeasedTasks>;
  /** Asks the server to answer a waiting call now. */
  readonly endWait?: () => void;
  readonly giveBack: (tasks: LeasedTasks) => Promise<unknown>;
}

/**
 * Leases, and when the caller aborts, gives back what the server has leased meanwhile before the caller hears of it: the
 * answer is awaited for `CLIENT_ABORT_GRACE_MS`, because a connection that is merely cut loses tasks on their way.
 */
export async function leaseOrGiveBack(
  lease: RevocableLease,
  clock: Clock,
  signal: AbortSignal | undefined,
): Promise<LeasedTasks> {
  signal?.throwIfAborted();
  const cut = new AbortController();
  let cancelGrace = () => {};
  const abort = () => {
    cancelGrace = clock.timer(CLIENT_ABORT_GRACE_MS, () => cut.abort(signal?.reason), { keepAlive: true });
    lease.endWait?.();
  };
  signal?.addEventListener("abort", abort, { once: true });
  try {
    const tasks = await lease.send(cut.signal, signal);
    if (signal?.aborted === true && tasks.length > 0) await quietly(lease.giveBack(tasks));
    signal?.throwIfAborted();
    return tasks;
  } catch (error) {
    // Whatever became of the call: whoever aborted hears of that alone.
    signal?.throwIfAborted();
    throw error;
  } finally {
    cancelGrace();
    signal?.removeEventListener("abort", abort);
  }
}

/** Waits for tasks to be given back after an abort, whether or not that succeeds. */
export async function quietly(givingBack: Promise<unknown>): Promise<void> {
  try {
    await givingBack;
  } catch (error) {
    // The server has gone; the leases end by themselves, and the caller has gone too.
    if (!isQueueError(error)) throw error;
  }
}

/** The query of a lease, but for what only some servers know. */
export function leaseQuery(request: ExactLease): readonly (readonly [string, string | number | boolean])[] {
  return [
    ["numTasks", request.maxTasks],
    ["leaseSecs", Math.ceil(request.leaseMs / 1000)],
    ...(request.groupByTag ? [["groupByTag", true] as const] : []),
    ...(request.tag === undefined ? [] : [["tag", request.tag] as const]),
  ];
}

/** The tasks of an answer, in its order; `queue` is theirs unless they say otherwise. */
export function tasksFromWire(json: unknown, queue: QueueKey): LeasedTasks {
  return itemsOf(readObject(json, "answer")).map((item) => taskFromWire(item, queue));
}

/** The task alone: where no payload is asked for, an empty one would be a lie. */
export function withoutPayload({ payload: _, ...task }: TaskWithPayload): Task {
  return task;
}

/** The items of an answer; absent is none. */
export function itemsOf(answer: JsonObject): readonly unknown[] {
  return readArray(answer, "items");
}
