import { decodePayload, encodePayload } from "./base64.js";
import { QueueError } from "./errors.js";
import { errorFromWire, errorToWire, type WireError } from "./http-status.js";
import { type ProjectPrefix, parseFullQueueName, projectWithPrefix } from "./names.js";
import {
  DEFAULT_QUEUE_SETTINGS,
  type ItemResult,
  type LeaseExtension,
  type LeaseFence,
  type NewTask,
  type QueueInfo,
  type QueueKey,
  type QueueSettings,
  type Task,
  type TaskWithPayload,
} from "./task.js";
import {
  type JsonObject,
  readBoolean,
  readInteger,
  readObject,
  readOptionalObject,
  readString,
  readStrings,
} from "./wire-read.js";

/** Resources of the REST API <-> plain data of the store contract. Units change here and nowhere else. */

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
}

/** A TaskQueue resource. */
export interface WireTaskQueue {
  readonly kind: "taskqueues#taskqueue";
  readonly id: string;
  readonly maxLeases?: number;
  readonly stats?: {
    readonly totalTasks: number;
    readonly oldestTask: string;
    readonly leasedLastMinute: string;
    readonly leasedLastHour: string;
    /** Addition: tasks that a lease could take now. */
    readonly availableTasks: number;
  };
  readonly acl?: { readonly consumerEmails: readonly string[]; readonly producerEmails: readonly string[] };
  /** Addition: present when the queue is a push queue. */
  readonly mode?: "push";
  /** Addition: present when the queue hands out nothing. */
  readonly disabled?: true;
}

/** One outcome in the answer of a batch call, in the order of the request. */
export interface WireItemResult {
  readonly task?: WireTask;
  readonly error?: WireError;
}

/** A stored task as a resource. */
export function taskToWire(task: Task & { readonly payload?: Uint8Array }, prefix: ProjectPrefix): WireTask {
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
  };
}

/** The full name of a queue, as `id` and `queueName` show it: `projects/s~app/taskqueues/name`. */
export function queueNameToWire(queue: QueueKey, prefix: ProjectPrefix): string {
  return `projects/${projectWithPrefix(queue.project, prefix)}/taskqueues/${queue.queue}`;
}

/** A Task resource of a server as data; `queue` is the one asked for, unless the resource names another. */
export function taskFromWire(json: unknown, queue: QueueKey): TaskWithPayload {
  const object = readObject(json, "task");
  const payload = readString(object, "payloadBase64");
  const named = readString(object, "queueName");
  return {
    queue: named === undefined ? queue : { project: queue.project, queue: parseFullQueueName(named).queue },
    id: required(readString(object, "id"), "id"),
    payload: payload === undefined ? new Uint8Array() : decodePayload(payload),
    tag: readString(object, "tag"),
    enqueuedAtUs: readInteger(object, "enqueueTimestamp") ?? 0,
    etaUs: readInteger(object, "leaseTimestamp") ?? 0,
    retryCount: readInteger(object, "retry_count") ?? 0,
    uncounted: readInteger(object, "uncountedLeases") ?? 0,
  };
}

/** The body of an insert as data. `leaseTimestamp` is the first availability; server-set fields are ignored. */
export function newTaskFromWire(json: unknown, queue: QueueKey): NewTask {
  const object = readObject(json, "task");
  checkQueueName(object, queue);
  const eta = readInteger(object, "leaseTimestamp");
  return {
    payload: decodePayload(required(readString(object, "payloadBase64"), "payloadBase64")),
    id: readString(object, "id"),
    tag: readString(object, "tag"),
    etaUs: eta === 0 ? undefined : eta,
    delayMs: readInteger(object, "delayMs"),
    idempotencyKey: readString(object, "idempotencyKey"),
  };
}

/** A new task as the body of an insert. `extensions` says whether the server knows `delayMs` and `idempotencyKey`. */
export function newTaskToWire(task: NewTask, queue: QueueKey, extensions: boolean): JsonObject {
  return {
    kind: "taskqueues#task",
    queueName: queue.queue,
    payloadBase64: encodePayload(task.payload),
    ...(task.id === undefined ? {} : { id: task.id }),
    ...(task.tag === undefined ? {} : { tag: task.tag }),
    ...(task.etaUs === undefined ? {} : { leaseTimestamp: String(task.etaUs) }),
    // Whole on the wire, and rounded up, so that a task is never early.
    ...(task.delayMs === undefined || !extensions ? {} : { delayMs: Math.ceil(task.delayMs) }),
    ...(task.idempotencyKey === undefined || !extensions ? {} : { idempotencyKey: task.idempotencyKey }),
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
    `queueName must be that of the path, "${queue.queue}" or "projects/${queue.project}/taskqueues/${queue.queue}", got ${JSON.stringify(name)}`,
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

/** A queue as a resource. */
export function queueToWire(info: Omit<QueueInfo, "paused">, prefix: ProjectPrefix): WireTaskQueue {
  const { settings, stats } = info;
  return {
    kind: "taskqueues#taskqueue",
    id: queueNameToWire(info.key, prefix),
    ...(settings.maxLeases === undefined ? {} : { maxLeases: settings.maxLeases }),
    ...(stats === undefined ? {} : { stats: statsToWire(stats) }),
    ...(settings.acl === undefined
      ? {}
      : { acl: { consumerEmails: settings.acl.userEmails, producerEmails: settings.acl.writerEmails } }),
    ...(settings.mode === "push" ? { mode: "push" } : {}),
    ...(settings.disabled ? { disabled: true } : {}),
  };
}

/** A TaskQueue resource of a server as data. */
export function queueFromWire(json: unknown, project: string): QueueInfo {
  const object = readObject(json, "taskqueue");
  const key = { project, queue: parseFullQueueName(required(readString(object, "id"), "id")).queue };
  const stats = readOptionalObject(object, "stats");
  return {
    key,
    settings: settingsFromWire(object),
    paused: readBoolean(object, "paused") ?? false,
    ...(stats === undefined ? {} : { stats: statsFromWire(stats) }),
  };
}

/** The settings in a TaskQueue resource, as `taskqueues.insert` and `taskqueues.update` take them. */
export function settingsFromWire(object: JsonObject): QueueSettings {
  const acl = readOptionalObject(object, "acl");
  const mode = readString(object, "mode") ?? "pull";
  if (mode !== "pull" && mode !== "push") {
    throw new QueueError("invalid_argument", `mode must be "pull" or "push", got ${JSON.stringify(mode)}`, {
      location: "mode",
    });
  }
  return {
    ...DEFAULT_QUEUE_SETTINGS,
    mode,
    maxLeases: readInteger(object, "maxLeases"),
    acl:
      acl === undefined
        ? undefined
        : {
            userEmails: readStrings(acl, "consumerEmails"),
            writerEmails: readStrings(acl, "producerEmails"),
          },
    disabled: readBoolean(object, "disabled") ?? false,
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
function enqueueTimestamp(task: Task): string {
  return String(task.enqueuedAtUs - (task.enqueuedAtUs % 1_000_000));
}

/** 0 for a task that was never leased nor delayed, as Google documented; otherwise its eta. */
function leaseTimestamp(task: Task): string {
  return task.retryCount === 0 && task.etaUs === task.enqueuedAtUs ? "0" : String(task.etaUs);
}

function statsToWire(stats: NonNullable<QueueInfo["stats"]>): NonNullable<WireTaskQueue["stats"]> {
  return {
    totalTasks: stats.totalTasks,
    // The one time in seconds: Google documented it so.
    oldestTask: String(Math.floor((stats.oldestEtaUs ?? 0) / 1_000_000)),
    leasedLastMinute: String(stats.leasedLastMinute),
    leasedLastHour: String(stats.leasedLastHour),
    availableTasks: stats.availableTasks,
  };
}

function statsFromWire(object: JsonObject): NonNullable<QueueInfo["stats"]> {
  const totalTasks = readInteger(object, "totalTasks") ?? 0;
  const oldest = readInteger(object, "oldestTask") ?? 0;
  return {
    totalTasks,
    availableTasks: readInteger(object, "availableTasks") ?? totalTasks,
    leasedTasks: readInteger(object, "leasedTasks") ?? 0,
    payloadBytes: readInteger(object, "payloadBytes") ?? 0,
    oldestEtaUs: oldest === 0 ? undefined : oldest * 1_000_000,
    leasedLastMinute: readInteger(object, "leasedLastMinute") ?? 0,
    leasedLastHour: readInteger(object, "leasedLastHour") ?? 0,
  };
}

function required<T>(value: T | undefined, field: string): T {
  if (value === undefined) {
    throw new QueueError("invalid_argument", `${field} must be specified`, {
      location: field,
      reason: "required",
    });
  }
  return value;
}
