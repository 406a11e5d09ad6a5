import { setMaxListeners } from "node:events";
import { followSignals } from "../abortable.js";
import {
  checkBatch,
  checkBatchPayload,
  checkExtension,
  checkFence,
  checkLimit,
  checkPeekQuery,
  checkProject,
  checkQueueKey,
  checkQueueKeys,
  checkSettings,
  checkTagFilter,
  checkTaskId,
  checkWait,
  exactLease,
} from "../argument-rules.js";
import { eachValid } from "../each-valid.js";
import type { HttpClient } from "../http-client.js";
import { Lifecycle } from "../lifecycle.js";
import { CLIENT_LEASE_PATIENCE_MS, LIST_QUEUES_MAX, LIST_TASKS_MAX, TAG_STATS_MAX } from "../limits.js";
import type {
  CallOptions,
  PurgeOptions,
  QueueAdmin,
  QueueStore,
  StoreManifest,
  SweepResult,
} from "../store.js";
import { closedStore } from "../store-errors.js";
import type {
  ItemResult,
  LeaseExtension,
  LeaseFence,
  LeaseRequest,
  NewTask,
  PeekQuery,
  QueueInfo,
  QueueKey,
  QueuePage,
  QueueSettings,
  TagStatsPage,
  Task,
  TaskPage,
  TaskWithPayload,
} from "../task.js";
import { HttpCalls } from "./http-calls.js";
import type { HttpDialect } from "./http-dialect.js";
import { Discovery, type ServerFeatures } from "./http-discovery.js";
import { ExtendedDialect } from "./http-extended.js";
import { type HttpStoreOptions, httpStoreSettings } from "./http-options.js";
import { PLAIN_MANIFEST, PlainTasks } from "./http-plain.js";
import { PlainDialect } from "./http-plain-dialect.js";
import { purgeByPages, purgeOnServer, redriveOnServer } from "./http-purge.js";
import {
  deleteQueue,
  findTask,
  getQueue,
  listQueues,
  putQueue,
  requireMethod,
  setPaused,
  tagStats,
} from "./http-queues.js";
import { checkOneProject, checkPlainName, checkTaskToSend } from "./http-rules.js";

/** A store on the other side of HTTP. */
export interface HttpStore extends QueueStore, QueueAdmin {
  /** What the server can do; until it has been asked (`ready`, or any call), what every server can. */
  readonly supports: StoreManifest;
  /**
   * Asks the server what it can do, unless that is known. Rejects with `unavailable` when it cannot be reached within `patienceMs`: 0 tries once.
   * Default: the store's deadline.
   */
  ready(options?: CallOptions & { readonly patienceMs?: number }): Promise<StoreManifest>;
}

/**
 * A store that calls a server of the App Engine pull-queue REST API: ours, with everything that the contract promises, or
 * any other, as far as v1beta2 goes. The server's discovery document tells which; it is read on first use, and again
 * after a connection failed.
 *
 * Calls made at the same time share batches. What a lost answer leaves open is repeated where that is harmless: inserts
 * carry idempotency keys, renewals and deletes say which lease they mean. A lease whose answer is lost is not repeated,
 * because it would hold tasks twice: it rejects with `unavailable` or `timeout`, and what it may have leased comes back
 * when the lease ends. Throws `invalid_argument` for options that contradict each other.
 */
export function openHttpStore(options: HttpStoreOptions): HttpStore {
  return new HttpStoreOverCalls(options);
}

/** The server as it was last seen. */
interface Server {
  readonly features: ServerFeatures;
  readonly dialect: HttpDialect;
}

class HttpStoreOverCalls implements HttpStore {
  readonly #settings: ReturnType<typeof httpStoreSettings>;
  readonly #client: HttpClient;
  readonly #calls: HttpCalls;
  readonly #discovery: Discovery;
  readonly #ending = new AbortController();
  readonly #lifecycle: Lifecycle;
  #server: Server | undefined;

  constructor(options: HttpStoreOptions) {
    this.#settings = httpStoreSettings(options);
    // Each call that waits listens; Node would suspect a leak at eleven.
    setMaxListeners(0, this.#ending.signal);
    this.#client = this.#settings.client;
    this.#calls = new HttpCalls(this.#settings, this.#ending.signal, () => this.#discovery.forget());
    this.#discovery = new Discovery(this.#calls, this.#settings.clock);
    this.#lifecycle = new Lifecycle({
      begin: () => this.#ending.abort(closedStore()),
      finish: () => this.#client.close(),
    });
  }

  get supports(): StoreManifest {
    return this.#server?.dialect.manifest ?? PLAIN_MANIFEST;
  }

  ready(options?: CallOptions & { readonly patienceMs?: number }): Promise<StoreManifest> {
    const reach = (signal: AbortSignal | undefined) => this.#reach([], signal, options?.patienceMs);
    return this.#lifecycle.run(options, async (signal) => (await reach(signal)).dialect.manifest);
  }

  insert(
    queue: QueueKey,
    tasks: readonly NewTask[],
    options?: CallOptions,
  ): Promise<readonly ItemResult<Task>[]> {
    return this.#lifecycle.run(options, (signal) => {
      checkQueueKey(queue);
      checkBatch("tasks", tasks);
      checkBatchPayload(tasks);
      return this.#onItems(queue, tasks, signal, (dialect) =>
        eachValid(tasks, checkTaskToSend, (valid) => dialect.insert(queue, valid, signal)),
      );
    });
  }

  lease(
    queues: readonly QueueKey[],
    request: LeaseRequest,
    options?: CallOptions,
  ): Promise<readonly TaskWithPayload[]> {
    return this.#lifecycle.run(options, async (signal) => {
      checkQueueKeys(queues);
      const exact = exactLease(request);
      checkOneProject(queues);
      const waitMs = request.waitMs ?? 0;
      if (waitMs > 0) return this.#endable(signal, (either) => this.#lease(queues, exact, waitMs, either));
      return this.#lease(queues, exact, 0, signal);
    });
  }

  extend(
    queue: QueueKey,
    leases: readonly LeaseExtension[],
    options?: CallOptions,
  ): Promise<readonly ItemResult<Task>[]> {
    return this.#lifecycle.run(options, (signal) => {
      checkQueueKey(queue);
      checkBatch("leases", leases);
      return this.#onItems(queue, leases, signal, (dialect) =>
        eachValid(leases, checkExtension, (valid) => dialect.extend(queue, valid, signal)),
      );
    });
  }

  delete(
    queue: QueueKey,
    targets: readonly LeaseFence[],
    options?: CallOptions,
  ): Promise<readonly ItemResult<undefined>[]> {
    return this.#lifecycle.run(options, (signal) => {
      checkQueueKey(queue);
      checkBatch("targets", targets);
      return this.#onItems(queue, targets, signal, (dialect) =>
        eachValid(targets, checkFence, (valid) => dialect.delete(queue, valid, signal)),
      );
    });
  }

  peek(queue: QueueKey, query: PeekQuery, options?: CallOptions): Promise<TaskPage> {
    return this.#lifecycle.run(options, async (signal) => {
      checkQueueKey(queue);
      checkPeekQuery(query);
      if ("id" in query) {
        checkTaskId(query.id);
        await this.#reach([queue], signal);
        const task = await findTask(this.#calls, queue, query.id, signal);
        return { tasks: task === undefined ? [] : [task] };
      }
      checkLimit(query.limit, LIST_TASKS_MAX);
      return (await this.#reach([queue], signal)).dialect.list(queue, query, signal);
    });
  }

  wait(queues: readonly QueueKey[], waitMs: number, options?: CallOptions): Promise<boolean> {
    return this.#lifecycle.run(options, async (signal) => {
      checkQueueKeys(queues);
      checkWait(waitMs);
      checkOneProject(queues);
      return this.#endable(signal, async (either) =>
        (await this.#reach(queues, either)).dialect.wait(queues, waitMs, either),
      );
    });
  }

  putQueue(queue: QueueKey, settings: QueueSettings, options?: CallOptions): Promise<QueueInfo> {
    return this.#lifecycle.run(options, async (signal) => {
      checkQueueKey(queue);
      checkSettings(settings, queue);
      requireMethod((await this.#reach([queue], signal)).features.methods, "taskqueues.update");
      return putQueue(this.#calls, queue, settings, signal);
    });
  }

  getQueue(queue: QueueKey, options?: CallOptions & { readonly stats?: boolean }): Promise<QueueInfo> {
    return this.#lifecycle.run(options, async (signal) => {
      checkQueueKey(queue);
      await this.#reach([queue], signal);
      return getQueue(this.#calls, queue, options?.stats === true, signal);
    });
  }

  listQueues(
    project: string,
    options: CallOptions & {
      readonly limit?: number;
      readonly pageToken?: string;
      readonly stats?: boolean;
    } = {},
  ): Promise<QueuePage> {
    return this.#lifecycle.run(options, async (signal) => {
      checkProject(project);
      const { limit = LIST_QUEUES_MAX, pageToken, stats = false } = options;
      checkLimit(limit, LIST_QUEUES_MAX);
      requireMethod((await this.#reach([], signal)).features.methods, "taskqueues.list");
      return listQueues(this.#calls, project, { limit, pageToken, stats, signal });
    });
  }

  deleteQueue(queue: QueueKey, options?: CallOptions): Promise<void> {
    return this.#lifecycle.run(options, async (signal) => {
      checkQueueKey(queue);
      requireMethod((await this.#reach([queue], signal)).features.methods, "taskqueues.delete");
      await deleteQueue(this.#calls, queue, signal);
    });
  }

  purge(queue: QueueKey, options?: PurgeOptions): Promise<number> {
    const onProgress = options?.onProgress ?? (() => {});
    const only = options?.only;
    return this.#lifecycle.run(options, async (caller) => {
      checkQueueKey(queue);
      checkTagFilter(only);
      return this.#endable(caller, async (signal) => {
        const { features } = await this.#reach([queue], signal);
        // A server that cannot choose would remove everything.
        if (only !== undefined) requireMethod(features.methods, "taskqueues.tagStats");
        if (features.methods.has("taskqueues.purge")) {
          return purgeOnServer(this.#calls, queue, { only, signal, onProgress });
        }
        const tasks = new PlainTasks(this.#calls);
        return purgeByPages(this.#calls, queue, { tasks, signal, onProgress });
      });
    });
  }

  pauseQueue(queue: QueueKey, options?: CallOptions): Promise<QueueInfo> {
    return this.#setPaused(queue, "taskqueues.pause", options);
  }

  resumeQueue(queue: QueueKey, options?: CallOptions): Promise<QueueInfo> {
    return this.#setPaused(queue, "taskqueues.resume", options);
  }

  tagStats(
    queue: QueueKey,
    options: CallOptions & { readonly limit?: number; readonly pageToken?: string } = {},
  ): Promise<TagStatsPage> {
    return this.#lifecycle.run(options, async (signal) => {
      checkQueueKey(queue);
      const { limit = TAG_STATS_MAX, pageToken } = options;
      checkLimit(limit, TAG_STATS_MAX);
      requireMethod((await this.#reach([queue], signal)).features.methods, "taskqueues.tagStats");
      return tagStats(this.#calls, queue, { limit, pageToken, signal });
    });
  }

  redrive(
    queue: QueueKey,
    options?: CallOptions & { readonly onProgress?: (moved: number) => void },
  ): Promise<number> {
    const onProgress = options?.onProgress ?? (() => {});
    return this.#lifecycle.run(options, async (caller) => {
      checkQueueKey(queue);
      return this.#endable(caller, async (signal) => {
        requireMethod((await this.#reach([queue], signal)).features.methods, "taskqueues.redrive");
        return redriveOnServer(this.#calls, queue, { signal, onProgress });
      });
    });
  }

  /** Does nothing: a server sweeps its store by itself. */
  sweep(options?: CallOptions): Promise<SweepResult> {
    return this.#lifecycle.run(options, async () => ({ expiredTasks: 0, deadLetteredTasks: 0 }));
  }

  close(): Promise<void> {
    return this.#lifecycle.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #setPaused(
    queue: QueueKey,
    route: "taskqueues.pause" | "taskqueues.resume",
    options: CallOptions | undefined,
  ): Promise<QueueInfo> {
    return this.#lifecycle.run(options, async (signal) => {
      checkQueueKey(queue);
      requireMethod((await this.#reach([queue], signal)).features.methods, route);
      return setPaused(this.#calls, queue, route, signal);
    });
  }

  /** A call that may take long also ends when the store is closed. */
  async #endable<T>(signal: AbortSignal | undefined, call: (either: AbortSignal) => Promise<T>): Promise<T> {
    const either = followSignals(signal, this.#ending.signal);
    try {
      return await call(either.signal);
    } finally {
      either.release();
    }
  }

  async #lease(
    queues: readonly QueueKey[],
    request: ReturnType<typeof exactLease>,
    waitMs: number,
    signal: AbortSignal | undefined,
  ): Promise<readonly TaskWithPayload[]> {
    const patienceMs = Math.min(this.#settings.deadlineMs, waitMs + CLIENT_LEASE_PATIENCE_MS);
    const { dialect } = await this.#reach(queues, signal, patienceMs);
    return dialect.lease(queues, request, waitMs, signal);
  }

  /** Work on the items of a batch. One that is made for each message begins at once where the server is known. */
  #onItems<T>(
    queue: QueueKey,
    items: readonly unknown[],
    signal: AbortSignal | undefined,
    work: (dialect: HttpDialect) => Promise<readonly ItemResult<T>[]>,
  ): Promise<readonly ItemResult<T>[]> {
    if (items.length === 0) return Promise.resolve([]);
    const server = this.#server;
    if (server?.features.anyQueueName === true && server.features === this.#discovery.known) {
      return work(server.dialect);
    }
    return this.#reach([queue], signal).then(({ dialect }) => work(dialect));
  }

  /** The server, asked what it is if that is not known. Refuses queue names that it does not take. */
  async #reach(
    queues: readonly QueueKey[],
    signal: AbortSignal | undefined,
    patienceMs = this.#settings.deadlineMs,
  ): Promise<Server> {
    const features = await this.#discovery.features(patienceMs, signal);
    if (this.#server?.features !== features) {
      const dialect = features.extended
        ? new ExtendedDialect(this.#calls, features, this.#settings)
        : new PlainDialect(this.#calls, this.#settings);
      this.#server = { features, dialect };
    }
    if (!features.anyQueueName) for (const queue of queues) checkPlainName(queue);
    return this.#server;
  }
}
