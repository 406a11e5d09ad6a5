import {
  checkQueueName,
  type ItemResult,
  limits,
  newTaskFromWire,
  QueueError,
  readInteger,
  readString,
  type Task,
  taskToWire,
} from "@pullqueue/core";
import { TASK_BODY_BYTES_MAX } from "../limits.js";
import { type Call, defineMethod, Refusal } from "../method.js";
import type { IntegerParameter } from "../parameters.js";
import { TaskAnswer } from "../task-answers.js";
import { traceContextOf } from "../trace-headers.js";

/** The methods on one task, and the list. Leasing is in leases.ts. */

const NEW_LEASE_SECONDS = {
  type: "integer",
  format: "int32",
  minimum: 0,
  maximum: limits.LEASE_MS_MAX / 1000,
  required: true,
  description: "The lease's new length in seconds, counted from now; 0 gives the task back.",
} as const satisfies IntegerParameter;

/** POST …/tasks */
export const insertTask = defineMethod({
  description: "Adds a task to a queue.",
  access: "produce",
  parameters: {},
  request: { schema: "Task", bytesMax: TASK_BODY_BYTES_MAX },
  response: "Task",
  async run({ service, queue, body, request }) {
    const task = newTaskFromWire(body, queue, traceContextOf(request));
    const stored = onlyTask(await service.store.insert(queue, [task]));
    return new TaskAnswer(stored, task.payload, service.prefix);
  },
});

/** GET …/tasks/{task} */
export const getTask = defineMethod({
  description: "Shows a task with its payload, without leasing it.",
  access: "consume",
  parameters: {},
  response: "Task",
  async run({ service, queue, task }) {
    const found = (await service.store.peek(queue, { id: task })).tasks[0];
    if (found === undefined) {
      throw new QueueError("not_found", `there is no task ${JSON.stringify(task)} in the queue`, {
        location: "task",
      });
    }
    return taskToWire(found, service.prefix);
  },
});

/** GET …/tasks */
export const listTasks = defineMethod({
  description: "Lists the tasks of a queue, leased or not, oldest first and without payloads.",
  access: "consume",
  parameters: {
    maxResults: {
      type: "integer",
      format: "int32",
      minimum: 1,
      maximum: limits.LIST_TASKS_MAX,
      description: "Addition. Most tasks in the answer; the maximum when absent.",
    },
    pageToken: { type: "string", description: "Addition. The nextPageToken of the previous page." },
  },
  response: "Tasks2",
  async run({ service, queue, parameters }) {
    const page = await service.store.peek(queue, {
      limit: parameters.maxResults ?? limits.LIST_TASKS_MAX,
      pageToken: parameters.pageToken,
    });
    const items = page.tasks.map((task) => taskToWire(task, service.prefix));
    return {
      kind: "taskqueues#tasks",
      ...(items.length === 0 ? {} : { items }),
      ...(page.nextPageToken === undefined ? {} : { nextPageToken: page.nextPageToken }),
    };
  },
});

/** DELETE …/tasks/{task} */
export const deleteTask = defineMethod({
  description: "Removes a task: by default whoever holds its lease, fenced when a lease is named.",
  access: "consume",
  parameters: {
    leaseTimestamp: {
      type: "integer",
      format: "int64",
      minimum: 0,
      maximum: Number.MAX_SAFE_INTEGER,
      description:
        "Addition. Delete only while the lease ends at this time, in microseconds since the epoch.",
    },
    retryCount: {
      type: "integer",
      format: "int32",
      minimum: 0,
      maximum: limits.MAX_LEASES_MAX,
      description: "Addition. Delete only while the lease with this retry_count lasts.",
    },
  },
  async run({ service, queue, task, parameters }) {
    const fence = {
      id: task,
      retryCount: parameters.retryCount,
      leaseEndUs: parameters.leaseTimestamp,
    };
    const [result] = await service.store.delete(queue, [fence]);
    if (result?.ok !== false) return undefined;
    if (result.error.code !== "not_found") throw result.error;
    // Google's status and words for it, which clients match.
    return new Refusal(result.error, { httpStatus: 400, reason: "invalid", message: "task name is invalid" });
  },
});

/** POST …/tasks/{task} */
export const updateTask = defineMethod({
  description:
    "Moves the end of a lease. The body is the task as it was leased; its leaseTimestamp must still hold.",
  access: "consume",
  parameters: { newLeaseSeconds: NEW_LEASE_SECONDS },
  request: { schema: "Task", bytesMax: TASK_BODY_BYTES_MAX },
  response: "Task",
  async run(call) {
    checkQueueName(call.body, call.queue);
    const leaseEndUs = readInteger(call.body, "leaseTimestamp");
    if (leaseEndUs === undefined) {
      throw new QueueError("invalid_argument", "leaseTimestamp must be given, as the lease's answer had it", {
        location: "leaseTimestamp",
        reason: "required",
      });
    }
    return renew(call, readString(call.body, "id") ?? call.task, leaseEndUs);
  },
});

/** PATCH …/tasks/{task} */
export const patchTask = defineMethod({
  description: "Moves the end of a lease. The body needs queueName; a leaseTimestamp in it must still hold.",
  access: "consume",
  parameters: { newLeaseSeconds: NEW_LEASE_SECONDS },
  request: { schema: "Task", bytesMax: TASK_BODY_BYTES_MAX },
  response: "Task",
  async run(call) {
    if (readString(call.body, "queueName") === undefined) {
      throw new QueueError("invalid_argument", "queueName is invalid: the body must name the queue", {
        location: "queueName",
      });
    }
    checkQueueName(call.body, call.queue);
    const id = readString(call.body, "id") ?? call.task;
    if (id !== call.task) {
      throw new QueueError(
        "invalid_argument",
        `id must be that of the path, ${JSON.stringify(call.task)}, got ${JSON.stringify(id.slice(0, 100))}`,
        { location: "id" },
      );
    }
    // 0 stands for "not given" in every client of the time.
    return renew(call, id, readInteger(call.body, "leaseTimestamp") || undefined);
  },
});

async function renew(
  { service, queue, parameters }: Call<{ newLeaseSeconds: typeof NEW_LEASE_SECONDS }>,
  id: string,
  leaseEndUs: number | undefined,
): Promise<object> {
  const leaseMs = parameters.newLeaseSeconds * 1000;
  const [result] = await service.store.extend(queue, [{ id, leaseEndUs, leaseMs }]);
  if (result?.ok === false && result.error.code === "lease_lost") {
    // The sentence of Google's server, which clients match.
    throw new QueueError("lease_lost", "The task lease has expired");
  }
  return taskToWire(onlyTask([result!]), service.prefix);
}

function onlyTask(results: readonly ItemResult<Task>[]): Task {
  const result = results[0]!;
  if (result.ok) return result.value;
  throw result.error;
}
