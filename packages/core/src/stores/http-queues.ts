import { QueueError } from "../errors.js";
import type { RouteName } from "../routes.js";
import type {
  QueueInfo,
  QueueKey,
  QueuePage,
  QueueSettings,
  TagStatsPage,
  TaskWithPayload,
} from "../task.js";
import { taskFromWire } from "../wire.js";
import { queueFromWire, queueToWire, tagStatsFromWire } from "../wire-queue.js";
import { readObject, readString } from "../wire-read.js";
import { type HttpCalls, queuePath } from "./http-calls.js";
import { itemsOf } from "./http-lease.js";

/** Queues over HTTP, and what is looked up of them. Both kinds of servers are spoken to alike, as far as they can. */

/** Settings and, with `stats`, counts. */
export function getQueue(
  calls: HttpCalls,
  queue: QueueKey,
  stats: boolean,
  signal?: AbortSignal,
): Promise<QueueInfo> {
  return calls.value({
    route: "taskqueues.get",
    path: queuePath(queue),
    query: stats ? [["getStats", true]] : [],
    read: (json) => queueFromWire(json, queue.project),
    repeat: "harmless",
    signal,
  });
}

/** One task with its payload, or undefined. Rejects with `not_found` when there is no such queue. */
export async function findTask(
  calls: HttpCalls,
  queue: QueueKey,
  id: string,
  signal?: AbortSignal,
): Promise<TaskWithPayload | undefined> {
  const outcome = await calls.outcome({
    route: "tasks.get",
    path: { ...queuePath(queue), task: id },
    read: (json) => taskFromWire(json, queue),
    repeat: "harmless",
    signal,
  });
  if (outcome.ok) return outcome.value;
  if (outcome.error.code !== "not_found") throw outcome.error;
  // Servers say 404 for both; this fails when it is the queue that is not there.
  if (outcome.error.location !== "task") await getQueue(calls, queue, false, signal);
  return undefined;
}

/** Creates a queue, or replaces its settings. */
export function putQueue(
  calls: HttpCalls,
  queue: QueueKey,
  settings: QueueSettings,
  signal?: AbortSignal,
): Promise<QueueInfo> {
  return calls.value({
    route: "taskqueues.update",
    path: queuePath(queue),
    body: { ...queueToWire({ key: queue, settings, paused: false }, "") },
    read: (json) => queueFromWire(json, queue.project),
    repeat: "harmless",
    signal,
  });
}

/** A page of a project's queues. */
export function listQueues(
  calls: HttpCalls,
  project: string,
  page: {
    readonly limit: number;
    readonly pageToken: string | undefined;
    readonly stats: boolean;
    readonly signal: AbortSignal | undefined;
  },
): Promise<QueuePage> {
  return calls.value({
    route: "taskqueues.list",
    path: { project },
    query: [
      ["maxResults", page.limit],
      ...(page.pageToken === undefined ? [] : [["pageToken", page.pageToken] as const]),
      ...(page.stats ? [["getStats", true] as const] : []),
    ],
    read: (json) => {
      const answer = readObject(json, "answer");
      return {
        queues: itemsOf(answer).map((item) => queueFromWire(item, project)),
        nextPageToken: readString(answer, "nextPageToken"),
      };
    },
    repeat: "harmless",
    signal: page.signal,
  });
}

/** Pauses a queue, or ends its pause. */
export function setPaused(
  calls: HttpCalls,
  queue: QueueKey,
  route: "taskqueues.pause" | "taskqueues.resume",
  signal?: AbortSignal,
): Promise<QueueInfo> {
  return calls.value({
    route,
    path: queuePath(queue),
    read: (json) => queueFromWire(json, queue.project),
    repeat: "harmless",
    signal,
  });
}

/** A page of counts by tag. */
export function tagStats(
  calls: HttpCalls,
  queue: QueueKey,
  page: {
    readonly limit: number;
    readonly pageToken: string | undefined;
    readonly signal: AbortSignal | undefined;
  },
): Promise<TagStatsPage> {
  return calls.value({
    route: "taskqueues.tagStats",
    path: queuePath(queue),
    query: [
      ["maxResults", page.limit],
      ...(page.pageToken === undefined ? [] : [["pageToken", page.pageToken] as const]),
    ],
    read: (json) => {
      const answer = readObject(json, "answer");
      return {
        tags: itemsOf(answer).map(tagStatsFromWire),
        nextPageToken: readString(answer, "nextPageToken"),
      };
    },
    repeat: "harmless",
    signal: page.signal,
  });
}

/** Removes a queue. When an earlier attempt went unanswered, a queue that is not there has been removed by it. */
export async function deleteQueue(calls: HttpCalls, queue: QueueKey, signal?: AbortSignal): Promise<void> {
  const outcome = await calls.outcome({
    route: "taskqueues.delete",
    path: queuePath(queue),
    read: () => undefined,
    repeat: "harmless",
    signal,
  });
  if (outcome.ok || (outcome.unclear && outcome.error.code === "not_found")) return;
  throw outcome.error;
}

/** What a caller hears who asks for more than a server has. */
export function requireMethod(methods: ReadonlySet<RouteName>, name: RouteName): void {
  if (methods.has(name)) return;
  throw new QueueError(
    "not_supported",
    `this server has no method ${name}; what it has is in its discovery document (App Engine's queues were managed by queue.yaml alone)`,
  );
}
