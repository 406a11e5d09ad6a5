import { limits, QueueError, type QueueKey, type TaskWithPayload, taskToWire } from "@pullqueue/core";
import { type Call, defineMethod, type Service } from "../method.js";
import type { ParameterTable } from "../parameters.js";

/** Leasing, which may wait. */

const LEASE_PARAMETERS = {
  numTasks: {
    type: "integer",
    format: "int32",
    minimum: 1,
    maximum: limits.LEASE_TASKS_MAX,
    required: true,
    description: "How many tasks to lease at most.",
  },
  leaseSecs: {
    type: "integer",
    format: "int32",
    minimum: 0,
    maximum: limits.LEASE_MS_MAX / 1000,
    required: true,
    description: "How long the tasks are hidden from others, in seconds.",
  },
  groupByTag: {
    type: "boolean",
    description: "Lease only tasks that share one tag: the one given, or that of the oldest available task.",
  },
  tag: { type: "string", description: "The tag to lease; only together with groupByTag." },
  waitMs: {
    type: "integer",
    format: "int32",
    minimum: 0,
    maximum: limits.WAIT_MS_MAX,
    description: "Addition. How long the answer may wait for a first task, in milliseconds; 0 when absent.",
  },
  payloadBytesMax: {
    type: "integer",
    format: "int32",
    minimum: 1,
    maximum: limits.LEASE_PAYLOAD_BYTES_MAX,
    description:
      "Addition. Payload bytes after which no task is added; 1 MiB when absent. One task always fits.",
  },
} as const satisfies ParameterTable;

/** POST …/tasks/lease */
export const leaseTasks = defineMethod({
  description: "Leases the oldest available tasks of a queue.",
  parameters: LEASE_PARAMETERS,
  response: "Tasks",
  run: (call) => lease(call, [call.queue]),
});

/** POST …/taskqueues:lease */
export const leaseFromQueues = defineMethod({
  description: "Addition. Leases the oldest available tasks of several queues taken together.",
  parameters: {
    taskqueue: {
      type: "string",
      required: true,
      repeated: true,
      description: "A queue to lease from; given once for each.",
    },
    ...LEASE_PARAMETERS,
  },
  response: "Tasks",
  run(call) {
    const names = [...new Set(call.parameters.taskqueue)];
    if (names.length > limits.LEASE_QUEUES_MAX) {
      throw new QueueError(
        "invalid_argument",
        `at most ${limits.LEASE_QUEUES_MAX} queues can be leased from in one call, got ${names.length}`,
        { location: "taskqueue", reason: "invalidParameter" },
      );
    }
    return lease(
      call,
      names.map((queue) => ({ project: call.queue.project, queue })),
    );
  },
});

async function lease(call: Call<typeof LEASE_PARAMETERS>, queues: readonly QueueKey[]): Promise<object> {
  const { service, parameters } = call;
  const caller = call.request.signal;
  const tasks = await leaseUnlessClosing(service, caller, parameters.waitMs ?? 0, (waitMs, signal) =>
    service.store.lease(
      queues,
      {
        maxTasks: parameters.numTasks,
        leaseMs: parameters.leaseSecs * 1000,
        groupByTag: parameters.groupByTag,
        tag: parameters.tag,
        payloadBytesMax: parameters.payloadBytesMax,
        waitMs,
      },
      { signal },
    ),
  );
  if (caller.aborted) await giveBack(service, tasks);
  return {
    kind: "taskqueue#tasks",
    ...(tasks.length === 0 ? {} : { items: tasks.map((task) => taskToWire(task, service.prefix)) }),
  };
}

/** Leases; a wait that the server's closing cuts short has leased nothing, which is an answer and not an error. */
async function leaseUnlessClosing(
  { closing }: Service,
  caller: AbortSignal,
  waitMs: number,
  leaseTasks: (waitMs: number, signal: AbortSignal) => Promise<readonly TaskWithPayload[]>,
): Promise<readonly TaskWithPayload[]> {
  if (waitMs === 0 || closing.aborted) return leaseTasks(0, caller);
  // One controller for each wait: AbortSignal.any would tie every request to the server's long-lived signal.
  const either = new AbortController();
  const abort = () => either.abort(caller.aborted ? caller.reason : closing.reason);
  caller.addEventListener("abort", abort, { once: true });
  closing.addEventListener("abort", abort, { once: true });
  if (caller.aborted) abort();
  try {
    return await leaseTasks(waitMs, either.signal);
  } catch (error) {
    if (closing.aborted && !caller.aborted && error === closing.reason) return [];
    throw error;
  } finally {
    caller.removeEventListener("abort", abort);
    closing.removeEventListener("abort", abort);
  }
}

/** The client went away while its tasks were being leased: others may have them at once. */
async function giveBack({ store }: Service, tasks: readonly TaskWithPayload[]): Promise<void> {
  const byQueue = new Map<string, TaskWithPayload[]>();
  for (const task of tasks) byQueue.set(task.queue.queue, [...(byQueue.get(task.queue.queue) ?? []), task]);
  for (const held of byQueue.values()) {
    const releases = held.map(({ id, retryCount }) => ({ id, retryCount, leaseMs: 0, uncounted: true }));
    await store.extend(held[0]!.queue, releases);
  }
}
