import { createHash } from "node:crypto";
import { isQueueError, QueueError } from "../errors.js";
import { idSource, newIdempotencyKey } from "../ids.js";
import { PLAIN_CALLS_IN_FLIGHT } from "../limits.js";
import { mapConcurrently } from "../map-concurrently.js";
import type { StoreManifest } from "../store.js";
import { leaseLost, unknownTask } from "../store-errors.js";
import type { ItemResult, LeaseExtension, LeaseFence, NewTask, QueueKey, Task, TaskPage } from "../task.js";
import { bareTaskFromWire, newTaskToWire } from "../wire.js";
import { type HttpCalls, type Outcome, queuePath } from "./http-calls.js";
import type { PageRequest } from "./http-dialect.js";
import { tasksFromWire, withoutPayload } from "./http-lease.js";
import { findTask, getQueue } from "./http-queues.js";

/** What a server with nothing beyond v1beta2 can be asked to do. */
export const PLAIN_MANIFEST: StoreManifest = Object.freeze({
  name: "http",
  persistent: true,
  waits: true,
  anyQueueName: false,
  fences: false,
  managesQueues: false,
  leasesManyQueues: false,
  managesLife: false,
  sweeps: false,
  leaseStepMs: 1000,
});

/** Errors that concern one task and leave its neighbours alone. */
const ITEM_ERRORS = new Set(["already_exists", "invalid_argument", "too_large", "lease_lost", "not_found"]);

/** Single tasks on a server that knows nothing of batches, keys and fences: one call for each, several at once. */
export class PlainTasks {
  readonly #calls: HttpCalls;
  readonly #ids = idSource();

  constructor(calls: HttpCalls) {
    this.#calls = calls;
  }

  insert(queue: QueueKey, tasks: readonly NewTask[], signal?: AbortSignal) {
    return each(tasks, (task) => this.#insertOne(queue, task, signal));
  }

  async extend(queue: QueueKey, leases: readonly LeaseExtension[], signal?: AbortSignal) {
    const results = await each(leases, (lease) => this.#extendOne(queue, lease, signal));
    return this.#unlessQueueUnknown(queue, results, isRefusal, signal);
  }

  async delete(queue: QueueKey, targets: readonly LeaseFence[], signal?: AbortSignal) {
    const results = await each(targets, (fence) => this.#deleteOne(queue, fence, signal));
    return this.#unlessQueueUnknown(queue, results, ({ code }) => code === "not_found", signal);
  }

  /** The first tasks of the queue; such servers show 100 and no further page. */
  list(queue: QueueKey, { limit, pageToken }: PageRequest, signal?: AbortSignal): Promise<TaskPage> {
    if (pageToken !== undefined) {
      const message = "this server lists the first 100 tasks of a queue and has no further pages";
      return Promise.reject(new QueueError("not_supported", message, { location: "pageToken" }));
    }
    return this.#calls.value({
      route: "tasks.list",
      path: queuePath(queue),
      read: (json) => ({
        tasks: tasksFromWire(json, queue).slice(0, limit).map(withoutPayload),
      }),
      repeat: "harmless",
      signal,
    });
  }

  /**
   * A task without a name gets one made of its idempotency key, so that the server refuses to store it twice; that
   * refusal then means success. A name of the caller's own is in use by our own task only after an unanswered attempt.
   */
  async #insertOne(queue: QueueKey, task: NewTask, signal?: AbortSignal): Promise<ItemResult<Task>> {
    const id = task.id ?? this.#idOf(task.idempotencyKey);
    const outcome = await this.#calls.outcome({
      route: "tasks.insert",
      path: queuePath(queue),
      body: newTaskToWire({ ...task, id, etaUs: this.#etaOf(task) }, queue),
      read: (json) => bareTaskFromWire(json, queue),
      repeat: "harmless",
      signal,
    });
    const ours = task.id === undefined || outcome.unclear;
    if (outcome.ok || outcome.error.code !== "already_exists" || !ours) return resultOf(outcome);
    const stored = await findTask(this.#calls, queue, id, signal);
    // Finished already: what was asked has been done, and this is all that is left to tell.
    const nowUs = this.#calls.serverClock.nowUs();
    return { ok: true, value: stored ? withoutPayload(stored) : finishedTask(queue, id, task, nowUs) };
  }

  /** A key may be any text. Without one, ids grow with time, because the server breaks ties by them. */
  #idOf(idempotencyKey: string | undefined): string {
    if (idempotencyKey === undefined)
      return `t${this.#ids.next(this.#calls.serverClock.nowUs())}-${newIdempotencyKey()}`;
    return `key-${createHash("sha256").update(idempotencyKey).digest("base64url")}`;
  }

  /** Such servers know no delays, only times by their own clock. */
  #etaOf({ etaUs, delayMs }: NewTask): number | undefined {
    if (delayMs === undefined) return etaUs;
    return this.#calls.serverClock.nowUs() + Math.ceil(delayMs * 1000);
  }

  /**
   * The server compares the lease's end, which moves with each renewal. So when it refuses, an earlier renewal whose
   * answer was lost may be why: the task is read, and while its retry_count is ours, the new end is taken over.
   */
  async #extendOne(queue: QueueKey, lease: LeaseExtension, signal?: AbortSignal): Promise<ItemResult<Task>> {
    const { id, retryCount, leaseEndUs, leaseMs } = lease;
    const known = leaseEndUs !== undefined || retryCount === undefined;
    const first = known ? await this.#renew(queue, lease, leaseEndUs, signal) : undefined;
    if (first?.ok === true) return { ok: true, value: withFence(first.value, lease) };
    if (first !== undefined && !isRefusal(first.error)) return resultOf(first);
    if (retryCount === undefined) return { ok: false, error: leaseLost(id) };
    const task = await findTask(this.#calls, queue, id, signal);
    if (task?.retryCount !== retryCount) return { ok: false, error: leaseLost(id) };
    const second = await this.#renew(queue, lease, task.etaUs, signal);
    if (second.ok) return { ok: true, value: withFence(second.value, lease) };
    // A release that was done before finds the lease gone; the task is free, as was asked.
    if (isRefusal(second.error) && leaseMs === 0 && (first?.unclear === true || second.unclear)) {
      return { ok: true, value: withoutPayload(task) };
    }
    return { ok: false, error: isRefusal(second.error) ? leaseLost(id) : second.error };
  }

  #renew(
    queue: QueueKey,
    { id, leaseMs }: LeaseExtension,
    endUs: number | undefined,
    signal?: AbortSignal,
  ): Promise<Outcome<Task>> {
    return this.#calls.outcome({
      route: endUs === undefined ? "tasks.patch" : "tasks.update",
      path: { ...queuePath(queue), task: id },
      query: [["newLeaseSeconds", Math.ceil(leaseMs / 1000)]],
      body: {
        kind: "taskqueues#task",
        id,
        queueName: queue.queue,
        ...(endUs === undefined ? {} : { leaseTimestamp: String(endUs) }),
      },
      read: (json) => bareTaskFromWire(json, queue),
      repeat: "harmless",
      signal,
    });
  }

  /** Such servers delete unconditionally, so a lease that is over by what we know is not used for it. */
  async #deleteOne(queue: QueueKey, fence: LeaseFence, signal?: AbortSignal): Promise<ItemResult<undefined>> {
    const refused = await this.#refusalOf(queue, fence, signal);
    if (refused !== undefined) return { ok: false, error: refused };
    const outcome = await this.#calls.outcome({
      route: "tasks.delete",
      path: { ...queuePath(queue), task: fence.id },
      read: () => undefined,
      repeat: "harmless",
      signal,
    });
    if (outcome.ok || (outcome.unclear && outcome.error.code === "not_found")) {
      return { ok: true, value: undefined };
    }
    return resultOf(outcome);
  }

  async #refusalOf(
    queue: QueueKey,
    { id, retryCount, leaseEndUs }: LeaseFence,
    signal?: AbortSignal,
  ): Promise<QueueError | undefined> {
    if (retryCount === undefined && leaseEndUs === undefined) return undefined;
    const { serverClock } = this.#calls;
    if (leaseEndUs !== undefined && leaseEndUs > serverClock.nowUs()) return undefined;
    if (retryCount === undefined) return leaseLost(id);
    const task = await findTask(this.#calls, queue, id, signal);
    if (task === undefined) return unknownTask(id);
    const held = task.retryCount === retryCount && task.etaUs > serverClock.nowUs();
    return held ? undefined : leaseLost(id);
  }

  /** Such servers say much the same of an unknown task and an unknown queue: when nothing was found, the queue is looked up. */
  async #unlessQueueUnknown<T>(
    queue: QueueKey,
    results: readonly ItemResult<T>[],
    suspicious: (error: QueueError) => boolean,
    signal?: AbortSignal,
  ): Promise<readonly ItemResult<T>[]> {
    if (results.every((result) => !result.ok && suspicious(result.error))) {
      await getQueue(this.#calls, queue, false, signal);
    }
    return results;
  }
}

/** Runs each item; when all fail for a reason that is not theirs, the whole call fails with the first. */
async function each<I, T>(
  items: readonly I[],
  run: (item: I) => Promise<ItemResult<T>>,
): Promise<readonly ItemResult<T>[]> {
  const results = await mapConcurrently(items, PLAIN_CALLS_IN_FLIGHT, async (item) => {
    try {
      return await run(item);
    } catch (error) {
      // A look-up in between failed; aborts and defects go on.
      if (isQueueError(error)) return { ok: false, error } as const;
      throw error;
    }
  });
  const [first] = results;
  if (first?.ok === false && results.every((result) => !result.ok && !ITEM_ERRORS.has(result.error.code))) {
    throw first.error;
  }
  return results;
}

function resultOf<T>(outcome: Outcome<T>): ItemResult<T> {
  return outcome.ok ? { ok: true, value: outcome.value } : { ok: false, error: outcome.error };
}

function isRefusal({ code }: QueueError): boolean {
  return code === "lease_lost" || code === "not_found";
}

/** Some servers answer a renewal with little more than its new end. */
function withFence(task: Task, { retryCount }: LeaseExtension): Task {
  return task.retryCount === 0 && retryCount !== undefined ? { ...task, retryCount } : task;
}

function finishedTask(queue: QueueKey, id: string, { tag }: NewTask, nowUs: number): Task {
  return { queue, id, tag, enqueuedAtUs: nowUs, etaUs: nowUs, retryCount: 0, uncounted: 0 };
}
