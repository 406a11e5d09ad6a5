import { decodePayload, encodePayload } from "./base64.js";
import { QueueError } from "./errors.js";
import { errorFromWire, errorToWire, type WireError } from "./http-status.js";
import { type ProjectPrefix, parseFullQueueName } from "./names.js";
import type {
  DeadLetter,
  ItemResult,
  LeaseExtension,
  LeaseFence,
  NewTask,
  QueueKey,
  Task,
  TaskWithPayload,
} from "./task.js";
import { queueNameToWire } from "./wire-queue.js";
import {
  describe,
  type JsonObject,
  readBoolean,
  readInteger,
  readObject,
  readOptionalObject,
  readString,
  required,
} from "./wire-read.js";

/** Tasks of the REST API <-> plain data of the store contract; queues are in wire-queue.ts. Units change in these two alone. */

/** A Task resource. 64-bit integers are strings of microseconds, 32-bit ones numbers. */
export interface WireTask {
  readonly kind: "taskqueues#task";
  readonly id: string;
  readonly queueName: string;
  readonly payloadBase64?: string;
  readonly enqueueTimestamp: string;
  readonly leaseTimestamp: string;
  readonly retry_count: number;
  readonly tag?: string;
  /** Addition: leases that do not count against the retry limit; absent when there are none. */
  readonly uncountedLeases?: number;
  /** Addition: the producer's trace context, as in the headers of the same names. */
  readonly traceparent?: string;
  readonly tracestate?: string;
  /** Addition: on tasks of a dead-letter queue. */
  readonly deadLetter?: WireDeadLetter;
}

/** Where a dead letter came from, and why. */
interface WireDeadLetter {
  /** The full name of the queue. */
  readonly queueName: string;
  /** Its id there. */
  readonly id: string;
  readonly reason: DeadLetter["reason"];
  readonly retryCount: number;
  /** When it was moved, in microseconds since the epoch. */
  readonly timestamp: string;
}

/** The trace context of a request's headers: what a new task has that does not say itself. */
export type TraceContext = Pick<NewTask, "traceparent" | "tracestate">;

/** One outcome in the answer of a batch call, in the order of the request. */
export interface WireItemResult {
  readonly task?: WireTask;
  readonly error?: WireError;
}

/** A stored task as a resource. */
export function taskToWire(
  task: Task & { readonly payload?: Uint8Array | undefined },
  prefix: ProjectPrefix,
): WireTask {
  return {
    kind: "taskqueues#task",
    id: task.id,
    queueName: queueNameToWire(task.queue, prefix),
    ...(task.payload === undefined ? {} : { payloadBase64: encodePayload(task.payload) }),
    enqueueTimestamp: enqueueTimestamp(task),
    leaseTimestamp: leaseTimestamp(task),
    retry_count: task.retryCount,
    ...(task.tag === undefined ? {} : { tag: task.tag }),
    ...(task.uncounted === 0 ? {} : { uncountedLeases: task.uncounted }),
    ...traceToWire(task),
    ...(task.deadLetter === undefined ? {} : { deadLetter: deadLetterToWire(task, task.deadLetter, prefix) }),
  };
}

/** A Task resource of a server as data; `queue` is the one asked for, unless the resource names another. */
export function taskFromWire(json: unknown, queue: QueueKey): TaskWithPayload {
  const object = readObject(json, "task");
  const task: Task & { payload?: Uint8Array } = readTask(object, queue);
  task.payload = readPayload(object) ?? new Uint8Array();
  return task as TaskWithPayload;
}

/** The same without its payload, of which nothing is looked at. */
export function bareTaskFromWire(json: unknown, queue: QueueKey): Task {
  return readTask(readObject(json, "task"), queue);
}

/** Tasks come by the thousand, so that there is one object for each, and members that are not there are not written. */
function readTask(object: JsonObject, asked: QueueKey): Task {
  const named = readString(object, "queueName");
  const queue = named === undefined ? asked.queue : parseFullQueueName(named).queue;
  const task: { -readonly [K in keyof Task]: Task[K] } = {
    queue: queue === asked.queue ? asked : { project: asked.project, queue },
    id: required(readString(object, "id"), "id"),
    tag: readString(object, "tag"),
    enqueuedAtUs: readInteger(object, "enqueueTimestamp") ?? 0,
    etaUs: readInteger(object, "leaseTimestamp") ?? 0,
    retryCount: readInteger(object, "retry_count") ?? 0,
    uncounted: readInteger(object, "uncountedLeases") ?? 0,
  };
  const traceparent = readString(object, "traceparent");
  const tracestate = readString(object, "tracestate");
  const deadLetter = readOptionalObject(object, "deadLetter");
  if (traceparent !== undefined) task.traceparent = traceparent;
  if (tracestate !== undefined) task.tracestate = tracestate;
  if (deadLetter !== undefined) task.deadLetter = deadLetterFromWire(deadLetter);
  return task;
}

/** Bytes where whoever parsed the text has decoded it (`taken-payloads.ts`). */
function readPayload(object: JsonObject): Uint8Array | undefined {
  const { payloadBase64 } = object;
  if (payloadBase64 instanceof Uint8Array) return payloadBase64;
  const text = readString(object, "payloadBase64");
  return text === undefined ? undefined : decodePayload(text);
}

/**
 * The body of an insert as data. `leaseTimestamp` is the first availability; server-set fields are ignored. A body without
 * a trace context has the `context` of its request.
 */
export function newTaskFromWire(json: unknown, queue: QueueKey, context: TraceContext = {}): NewTask {
  const object = readObject(json, "task");
  checkQueueName(object, queue);
  const eta = readInteger(object, "leaseTimestamp");
  const trace = traceFromWire(object);
  return {
    payload: required(readPayload(object), "payloadBase64"),
    id: readString(object, "id"),
    tag: readString(object, "tag"),
    etaUs: eta === 0 ? undefined : eta,
    delayMs: readInteger(object, "delayMs"),
    idempotencyKey: readString(object, "idempotencyKey"),
    ...(Object.keys(trace).length > 0 ? trace : context),
  };
}

/** A new task as the body of an insert, for a server that knows v1beta2's fields alone; `writeNewTask` is for ours. */
export function newTaskToWire(task: NewTask, queue: QueueKey): JsonObject {
  return {
    kind: "taskqueues#task",
    queueName: queue.queue,
    payloadBase64: encodePayload(task.payload),
    ...(task.id === undefined ? {} : { id: task.id }),
    ...(task.tag === undefined ? {} : { tag: task.tag }),
    ...(task.etaUs === undefined ? {} : { leaseTimestamp: String(task.etaUs) }),
  };
}

/** Refuses a body whose `queueName`, short or full, is not the queue of the path. */
export function checkQueueName(object: JsonObject, queue: QueueKey): void {
  const name = readString(object, "queueName");
  if (name === undefined || name === queue.queue) return;
  const full = parseFullQueueName(name);
  if (full.queue === queue.queue && (full.project === undefined || full.project === queue.project)) return;
  throw new QueueError(
    "invalid_argument",
    `queueName must be that of the path, ${describe(queue.queue)}, or projects/PROJECT/taskqueues/QUEUE with it, got ${describe(name)}`,
    { location: "queueName" },
  );
}

/** Which lease an item of a batch, or the parameters of a delete, speak of. */
export function fenceFromWire(object: JsonObject): LeaseFence {
  return {
    id: required(readString(object, "id"), "id"),
    retryCount: readInteger(object, "retryCount"),
    leaseEndUs: readInteger(object, "leaseTimestamp"),
  };
}

/** The same towards the server. */
export function fenceToWire(fence: LeaseFence): JsonObject {
  return {
    id: fence.id,
    ...(fence.retryCount === undefined ? {} : { retryCount: fence.retryCount }),
    ...(fence.leaseEndUs === undefined ? {} : { leaseTimestamp: String(fence.leaseEndUs) }),
  };
}

/** An item of `tasks:batchUpdate`. */
export function extensionFromWire(json: unknown): LeaseExtension {
  const object = readObject(json, "item");
  const seconds = required(readInteger(object, "newLeaseSeconds"), "newLeaseSeconds");
  return { ...fenceFromWire(object), leaseMs: seconds * 1000, uncounted: readBoolean(object, "uncounted") };
}

/** The same towards the server; the lease is rounded up to whole seconds. */
export function extensionToWire(extension: LeaseExtension): JsonObject {
  return {
    ...fenceToWire(extension),
    newLeaseSeconds: Math.ceil(extension.leaseMs / 1000),
    ...(extension.uncounted === true ? { uncounted: true } : {}),
  };
}

/** An outcome as it stands in a batch answer. */
export function itemResultToWire(
  result: ItemResult<Task | undefined>,
  prefix: ProjectPrefix,
): WireItemResult {
  if (!result.ok) return { error: errorToWire(result.error) };
  return result.value === undefined ? {} : { task: taskToWire(result.value, prefix) };
}

/** An outcome of a batch answer as data. */
export function itemResultFromWire<T>(json: unknown, read: (task: unknown) => T): ItemResult<T> {
  const object = readObject(json, "item");
  const error = readOptionalObject(object, "error");
  if (error === undefined) return { ok: true, value: read(object.task) };
  return { ok: false, error: errorFromWire(typeof error.code === "number" ? error.code : 500, { error }) };
}

/** Google kept whole seconds, written in microseconds. */
export function enqueueTimestamp(task: Task): string {
  return String(task.enqueuedAtUs - (task.enqueuedAtUs % 1_000_000));
}

/** 0 for a task that was never leased nor delayed, as Google documented; otherwise its eta. */
export function leaseTimestamp(task: Task): string {
  return task.retryCount === 0 && task.etaUs === task.enqueuedAtUs ? "0" : String(task.etaUs);
}

function traceToWire({
  traceparent,
  tracestate,
}: TraceContext): Pick<WireTask, "traceparent" | "tracestate"> {
  return {
    ...(traceparent === undefined ? {} : { traceparent }),
    ...(tracestate === undefined ? {} : { tracestate }),
  };
}

function traceFromWire(object: JsonObject): TraceContext {
  return traceToWire({
    traceparent: readString(object, "traceparent"),
    tracestate: readString(object, "tracestate"),
  });
}

function deadLetterToWire(
  { queue }: Task,
  { queue: origin, id, reason, retryCount, atUs }: DeadLetter,
  prefix: ProjectPrefix,
): WireDeadLetter {
  const queueName = queueNameToWire({ project: queue.project, queue: origin }, prefix);
  return { queueName, id, reason, retryCount, timestamp: String(atUs) };
}

function deadLetterFromWire(object: JsonObject): DeadLetter {
  const reason = readString(object, "reason");
  if (reason !== "retry_limit" && reason !== "retention") {
    throw new QueueError(
      "invalid_argument",
      `reason must be retry_limit or retention, got ${describe(reason)}`,
      {
        location: "reason",
      },
    );
  }
  return {
    queue: parseFullQueueName(required(readString(object, "queueName"), "queueName")).queue,
    id: required(readString(object, "id"), "id"),
    reason,
    retryCount: readInteger(object, "retryCount") ?? 0,
    atUs: readInteger(object, "timestamp") ?? 0,
  };
}
