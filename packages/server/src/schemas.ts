/**
 * The resources, in the form of discovery documents. `fields` selections are checked against them, and the discovery
 * document shows them. Names and types of the first four are Google's; additions say so.
 */

/** A property or an element of a resource. */
export interface PropertySchema {
  readonly $ref?: SchemaName;
  readonly type?: "string" | "integer" | "number" | "boolean" | "object" | "array";
  readonly format?: "int32" | "int64" | "double";
  readonly default?: string;
  readonly enum?: readonly string[];
  readonly description?: string;
  readonly items?: PropertySchema;
  readonly properties?: Readonly<Record<string, PropertySchema>>;
}

/** A resource by name. */
export interface ResourceSchema extends PropertySchema {
  readonly id: SchemaName;
  readonly type: "object";
  readonly properties: Readonly<Record<string, PropertySchema>>;
}

/** The names of all resources, as `$ref` uses them. */
export type SchemaName =
  | "Task"
  | "TaskQueue"
  | "Tasks"
  | "Tasks2"
  | "TaskQueues"
  | "TaskBatch"
  | "TaskRenewals"
  | "TaskFences"
  | "BatchResult"
  | "PurgeResult"
  | "RedriveResult"
  | "TagStats"
  | "CancelResult"
  | "WaitResult";

const kind = (value: string): PropertySchema => ({
  type: "string",
  default: value,
  description: `Always ${value}.`,
});
const text = (description: string): PropertySchema => ({ type: "string", description });
const int32 = (description: string): PropertySchema => ({ type: "integer", format: "int32", description });
const int64 = (description: string): PropertySchema => ({ type: "string", format: "int64", description });
const double = (description: string): PropertySchema => ({ type: "number", format: "double", description });
const flag = (description: string): PropertySchema => ({ type: "boolean", description });
const texts = (description: string): PropertySchema => ({
  type: "array",
  items: { type: "string" },
  description,
});
const list = (schema: SchemaName, description: string): PropertySchema => ({
  type: "array",
  items: { $ref: schema },
  description,
});
const PAGE_TOKEN = text("Addition. Give it as pageToken to read the next page; absent on the last one.");

const TASK_PROPERTIES = {
  kind: kind("taskqueues#task"),
  id: text(
    "Names the task within its queue. A producer may choose it; otherwise it is 16 hexadecimal digits.",
  ),
  queueName: text("The queue, as projects/PROJECT/taskqueues/QUEUE; requests may use the short name."),
  payloadBase64: text(
    "The payload in base64: URL-safe with padding in answers, either alphabet in requests.",
  ),
  enqueueTimestamp: int64("When the task was inserted: whole seconds, in microseconds since the epoch."),
  leaseTimestamp: int64(
    "When the task may next be leased, in microseconds since the epoch: the end of its lease, or the first time it is available. 0 when it was never leased nor delayed.",
  ),
  retry_count: int32("How many times the task has been leased."),
  tag: text("Groups tasks, so that they can be leased together."),
  delayMs: int64(
    "Addition, for inserts. First availability, in milliseconds from now by the server's clock.",
  ),
  idempotencyKey: text("Addition, for inserts. Repeating an insert with the same key adds nothing."),
  uncountedLeases: int32("Addition. Leases that do not count against the queue's maxLeases."),
  traceparent: text(
    "Addition. The producer's W3C trace context; an insert without one has that of the request's headers.",
  ),
  tracestate: text("Addition. The same, as tracing systems extend it; only with traceparent."),
  deadLetter: {
    type: "object",
    description: "Addition. On tasks of a dead-letter queue: where the task came from, and why.",
    properties: {
      queueName: text("The queue that it came from, as projects/PROJECT/taskqueues/QUEUE."),
      id: text("Its id there."),
      reason: {
        type: "string",
        enum: ["retry_limit", "retention"],
        description: "Whether its leases had reached maxLeases, or its time in the queue was over.",
      },
      retryCount: int32("Its retry_count when it was moved."),
      timestamp: int64("When it was moved, in microseconds since the epoch."),
    },
  },
} satisfies Record<string, PropertySchema>;

const TASK_QUEUE_PROPERTIES = {
  kind: kind("taskqueues#taskqueue"),
  id: text("The queue, as projects/PROJECT/taskqueues/QUEUE; requests may use the short name."),
  maxLeases: int32("Leases after which a task is dropped instead of leased again. Absent: never."),
  stats: {
    type: "object",
    description: "Counts, when getStats asked for them.",
    properties: {
      totalTasks: int32("Tasks in the queue, leased and delayed ones included."),
      oldestTask: int64("The earliest time at which a task may be leased, in seconds since the epoch."),
      leasedLastMinute: int64("Leases during the last minute."),
      leasedLastHour: int64("Leases during the last hour."),
      availableTasks: int32("Addition. Tasks that could be leased now."),
      leasedTasks: int32("Addition. Tasks that are held by a lease now."),
      payloadBytes: int64("Addition. Bytes of all payloads together."),
    },
  },
  acl: {
    type: "object",
    description: "Who may do what, by e-mail address.",
    properties: {
      adminEmails: texts("Who may change the queue. Never filled in by this server."),
      consumerEmails: texts("Who may look at, lease, renew and delete tasks (user_email of queue.yaml)."),
      producerEmails: texts("Who may insert tasks (writer_email of queue.yaml)."),
    },
  },
  mode: { type: "string", enum: ["pull", "push"], description: "Addition. Present for push queues." },
  disabled: flag(
    "Addition. True for a queue that takes tasks and hands none out, as it is not configured any more.",
  ),
  paused: flag(
    "Addition. True for a queue that takes tasks and hands none out until it is resumed. A state: ignored in requests.",
  ),
  deadLetterQueue: text(
    "Addition. The short name of the queue that gets tasks past their retry limit or their retention. Absent: they are dropped.",
  ),
  leasesPerSecond: double(
    "Addition. Most lease calls a second; those beyond it find nothing. Absent: no limit.",
  ),
  storageBytesMax: int64(
    "Addition. Payload bytes that the queue may hold; inserts beyond it are refused. Absent: no limit.",
  ),
  retentionMs: int64(
    "Addition. How long a task may stay, in milliseconds from when it entered the queue. Absent: for ever.",
  ),
  tombstoneMs: int64(
    "Addition. How long the chosen id of a finished task stays taken, in milliseconds. Absent: as the server was told.",
  ),
} satisfies Record<string, PropertySchema>;

const FENCE_PROPERTIES = {
  id: text("Names the task."),
  retryCount: int32("The lease's retry_count; refused when somebody else has leased the task since."),
  leaseTimestamp: int64("The lease's end; refused when the lease ends at another time."),
} satisfies Record<string, PropertySchema>;

function resource(id: SchemaName, properties: Readonly<Record<string, PropertySchema>>): ResourceSchema {
  return { id, type: "object", properties };
}

/** Every resource by its name. */
export const SCHEMAS: Readonly<Record<SchemaName, ResourceSchema>> = {
  Task: resource("Task", TASK_PROPERTIES),
  TaskQueue: resource("TaskQueue", TASK_QUEUE_PROPERTIES),
  Tasks: resource("Tasks", {
    kind: kind("taskqueue#tasks"),
    items: list("Task", "The leased tasks, oldest first; absent when there are none."),
  }),
  Tasks2: resource("Tasks2", {
    kind: kind("taskqueues#tasks"),
    items: list("Task", "The tasks, oldest first, without payloads; absent when there are none."),
    nextPageToken: PAGE_TOKEN,
  }),
  TaskQueues: resource("TaskQueues", {
    kind: kind("taskqueues#taskqueues"),
    items: list("TaskQueue", "The queues by name; absent when there are none."),
    nextPageToken: PAGE_TOKEN,
  }),
  TaskBatch: resource("TaskBatch", { items: list("Task", "The tasks to insert.") }),
  TaskRenewals: resource("TaskRenewals", {
    items: {
      type: "array",
      description: "The leases to renew or give back.",
      items: {
        type: "object",
        properties: {
          ...FENCE_PROPERTIES,
          newLeaseSeconds: int32("The lease's new length from now, in seconds; 0 gives the task back."),
          uncounted: flag("With newLeaseSeconds 0: this lease does not count against maxLeases."),
        },
      },
    },
  }),
  TaskFences: resource("TaskFences", {
    items: {
      type: "array",
      description: "The tasks to delete.",
      items: { type: "object", properties: FENCE_PROPERTIES },
    },
  }),
  BatchResult: resource("BatchResult", {
    kind: kind("taskqueues#batchResult"),
    items: {
      type: "array",
      description: "An outcome for each item of the request, in its order.",
      items: {
        type: "object",
        properties: {
          task: { $ref: "Task" },
          error: {
            type: "object",
            description: "Why the item failed, in the form of an error answer.",
            properties: {
              code: int32("The HTTP status that a single call would have had."),
              message: text("What was wrong."),
              status: text("The error's code, as in docs/errors.md."),
              errors: {
                type: "array",
                items: {
                  type: "object",
                  properties: {
                    domain: text("Always global."),
                    reason: text("Google's word for the failure."),
                    message: text("What was wrong."),
                    locationType: text("What kind of place location names."),
                    location: text("The field that was wrong."),
                  },
                },
              },
            },
          },
        },
      },
    },
  }),
  PurgeResult: resource("PurgeResult", {
    kind: kind("taskqueues#purgeResult"),
    purged: int32("How many tasks were removed."),
    more: flag("True when enoughTasks were removed and there may be more; absent when all are gone."),
  }),
  RedriveResult: resource("RedriveResult", {
    kind: kind("taskqueues#redriveResult"),
    redriven: int32("How many tasks were moved back."),
    more: flag("True when enoughTasks were moved and there may be more; absent when all were looked at."),
  }),
  TagStats: resource("TagStats", {
    kind: kind("taskqueues#tagStats"),
    items: {
      type: "array",
      description: "The tags in order, the tasks without a tag first; absent when there are no tasks.",
      items: {
        type: "object",
        properties: {
          tag: text("The tag; absent for the tasks without one."),
          totalTasks: int32("Tasks of the tag, leased and delayed ones included."),
          availableTasks: int32("Tasks of the tag that could be leased now."),
          oldestTask: int64(
            "The earliest time at which one of them may be leased, in seconds since the epoch.",
          ),
        },
      },
    },
    nextPageToken: PAGE_TOKEN,
  }),
  CancelResult: resource("CancelResult", {
    kind: kind("taskqueues#cancelResult"),
    cancelled: flag("Whether such a lease was waiting; it is answered now."),
  }),
  WaitResult: resource("WaitResult", {
    kind: kind("taskqueues#waitResult"),
    available: flag("Whether a task is or may be available; false when the time was up."),
  }),
};

/** The schema that a property stands for: `$ref` followed, arrays as their elements. */
export function resolveSchema(schema: PropertySchema): PropertySchema {
  if (schema.$ref !== undefined) return SCHEMAS[schema.$ref];
  return schema.items === undefined ? schema : resolveSchema(schema.items);
}
