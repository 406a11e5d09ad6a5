import { limits, QueueError, type QueueKey, releasesByQueue, type TaskWithPayload } from "@pullqueue/core";
import type { ApiRequest } from "../api-request.js";
import { type Call, defineMethod, type Service } from "../method.js";
import type { IntegerParameter, ParameterTable, StringParameter } from "../parameters.js";
import { TasksAnswer } from "../task-answers.js";
import { absentIfNotFound } from "./taskqueues.js";

/** Leasing, which may wait. */

const WAIT_MS = {
  type: "integer",
  format: "int32",
  minimum: 0,
  maximum: limits.WAIT_MS_MAX,
  description: "Addition. How long the answer may wait for a first task, in milliseconds; 0 when absent.",
} as const satisfies IntegerParameter;

const CALL_ID = {
  type: "string",
  lengthMax: limits.CALL_ID_LENGTH_MAX,
  description:
    "Addition. A name for this call, unique among those of its caller in its project, for taskqueues.cancelLease.",
} as const satisfies StringParameter;

const QUEUE_NAMES = {
  type: "string",
  required: true,
  repeated: true,
  description: "A queue; given once for each.",
} as const satisfies StringParameter;

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
  waitMs: WAIT_MS,
  callId: CALL_ID,
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
  access: "consume",
  parameters: LEASE_PARAMETERS,
  response: "Tasks",
  run: (call) => lease(call, [call.queue]),
});

/** POST …/taskqueues:lease */
export const leaseFromQueues = defineMethod({
  description: "Addition. Leases the oldest available tasks of several queues taken together.",
  access: "consume",
  parameters: { taskqueue: QUEUE_NAMES, ...LEASE_PARAMETERS },
  response: "Tasks",
  queues: (path, { taskqueue }) => namedQueues(path, taskqueue),
  run: (call) => lease(call, namedQueues(call.queue, call.parameters.taskqueue)),
});

/** POST …/taskqueues:cancelLease */
export const cancelLease = defineMethod({
  description:
    "Addition. Ends the wait of a lease by its name: it is answered at once, mostly without tasks.",
  access: "any",
  parameters: { callId: { ...CALL_ID, required: true } },
  response: "CancelResult",
  async run(call) {
    const cancelled = call.service.waitingCalls.cancel(callName(call, call.parameters.callId));
    return { kind: "taskqueues#cancelResult", cancelled };
  },
});

/** POST …/taskqueues:wait */
export const waitForTasks = defineMethod({
  description: "Addition. Answers when a task of one of the queues is available, or when time is up.",
  access: "consume",
  parameters: { taskqueue: QUEUE_NAMES, waitMs: WAIT_MS },
  response: "WaitResult",
  queues: (path, { taskqueue }) => namedQueues(path, taskqueue),
  async run({ service, queue, parameters, request }) {
    const queues = namedQueues(queue, parameters.taskqueue);
    const found = new AbortController();
    const waiting = unlessEnded(service, request, found.signal, false, (signal) =>
      service.store.wait(queues, parameters.waitMs ?? 0, { signal }),
    );
    // The client looked before this request arrived; what came in between is seen by looking again.
    const looking = anyAvailable(service, queues).then((any) => {
      if (any) found.abort();
    });
    const [woken] = await Promise.all([waiting, looking]);
    return { kind: "taskqueues#waitResult", available: woken || found.signal.aborted };
  },
});

async function anyAvailable({ store }: Service, queues: readonly QueueKey[]): Promise<boolean> {
  for (const queue of queues) {
    const info = await store.getQueue(queue, { stats: true }).catch(absentIfNotFound);
    // What is held back would be asked for again and again.
    const isHeldBack = info?.paused === true || info?.settings.disabled === true;
    if (!isHeldBack && (info?.stats?.availableTasks ?? 0) > 0) return true;
  }
  return false;
}

/** The queues of a call on several. */
function namedQueues({ project }: QueueKey, repeated: readonly string[]): readonly QueueKey[] {
  const names = [...new Set(repeated)];
  if (names.length > limits.LEASE_QUEUES_MAX) {
    throw new QueueError(
      "invalid_argument",
      `at most ${limits.LEASE_QUEUES_MAX} queues can be leased from in one call, got ${names.length}`,
      { location: "taskqueue", reason: "invalidParameter" },
    );
  }
  return names.map((queue) => ({ project, queue }));
}

/** Names of calls are kept apart by project and caller: nobody ends another's lease by guessing. */
function callName({ queue, caller }: Call<ParameterTable>, callId: string): string {
  return JSON.stringify([queue.project, caller.email, callId]);
}

async function lease(call: Call<typeof LEASE_PARAMETERS>, queues: readonly QueueKey[]): Promise<object> {
  const { service, parameters, request } = call;
  const leaseTasks = (waitMs: number, signal: AbortSignal | undefined) =>
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
      signal && { signal },
    );
  const waitMs = parameters.waitMs ?? 0;
  const leaseWaiting = (cancelled?: AbortSignal) =>
    unlessEnded<readonly TaskWithPayload[]>(service, request, cancelled, [], (signal) =>
      leaseTasks(waitMs, signal),
    );
  let tasks: readonly TaskWithPayload[];
  if (waitMs === 0) tasks = await leaseTasks(0, request.hasGone === undefined ? request.signal : undefined);
  else if (parameters.callId === undefined) tasks = await leaseWaiting();
  else tasks = await service.waitingCalls.run(callName(call, parameters.callId), leaseWaiting);
  if (request.hasGone?.() ?? request.signal.aborted) await giveBack(service, tasks);
  return new TasksAnswer(tasks, service.prefix);
}

/**
 * Waits; when `ended` cuts it short, nothing came of it, which is an answer and not an error. A closing server cuts it
 * short too, and that is an error: a client that took it for an empty answer would ask again at once.
 */
async function unlessEnded<T>(
  { closing }: Service,
  request: ApiRequest,
  ended: AbortSignal | undefined,
  nothing: T,
  wait: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const waited = request.willWait?.();
  // One controller for each wait: AbortSignal.any would tie every request to the server's long-lived signal.
  const either = new AbortController();
  const signals = [request.signal, closing, ...(ended === undefined ? [] : [ended])];
  const abort = () => either.abort(signals.find((signal) => signal.aborted)?.reason);
  for (const signal of signals) signal.addEventListener("abort", abort, { once: true });
  if (signals.some((signal) => signal.aborted)) abort();
  try {
    return await wait(either.signal);
  } catch (error) {
    // Also of one that hangs up as soon as it has cancelled: its own reason is another.
    if (ended?.aborted === true && ended.reason === error) return nothing;
    if (closing.aborted && closing.reason === error) {
      throw new QueueError("closed", "the server is closing; ask again, it or another may be back soon");
    }
    throw error;
  } finally {
    waited?.();
    for (const signal of signals) signal.removeEventListener("abort", abort);
  }
}

/** The client went away while its tasks were being leased: others may have them at once. */
async function giveBack({ store }: Service, tasks: readonly TaskWithPayload[]): Promise<void> {
  for (const [queue, held] of releasesByQueue(tasks)) await store.extend(queue, held);
}
