import {
  type JsonObject,
  limits,
  parseFullQueueName,
  QueueError,
  type QueueKey,
  queueToWire,
  readString,
  settingsFromWire,
} from "@pullqueue/core";
import { visibleQueue } from "../auth/acl.js";
import { notInAcl } from "../auth/authorize.js";
import { visibleQueues } from "../auth/visible-queues.js";
import { QUEUE_BODY_BYTES_MAX } from "../limits.js";
import { defineMethod, type Service } from "../method.js";
import type { BooleanParameter } from "../parameters.js";

/** Queues: the one method of v1beta2, and the management that its users always missed. */

const GET_STATS = {
  type: "boolean",
  description: "Whether to include stats; false when absent.",
} as const satisfies BooleanParameter;

/** GET …/taskqueues/{taskqueue} */
export const getQueue = defineMethod({
  description: "Shows a queue's settings and, when asked, its counts.",
  access: "consume",
  parameters: { getStats: GET_STATS },
  response: "TaskQueue",
  async run({ service, caller, queue, parameters }) {
    const info = await service.store.getQueue(queue, { stats: parameters.getStats === true });
    const shown = visibleQueue(caller, info);
    if (shown === undefined) throw notInAcl(caller, queue, "consume"); // Its acl has changed since the call was let in.
    return queueToWire(shown, service.prefix);
  },
});

/** GET …/taskqueues */
export const listQueues = defineMethod({
  description: "Addition. Lists the queues of a project by name.",
  access: "any",
  parameters: {
    getStats: GET_STATS,
    maxResults: {
      type: "integer",
      format: "int32",
      minimum: 1,
      maximum: limits.LIST_QUEUES_MAX,
      description: "Most queues in the answer; the maximum when absent.",
    },
    pageToken: { type: "string", description: "The nextPageToken of the previous page." },
  },
  response: "TaskQueues",
  async run({ service, caller, queue, parameters }) {
    const page = await visibleQueues(service.store, caller, queue.project, {
      limit: parameters.maxResults ?? limits.LIST_QUEUES_MAX,
      ...(parameters.pageToken === undefined ? {} : { pageToken: parameters.pageToken }),
      stats: parameters.getStats === true,
    });
    const items = page.queues.map((info) => queueToWire(info, service.prefix));
    return {
      kind: "taskqueues#taskqueues",
      ...(items.length === 0 ? {} : { items }),
      ...(page.nextPageToken === undefined ? {} : { nextPageToken: page.nextPageToken }),
    };
  },
});

/** POST …/taskqueues */
export const insertQueue = defineMethod({
  description: "Addition. Creates a queue; fails when it exists.",
  access: "manage",
  parameters: {},
  request: { schema: "TaskQueue", bytesMax: QUEUE_BODY_BYTES_MAX },
  response: "TaskQueue",
  async run({ service, queue, body }) {
    requireManagement(service);
    const key = { project: queue.project, queue: queueIdOf(body, queue) };
    const settings = settingsFromWire(body);
    const created = await service.turns.run(() => createQueue(service, key, settings));
    return queueToWire(created, service.prefix);
  },
});

/** PUT …/taskqueues/{taskqueue} */
export const updateQueue = defineMethod({
  description: "Addition. Replaces a queue's settings, and creates it when it does not exist.",
  access: "manage",
  parameters: {},
  request: { schema: "TaskQueue", bytesMax: QUEUE_BODY_BYTES_MAX },
  response: "TaskQueue",
  async run({ service, queue, body }) {
    requireManagement(service);
    const named = readString(body, "id") === undefined ? queue.queue : queueIdOf(body, queue);
    if (named !== queue.queue) {
      throw new QueueError(
        "invalid_argument",
        `id must be that of the path, ${JSON.stringify(queue.queue)}, got ${JSON.stringify(named.slice(0, 100))}`,
        { location: "id" },
      );
    }
    const settings = settingsFromWire(body);
    const info = await service.turns.run(() => service.store.putQueue(queue, settings));
    return queueToWire(info, service.prefix);
  },
});

/** DELETE …/taskqueues/{taskqueue} */
export const deleteQueue = defineMethod({
  description: "Addition. Removes a queue with all its tasks.",
  access: "manage",
  parameters: {},
  async run({ service, queue }) {
    requireManagement(service);
    await service.turns.run(() => service.store.deleteQueue(queue));
    return undefined;
  },
});

/** The short name in a TaskQueue's id, which must be of the path's project when it names one. */
function queueIdOf(body: JsonObject, { project }: QueueKey): string {
  const id = readString(body, "id");
  if (id === undefined) {
    throw new QueueError("invalid_argument", "id must be specified: the queue's name", {
      location: "id",
      reason: "required",
    });
  }
  const name = parseFullQueueName(id);
  if (name.project === undefined || name.project === project) return name.queue;
  throw new QueueError(
    "invalid_argument",
    `id must be of the path's project, ${JSON.stringify(project)}, got ${JSON.stringify(id.slice(0, 100))}`,
    { location: "id" },
  );
}

async function createQueue({ store }: Service, key: QueueKey, settings: ReturnType<typeof settingsFromWire>) {
  const existing = await store.getQueue(key).catch(absentIfNotFound);
  if (existing === undefined) return store.putQueue(key, settings);
  throw new QueueError(
    "already_exists",
    `the queue ${JSON.stringify(key.queue)} exists; use PUT to change it`,
    {
      location: "id",
    },
  );
}

/** For `catch`: a queue that is not there is none; other failures go on. */
export function absentIfNotFound(error: unknown): undefined {
  if (error instanceof QueueError && error.code === "not_found") return undefined;
  throw error;
}

function requireManagement(service: Service): void {
  if (service.managesQueues) return;
  throw new QueueError(
    "permission_denied",
    "this server's queues are those of its queue.yaml; change that file and start it again",
  );
}
