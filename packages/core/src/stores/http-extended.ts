import { pause } from "../abortable.js";
import { newIdempotencyKey } from "../ids.js";
import { CLIENT_CANCEL_PAUSE_MS, CLIENT_LEASE_PATIENCE_MS, LEASE_PAYLOAD_BYTES_DEFAULT } from "../limits.js";
import type { ExactLease } from "../naive-store.js";
import { releasesByQueue } from "../releases.js";
import type { StoreManifest } from "../store.js";
import type { LeaseExtension, LeaseFence, NewTask, QueueKey, TaskPage, TaskWithPayload } from "../task.js";
import { readBoolean, readObject, readString } from "../wire-read.js";
import { HttpBatches } from "./http-batches.js";
import { type HttpCalls, queuePath } from "./http-calls.js";
import type { HttpDialect, PageRequest } from "./http-dialect.js";
import type { ServerFeatures } from "./http-discovery.js";
import {
  leaseOrGiveBack,
  leaseQuery,
  type RevocableLease,
  tasksFromWire,
  withoutPayload,
} from "./http-lease.js";
import type { HttpStoreSettings } from "./http-options.js";

/** Speaks with our own server: batches that concurrent calls share, fences, and leases that wait there. */
export class ExtendedDialect implements HttpDialect {
  readonly manifest: StoreManifest;
  readonly #calls: HttpCalls;
  readonly #features: ServerFeatures;
  readonly #settings: HttpStoreSettings;
  readonly #batches: HttpBatches;

  constructor(calls: HttpCalls, features: ServerFeatures, settings: HttpStoreSettings) {
    this.#calls = calls;
    this.#features = features;
    this.#settings = settings;
    this.#batches = new HttpBatches(calls, features);
    this.manifest = Object.freeze({
      name: "http",
      persistent: true,
      waits: true,
      anyQueueName: features.anyQueueName,
      fences: true,
      managesQueues: features.methods.has("taskqueues.update"),
      leasesManyQueues: true,
      managesLife: features.methods.has("taskqueues.tagStats"),
      sweeps: false,
      leaseStepMs: 1000,
    });
  }

  insert(queue: QueueKey, tasks: readonly NewTask[], signal: AbortSignal | undefined) {
    return this.#batches.insert(queue, tasks, signal);
  }

  extend(queue: QueueKey, leases: readonly LeaseExtension[], signal: AbortSignal | undefined) {
    return this.#batches.extend(queue, leases, signal);
  }

  delete(queue: QueueKey, targets: readonly LeaseFence[], signal: AbortSignal | undefined) {
    return this.#batches.delete(queue, targets, signal);
  }

  async lease(
    queues: readonly QueueKey[],
    request: ExactLease,
    waitMs: number,
    signal: AbortSignal | undefined,
  ): Promise<readonly TaskWithPayload[]> {
    // A server may wait less than our longest wait; an empty answer means that it waited as long as it was asked to.
    for (let leftMs = waitMs; ; leftMs -= this.#features.waitMsMax) {
      const stepMs = Math.ceil(Math.max(0, Math.min(leftMs, this.#features.waitMsMax)));
      const tasks = await this.#leaseOnce(queues, request, stepMs, signal);
      if (tasks.length > 0 || leftMs <= this.#features.waitMsMax) return tasks;
    }
  }

  async list(queue: QueueKey, { limit, pageToken }: PageRequest, signal: AbortSignal | undefined) {
    return this.#calls.value<TaskPage>({
      route: "tasks.list",
      path: queuePath(queue),
      query: [["maxResults", limit], ...(pageToken === undefined ? [] : [["pageToken", pageToken] as const])],
      read: (json) => ({
        tasks: tasksFromWire(json, queue).map(withoutPayload),
        nextPageToken: readString(readObject(json, "answer"), "nextPageToken"),
      }),
      repeat: "harmless",
      signal,
    });
  }

  async wait(queues: readonly QueueKey[], waitMs: number, signal: AbortSignal | undefined): Promise<boolean> {
    for (let leftMs = waitMs; ; leftMs -= this.#features.waitMsMax) {
      const stepMs = Math.ceil(Math.max(0, Math.min(leftMs, this.#features.waitMsMax)));
      const available = await this.#calls.value({
        route: "taskqueues.wait",
        path: { project: queues[0]!.project },
        query: [...queues.map(({ queue }) => ["taskqueue", queue] as const), ["waitMs", stepMs]],
        read: (json) => readBoolean(readObject(json, "answer"), "available") ?? false,
        repeat: "harmless",
        waitMs: stepMs,
        signal,
      });
      if (available || leftMs <= this.#features.waitMsMax) return available;
    }
  }

  #leaseOnce(
    queues: readonly QueueKey[],
    request: ExactLease,
    waitMs: number,
    signal: AbortSignal | undefined,
  ): Promise<readonly TaskWithPayload[]> {
    const [queue] = queues as readonly [QueueKey];
    const callId = waitMs > 0 ? newIdempotencyKey() : undefined;
    const lease = (cut: AbortSignal, lastAttempt: AbortSignal | undefined) =>
      this.#calls.value({
        ...(queues.length === 1
          ? ({ route: "tasks.lease", path: queuePath(queue) } as const)
          : ({ route: "taskqueues.lease", path: { project: queue.project } } as const)),
        query: [
          ...(queues.length === 1 ? [] : queues.map((key) => ["taskqueue", key.queue] as const)),
          ...leaseQuery(request),
          ...(request.payloadBytesMax === LEASE_PAYLOAD_BYTES_DEFAULT
            ? []
            : [["payloadBytesMax", request.payloadBytesMax] as const]),
          ...(callId === undefined ? [] : [["waitMs", waitMs] as const, ["callId", callId] as const]),
        ],
        read: (json) => tasksFromWire(json, queue),
        // Repeating a lease whose answer was lost would hold twice as many tasks for nothing.
        repeat: "undone",
        waitMs: callId === undefined ? undefined : waitMs,
        patienceMs: waitMs + CLIENT_LEASE_PATIENCE_MS,
        signal: cut,
        lastAttempt,
      });
    return this.#revocable(lease, queue.project, callId, signal);
  }

  #revocable(
    lease: RevocableLease["send"],
    project: string,
    callId: string | undefined,
    signal: AbortSignal | undefined,
  ): Promise<readonly TaskWithPayload[]> {
    const answered = new AbortController();
    return leaseOrGiveBack(
      {
        // With a reason, because Node's own is an error with a stack, made for every lease.
        send: (cut, givenUp) => lease(cut, givenUp).finally(() => answered.abort("answered")),
        giveBack: (tasks) =>
          Promise.all(releasesByQueue(tasks).map(([queue, held]) => this.#batches.extend(queue, held))),
        ...(callId === undefined
          ? {}
          : { endWait: () => void this.#endWait(project, callId, answered.signal) }),
      },
      this.#settings.clock,
      signal,
    );
  }

  /** The lease may not have reached the server yet: then the server does not know it, and is asked until it does. */
  async #endWait(project: string, callId: string, answered: AbortSignal): Promise<void> {
    while (!answered.aborted) {
      const outcome = await this.#calls.outcome({
        route: "taskqueues.cancelLease",
        path: { project },
        query: [["callId", callId]],
        read: (json) => readBoolean(readObject(json, "answer"), "cancelled") ?? false,
        repeat: "undone",
        lastAttempt: answered,
      });
      // Without an answer the connection of the lease is cut when its grace is over.
      if (!outcome.ok || outcome.value) return;
      await pause(this.#settings.clock, CLIENT_CANCEL_PAUSE_MS, answered);
    }
  }
}
