import { isQueueError, QueueError } from "./errors.js";
import {
  ACL_EMAILS_MAX,
  BATCH_ITEMS_MAX,
  BATCH_PAYLOAD_BYTES_MAX,
  DELAY_MS_MAX,
  EMAIL_LENGTH_MAX,
  GENERATED_ID_PATTERN,
  IDEMPOTENCY_KEY_LENGTH_MAX,
  LEASE_MS_MAX,
  LEASE_PAYLOAD_BYTES_DEFAULT,
  LEASE_PAYLOAD_BYTES_MAX,
  LEASE_QUEUES_MAX,
  LEASE_TASKS_MAX,
  LEASES_IMPORTED_MAX,
  LEASES_PER_SECOND_MAX,
  LEASES_PER_SECOND_MIN,
  MAX_LEASES_MAX,
  PAYLOAD_BYTES_MAX,
  PROJECT_LENGTH_MAX,
  PROJECT_PATTERN,
  QUEUE_AGE_MS_MAX,
  TAG_BYTES_MAX,
  TASK_ID_LENGTH_MAX,
  TASK_ID_PATTERN,
  TRACESTATE_LENGTH_MAX,
  WAIT_MS_MAX,
} from "./limits.js";
import type { ExactLease } from "./naive-store.js";
import { checkQueueNameRule } from "./names.js";
import type { StoreOptions } from "./store.js";
import type {
  LeaseExtension,
  LeaseFence,
  LeaseRequest,
  NewTask,
  PeekQuery,
  QueueAcl,
  QueueKey,
  QueueSettings,
  TagFilter,
} from "./task.js";
import { isTraceparent, isTracestate } from "./trace-context.js";

/** The rules for arguments of a store. Each throws a QueueError that names the field as the wire does. */

/** A queue's project (without prefix) and name. */
export function checkQueueKey(key: QueueKey): void {
  checkObject("taskqueue", "a queue", key);
  checkProject(key.project);
  if (typeof key.queue !== "string") throw invalid("taskqueue", "a queue name is a string", key.queue);
  checkQueueNameRule(key.queue);
}

/** A project without prefix. */
export function checkProject(project: string): void {
  const valid =
    typeof project === "string" && project.length <= PROJECT_LENGTH_MAX && PROJECT_PATTERN.test(project);
  if (!valid) {
    const rule = `a project is letters, digits, and . _ : - inside, without a prefix such as s~, at most ${PROJECT_LENGTH_MAX} characters`;
    throw invalid("project", rule, project);
  }
}

/** The queues of one lease: one to `LEASE_QUEUES_MAX`, each once. */
export function checkQueueKeys(keys: readonly QueueKey[]): void {
  checkArray("taskqueue", "queues", keys);
  if (keys.length === 0 || keys.length > LEASE_QUEUES_MAX) {
    throw invalid("taskqueue", `queues must be 1 to ${LEASE_QUEUES_MAX}`, keys.length);
  }
  for (const key of keys) checkQueueKey(key);
  const names = new Set(keys.map((key) => `${key.project}/${key.queue}`));
  if (names.size < keys.length) {
    throw new QueueError("invalid_argument", "each queue of a lease must be named once; one is named twice", {
      location: "taskqueue",
    });
  }
}

/** The size of a batch. */
export function checkBatch(name: string, items: readonly unknown[]): void {
  checkArray(name, name, items);
  if (items.length <= BATCH_ITEMS_MAX) return;
  throw new QueueError(
    "too_large",
    `${name} must be at most ${BATCH_ITEMS_MAX} in one call, got ${items.length}; send them in several calls`,
    { location: name },
  );
}

/** The payload bytes of a batch together. */
export function checkBatchPayload(tasks: readonly NewTask[]): void {
  let bytes = 0;
  for (const task of tasks) bytes += task?.payload instanceof Uint8Array ? task.payload.byteLength : 0;
  if (bytes <= BATCH_PAYLOAD_BYTES_MAX) return;
  throw new QueueError(
    "too_large",
    `the payloads of one call must have at most ${BATCH_PAYLOAD_BYTES_MAX} bytes together, got ${bytes}; send them in several calls`,
    { location: "payloadBase64" },
  );
}

/** One task to insert, at the store's `nowUs`; undefined where only a server far away knows it. */
export function checkNewTask(task: NewTask, nowUs: number | undefined): void {
  checkObject("task", "a task", task);
  const { payload, id, tag, etaUs, delayMs, idempotencyKey, traceparent, tracestate } = task;
  if (!(payload instanceof Uint8Array)) {
    throw invalid("payloadBase64", "payload must be a Uint8Array", payload);
  }
  if (payload.byteLength > PAYLOAD_BYTES_MAX) {
    throw new QueueError(
      "too_large",
      `a payload must have at most ${PAYLOAD_BYTES_MAX} bytes, got ${payload.byteLength}; store the rest elsewhere and send a reference`,
      { location: "payloadBase64" },
    );
  }
  if (id !== undefined) checkNewId(id);
  if (tag !== undefined) checkTag(tag);
  if (etaUs !== undefined) checkEta(etaUs, delayMs, nowUs);
  if (delayMs !== undefined) checkNumber("delayMs", delayMs, 0, DELAY_MS_MAX);
  if (idempotencyKey !== undefined) checkIdempotencyKey(idempotencyKey);
  checkTraceContext(traceparent, tracestate);
}

/** Any task id, for looking one up. */
export function checkTaskId(id: string): void {
  if (typeof id === "string" && TASK_ID_PATTERN.test(id)) return;
  throw invalid("task", `a task id is 1 to ${TASK_ID_LENGTH_MAX} of a-z A-Z 0-9 _ -`, id);
}

/** Which lease a caller means. */
export function checkFence(fence: LeaseFence): void {
  checkObject("task", "a lease", fence);
  checkTaskId(fence.id);
  const { retryCount, leaseEndUs } = fence;
  if (retryCount !== undefined) checkInteger("retryCount", retryCount, 0, Number.MAX_SAFE_INTEGER);
  if (leaseEndUs !== undefined) checkInteger("leaseTimestamp", leaseEndUs, 0, Number.MAX_SAFE_INTEGER);
}

/** A new end for a lease. */
export function checkExtension(lease: LeaseExtension): void {
  checkFence(lease);
  checkNumber("newLeaseSeconds", lease.leaseMs, 0, LEASE_MS_MAX);
  if (lease.uncounted !== undefined) checkBoolean("uncounted", lease.uncounted);
  if (lease.uncounted === true && lease.leaseMs !== 0) {
    throw new QueueError(
      "invalid_argument",
      `uncounted gives a task back, so it needs a lease of 0, got ${lease.leaseMs} ms`,
      { location: "uncounted" },
    );
  }
}

/** A lease's request with defaults, without its `waitMs`. */
export function exactLease(request: LeaseRequest): ExactLease {
  checkObject("numTasks", "a lease's request", request);
  const { maxTasks, leaseMs, groupByTag = false } = request;
  const payloadBytesMax = request.payloadBytesMax ?? LEASE_PAYLOAD_BYTES_DEFAULT;
  checkInteger("numTasks", maxTasks, 1, LEASE_TASKS_MAX);
  checkNumber("leaseSecs", leaseMs, 0, LEASE_MS_MAX);
  checkBoolean("groupByTag", groupByTag);
  checkInteger("payloadBytesMax", payloadBytesMax, 1, LEASE_PAYLOAD_BYTES_MAX);
  if (request.waitMs !== undefined) checkWait(request.waitMs);
  // An empty tag counts as none.
  const tag = request.tag === "" ? undefined : request.tag;
  if (tag !== undefined) checkTag(tag);
  if (tag !== undefined && !groupByTag) {
    throw new QueueError("invalid_argument", "Tag specified, but groupByTag was not.", { location: "tag" });
  }
  return { maxTasks, leaseMs, groupByTag, tag, payloadBytesMax };
}

/** How long to wait. */
export function checkWait(waitMs: number): void {
  checkNumber("waitMs", waitMs, 0, WAIT_MS_MAX);
}

/** What to look at. */
export function checkPeekQuery(query: PeekQuery): void {
  checkObject("task", "a query", query);
}

/** The size of a page. */
export function checkLimit(limit: number, max: number): void {
  checkInteger("maxResults", limit, 1, max);
}

/** What every embedded store can be told when it is opened. */
export function checkStoreOptions(options: StoreOptions): void {
  if (options.createQueues !== undefined) checkBoolean("createQueues", options.createQueues);
  checkAtLeast("queuesMax", options.queuesMax, 1);
  checkAtLeast("tombstoneMs", options.tombstoneMs, 0);
}

/** A whole number without an upper limit, if there is one. */
export function checkAtLeast(name: string, value: number | undefined, min: number): void {
  if (value !== undefined) checkInteger(name, value, min, Number.MAX_SAFE_INTEGER);
}

/** Whether every store can hold a text: PostgreSQL takes no U+0000, and a task has to be able to move there. */
export function isText(value: unknown): value is string {
  return typeof value === "string" && value.isWellFormed() && !value.includes("\0");
}

/** A value in a message, never long. */
export function show(value: unknown): string {
  if (typeof value === "string")
    return JSON.stringify(value.length > 100 ? `${value.slice(0, 100)}…` : value);
  if (typeof value === "object" && value !== null) return Array.isArray(value) ? "an array" : "an object";
  return String(value);
}

/** How often a task that is brought was leased, or how many of its leases do not count. */
export function checkLeaseCount(name: string, value: number): void {
  checkInteger(name, value, 0, LEASES_IMPORTED_MAX);
}

/** The settings of a queue. */
export function checkSettings(settings: QueueSettings, queue: QueueKey): void {
  checkObject("taskqueue", "a queue's settings", settings);
  const { mode, maxLeases, acl, disabled } = settings;
  if (mode !== "pull" && mode !== "push") throw invalid("mode", 'mode must be "pull" or "push"', mode);
  if (maxLeases !== undefined) checkInteger("maxLeases", maxLeases, 1, MAX_LEASES_MAX);
  checkBoolean("disabled", disabled);
  if (acl !== undefined) checkAcl(acl);
  checkQueueLimits(settings);
  if (settings.deadLetterQueue !== undefined) checkDeadLetterQueue(settings.deadLetterQueue, queue);
}

/** Which tasks of a queue are meant. */
export function checkTagFilter(only: TagFilter | undefined): void {
  if (only === undefined) return;
  checkObject("tag", "a choice of tasks by tag", only);
  if (only.tag !== undefined) checkTag(only.tag);
}

function checkQueueLimits(settings: QueueSettings): void {
  const { leasesPerSecond, storageBytesMax, retentionMs, tombstoneMs } = settings;
  if (leasesPerSecond !== undefined) {
    const valid =
      typeof leasesPerSecond === "number" &&
      leasesPerSecond >= LEASES_PER_SECOND_MIN &&
      leasesPerSecond <= LEASES_PER_SECOND_MAX;
    const rule = `leasesPerSecond must be a number from one an hour (1/3600) to ${LEASES_PER_SECOND_MAX}`;
    if (!valid) throw invalid("leasesPerSecond", rule, leasesPerSecond);
  }
  if (storageBytesMax !== undefined) {
    checkInteger("storageBytesMax", storageBytesMax, 0, Number.MAX_SAFE_INTEGER);
  }
  if (retentionMs !== undefined) checkInteger("retentionMs", retentionMs, 1, QUEUE_AGE_MS_MAX);
  if (tombstoneMs !== undefined) checkInteger("tombstoneMs", tombstoneMs, 0, QUEUE_AGE_MS_MAX);
}

function checkDeadLetterQueue(name: string, { project, queue }: QueueKey): void {
  try {
    checkQueueKey({ project, queue: name });
  } catch (error) {
    if (!isQueueError(error)) throw error;
    throw new QueueError("invalid_argument", `deadLetterQueue: ${error.message}`, {
      location: "deadLetterQueue",
    });
  }
  if (name !== queue) return;
  throw invalid("deadLetterQueue", "a queue cannot be its own dead-letter queue; name another", name);
}

function checkTraceContext(traceparent: string | undefined, tracestate: string | undefined): void {
  if (traceparent !== undefined && !isTraceparent(traceparent)) {
    const rule =
      "traceparent must be as in W3C Trace Context, such as 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    throw invalid("traceparent", rule, traceparent);
  }
  if (tracestate === undefined) return;
  if (traceparent === undefined) {
    throw invalid("tracestate", "tracestate must come with a traceparent", tracestate);
  }
  if (!isTracestate(tracestate)) {
    const rule = `tracestate must be a list of key=value as in W3C Trace Context, at most ${TRACESTATE_LENGTH_MAX} characters`;
    throw invalid("tracestate", rule, tracestate);
  }
}

function checkAcl(acl: QueueAcl): void {
  checkObject("acl", "an acl", acl);
  for (const [name, emails] of [
    ["consumerEmails", acl.userEmails],
    ["producerEmails", acl.writerEmails],
  ] as const) {
    checkArray(name, name, emails);
    if (emails.length > ACL_EMAILS_MAX) {
      throw invalid(name, `${name} must be at most ${ACL_EMAILS_MAX} addresses`, emails.length);
    }
    const wrong = emails.find(
      (email) => typeof email !== "string" || email === "" || email.length > EMAIL_LENGTH_MAX,
    );
    if (wrong !== undefined) {
      throw invalid(name, `an e-mail address has 1 to ${EMAIL_LENGTH_MAX} characters`, wrong);
    }
  }
}

function checkNewId(id: string): void {
  if (typeof id !== "string" || !TASK_ID_PATTERN.test(id)) {
    throw invalid("id", `a task id is 1 to ${TASK_ID_LENGTH_MAX} of a-z A-Z 0-9 _ -`, id);
  }
  if (GENERATED_ID_PATTERN.test(id)) {
    throw invalid("id", "16 lower-case hex digits are kept for ids that the store makes; choose others", id);
  }
  if (id === "lease") {
    throw invalid("id", "a task cannot be called lease, because its address is that of the lease method", id);
  }
}

function checkTag(tag: string): void {
  if (!isText(tag)) throw invalid("tag", "a tag is a string of UTF-8 without U+0000", tag);
  const bytes = Buffer.byteLength(tag);
  if (bytes <= TAG_BYTES_MAX) return;
  throw new QueueError("invalid_argument", `Tag must be <= ${TAG_BYTES_MAX} bytes, got ${bytes}`, {
    location: "tag",
  });
}

function checkEta(etaUs: number, delayMs: number | undefined, nowUs: number | undefined): void {
  if (delayMs !== undefined) {
    throw new QueueError(
      "invalid_argument",
      "give either the first availability (etaUs, leaseTimestamp) or a delay (delayMs), got both",
      { location: "delayMs" },
    );
  }
  const latestUs = nowUs === undefined ? Number.POSITIVE_INFINITY : nowUs + DELAY_MS_MAX * 1000;
  if (Number.isSafeInteger(etaUs) && etaUs >= 0 && etaUs <= latestUs) return;
  const now = nowUs === undefined ? "" : ` (now is ${nowUs})`;
  const rule = `the first availability is in whole microseconds since the epoch, at most ${DELAY_MS_MAX / 86_400_000} days from now${now}`;
  throw invalid("leaseTimestamp", rule, etaUs);
}

function checkIdempotencyKey(key: string): void {
  if (isText(key) && key.length >= 1 && key.length <= IDEMPOTENCY_KEY_LENGTH_MAX) return;
  const rule = `an idempotency key is a string of 1 to ${IDEMPOTENCY_KEY_LENGTH_MAX} characters without U+0000`;
  throw invalid("idempotencyKey", rule, key);
}

function checkInteger(location: string, value: number, min: number, max: number): void {
  if (Number.isSafeInteger(value) && value >= min && value <= max) return;
  throw invalid(location, `${location} must be a whole number from ${min} to ${max}`, value);
}

function checkNumber(location: string, value: number, min: number, max: number): void {
  if (typeof value === "number" && value >= min && value <= max) return;
  const [unit, scale] = location.includes("Sec") ? ["seconds", 1000] : ["milliseconds", 1];
  const got = typeof value === "number" ? value / scale : value;
  throw invalid(location, `${location} must be from ${min} to ${max / scale} ${unit}`, got);
}

function checkBoolean(location: string, value: boolean): void {
  if (typeof value !== "boolean") throw invalid(location, `${location} must be true or false`, value);
}

/** What a type checker would have found, where none was asked. */
function checkObject(location: string, name: string, value: object): void {
  if (typeof value !== "object" || value === null)
    throw invalid(location, `${name} must be an object`, value);
}

function checkArray(location: string, name: string, value: readonly unknown[]): void {
  if (!Array.isArray(value)) throw invalid(location, `${name} must be an array`, value);
}

/** An argument that breaks a rule, with what came instead. */
export function invalid(location: string, rule: string, got: unknown): QueueError {
  return new QueueError("invalid_argument", `${rule}; got ${show(got)}`, { location });
}
