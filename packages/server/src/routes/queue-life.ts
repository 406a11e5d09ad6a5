import { limits, queueToWire, type TagFilter, tagStatsToWire } from "@pullqueue/core";
import { defineMethod } from "../method.js";
import {
  type BooleanParameter,
  type IntegerParameter,
  invalidParameter,
  type StringParameter,
} from "../parameters.js";
import { inPieces } from "./in-pieces.js";

/** What happens to a queue's tasks as a whole: additions, all of them. */

const ENOUGH_TASKS = {
  type: "integer",
  format: "int32",
  minimum: 1,
  maximum: limits.MAX_LEASES_MAX,
  description: "Stop soon after this many, so that the client can show its progress; all when absent.",
} as const satisfies IntegerParameter;

const TAG = {
  type: "string",
  description: "Only the tasks of this tag, which may be empty.",
} as const satisfies StringParameter;

const UNTAGGED = {
  type: "boolean",
  description: "Only the tasks without a tag; not together with tag.",
} as const satisfies BooleanParameter;

/** POST …/taskqueues/{taskqueue}:purge */
export const purgeQueue = defineMethod({
  description: "Addition. Removes all tasks of a queue, or those of one tag, leased ones too.",
  access: "manage",
  parameters: { enoughTasks: ENOUGH_TASKS, tag: TAG, untagged: UNTAGGED },
  response: "PurgeResult",
  async run({ service, queue, parameters, request }) {
    const only = tagFilter(parameters.tag, parameters.untagged);
    const { tasks, more } = await inPieces(parameters.enoughTasks, request.signal, (options) =>
      service.store.purge(queue, { only, ...options }),
    );
    return { kind: "taskqueues#purgeResult", purged: tasks, ...(more ? { more } : {}) };
  },
});

/** POST …/taskqueues/{taskqueue}:redrive */
export const redriveQueue = defineMethod({
  description: "Addition. Moves the tasks of a dead-letter queue back to where they came from.",
  access: "manage",
  parameters: { enoughTasks: ENOUGH_TASKS },
  response: "RedriveResult",
  async run({ service, queue, parameters, request }) {
    const { tasks, more } = await inPieces(parameters.enoughTasks, request.signal, (options) =>
      service.store.redrive(queue, options),
    );
    return { kind: "taskqueues#redriveResult", redriven: tasks, ...(more ? { more } : {}) };
  },
});

/** POST …/taskqueues/{taskqueue}:pause */
export const pauseQueue = defineMethod({
  description: "Addition. Lets a queue take tasks and hand none out, until it is resumed.",
  access: "manage",
  parameters: {},
  response: "TaskQueue",
  async run({ service, queue }) {
    return queueToWire(await service.store.pauseQueue(queue), service.prefix);
  },
});

/** POST …/taskqueues/{taskqueue}:resume */
export const resumeQueue = defineMethod({
  description: "Addition. Ends a queue's pause.",
  access: "manage",
  parameters: {},
  response: "TaskQueue",
  async run({ service, queue }) {
    return queueToWire(await service.store.resumeQueue(queue), service.prefix);
  },
});

/** GET …/taskqueues/{taskqueue}:tagStats */
export const tagStatsOfQueue = defineMethod({
  description: "Addition. Counts a queue's tasks by tag, those without a tag first.",
  access: "consume",
  parameters: {
    maxResults: {
      type: "integer",
      format: "int32",
      minimum: 1,
      maximum: limits.TAG_STATS_MAX,
      description: "Most tags in the answer; the maximum when absent.",
    },
    pageToken: { type: "string", description: "The nextPageToken of the previous page." },
  },
  response: "TagStats",
  async run({ service, queue, parameters, request }) {
    const { tags, nextPageToken } = await service.store.tagStats(queue, {
      limit: parameters.maxResults ?? limits.TAG_STATS_MAX,
      ...(parameters.pageToken === undefined ? {} : { pageToken: parameters.pageToken }),
      signal: request.signal,
    });
    return {
      kind: "taskqueues#tagStats",
      ...(tags.length === 0 ? {} : { items: tags.map(tagStatsToWire) }),
      ...(nextPageToken === undefined ? {} : { nextPageToken }),
    };
  },
});

/** Which tasks are meant; undefined for all. A script whose variable is unset asks for the empty tag, and not for all. */
function tagFilter(tag: string | undefined, untagged: boolean | undefined): TagFilter | undefined {
  if (untagged !== true) return tag === undefined ? undefined : { tag };
  if (tag === undefined) return { tag: undefined };
  throw invalidParameter("untagged", "give either tag or untagged=true, got both");
}
