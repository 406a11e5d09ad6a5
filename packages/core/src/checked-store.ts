import {
  checkBatch,
  checkBatchPayload,
  checkExtension,
  checkFence,
  checkLimit,
  checkNewTask,
  checkPeekQuery,
  checkProject,
  checkQueueKey,
  checkQueueKeys,
  checkSettings,
  checkTagFilter,
  checkTaskId,
  checkWait,
  exactLease,
} from "./argument-rules.js";
import { checkedTransfer } from "./checked-transfer.js";
import type { Clock } from "./clock.js";
import { eachValid } from "./each-valid.js";
import { isQueueError } from "./errors.js";
import { type Eventual, whenThere } from "./eventual.js";
import { Lifecycle } from "./lifecycle.js";
import { LIST_PROJECTS_MAX, LIST_QUEUES_MAX, LIST_TASKS_MAX, TAG_STATS_MAX } from "./limits.js";
import {
  type Arrival,
  type ExactLease,
  type LeaseAnswer,
  type NaiveStore,
  type NaiveTransfer,
  type PauseState,
  statsChoice,
} from "./naive-store.js";
import {
  queueNameOf,
  queuePageToken,
  tagOf,
  tagPageToken,
  taskPageToken,
  taskPositionOf,
} from "./page-token.js";
import { releasesByQueue } from "./releases.js";
import type {
  CallOptions,
  PurgeOptions,
  QueueAdmin,
  QueueStore,
  StoreManifest,
  SweepResult,
} from "./store.js";
import { closedStore } from "./store-errors.js";
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
} from "./task.js";
import type { QueueTransfer, TransferStore } from "./transfer.js";
import { type Waiter, Waiters } from "./waiters.js";

/**
 * Makes a whole store of a naive one: proves arguments, fills defaults, lets leases wait, obeys signals, guards the life
 * after close. `clock` is the naive store's own.
 */
export function checkedStore(
  naive: NaiveStore & { readonly transfer: NaiveTransfer },
  options: { readonly clock: Clock },
): TransferStore;
export function checkedStore(naive: NaiveStore, options: { readonly clock: Clock }): QueueStore & QueueAdmin;
export function checkedStore(naive: NaiveStore, options: { readonly clock: Clock }): QueueStore & QueueAdmin {
  return new CheckedStore(naive, options.clock);
}

class CheckedStore implements QueueStore, QueueAdmin {
  readonly supports: StoreManifest;
  readonly transfer: QueueTransfer | undefined;
  readonly #naive: NaiveStore;
  readonly #clock: Clock;
  readonly #waiters: Waiters;
  readonly #lifecycle: Lifecycle;

  constructor(naive: NaiveStore, clock: Clock) {
    this.supports = naive.supports;
    this.#naive = naive;
    this.#clock = clock;
    this.#waiters = new Waiters({
      clock,
      nextEtaUs: (queue, afterUs) => naive.nextEtaUs(queue, afterUs),
      watchForeignWrites: naive.watchForeignWrites?.bind(naive),
    });
    this.#lifecycle = new Lifecycle({
      begin: () => this.#waiters.close(closedStore()),
      finish: () => naive.close(),
    });
    this.transfer = naive.transfer && checkedTransfer(naive.transfer, this.#lifecycle);
  }

  insert(queue: QueueKey, tasks: readonly NewTask[], options?: CallOptions) {
    return this.#lifecycle.run(options, () => {
      checkQueueKey(queue);
      checkBatch("tasks", tasks);
      checkBatchPayload(tasks);
      const nowUs = this.#clock.nowUs();
      let expected = 0;
      const inserted = eachValid(
        tasks,
        (task) => checkNewTask(task, nowUs),
        (valid) => {
          const inserting = this.#naive.insert(queue, valid);
          // Whoever is woken now leases behind the insert, so that the store may do both in one.
          if (this.#naive.callsInOrder === true) expected = this.#waiters.tasksComing(queue, valid, nowUs);
          return inserting;
        },
      );
      return whenThere(inserted, (results) => {
        this.#waiters.tasksWritten(queue, results, expected);
        return results;
      });
    });
  }

  lease(queues: readonly QueueKey[], request: LeaseRequest, options?: CallOptions) {
    return this.#lifecycle.run(options, async () => {
      checkQueueKeys(queues);
      const exact = exactLease(request);
      const waitMs = request.waitMs ?? 0;
      if (waitMs > 0) return this.#leaseWaiting(queues, exact, waitMs, options?.signal);
      return (await this.#leaseNow(queues, exact, options?.signal)).tasks;
    });
  }

  extend(queue: QueueKey, leases: readonly LeaseExtension[], options?: CallOptions) {
    return this.#lifecycle.run(options, () => {
      checkQueueKey(queue);
      checkBatch("leases", leases);
      return this.#extend(queue, leases);
    });
  }

  delete(queue: QueueKey, targets: readonly LeaseFence[], options?: CallOptions) {
    return this.#lifecycle.run(options, () => {
      checkQueueKey(queue);
      checkBatch("targets", targets);
      return eachValid(targets, checkFence, (valid) => this.#naive.delete(queue, valid));
    });
  }

  peek(queue: QueueKey, query: PeekQuery, options?: CallOptions): Promise<TaskPage> {
    return this.#lifecycle.run(options, async () => {
      checkQueueKey(queue);
      checkPeekQuery(query);
      if ("id" in query) {
        checkTaskId(query.id);
        const task = await this.#naive.find(queue, query.id);
        return { tasks: task === undefined ? [] : [task] };
      }
      checkLimit(query.limit, LIST_TASKS_MAX);
      const after = query.pageToken === undefined ? undefined : taskPositionOf(query.pageToken);
      const found = await this.#naive.list(queue, query.limit + 1, after);
      if (found.length <= query.limit) return { tasks: found };
      const tasks = found.slice(0, query.limit);
      return { tasks, nextPageToken: taskPageToken(tasks.at(-1)!) };
    });
  }

  wait(queues: readonly QueueKey[], waitMs: number, options?: CallOptions): Promise<boolean> {
    return this.#lifecycle.run(options, () => {
      checkQueueKeys(queues);
      checkWait(waitMs);
      // Whoever only waits takes nothing, so its wake must not be one that a waiting lease goes without.
      return this.#waiters.register(queues, 0).sleep(waitMs, options?.signal);
    });
  }

  putQueue(queue: QueueKey, settings: QueueSettings, options?: CallOptions): Promise<QueueInfo> {
    return this.#lifecycle.run(options, async () => {
      checkQueueKey(queue);
      checkSettings(settings, queue);
      const info = await this.#naive.putQueue(queue, settings);
      this.#waiters.queueChanged(queue);
      return info;
    });
  }

  getQueue(queue: QueueKey, options?: CallOptions & { readonly stats?: boolean }): Promise<QueueInfo> {
    return this.#lifecycle.run(options, async () => {
      checkQueueKey(queue);
      return this.#naive.getQueue(queue, statsChoice(options?.stats));
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
    return this.#lifecycle.run(options, async () => {
      checkProject(project);
      const { limit = LIST_QUEUES_MAX, pageToken } = options;
      checkLimit(limit, LIST_QUEUES_MAX);
      const after = pageToken === undefined ? undefined : queueNameOf(pageToken);
      const stats = statsChoice(options.stats);
      const found = await this.#naive.listQueues(project, { limit: limit + 1, after, stats });
      if (found.length <= limit) return { queues: found };
      const queues = found.slice(0, limit);
      return { queues, nextPageToken: queuePageToken(queues.at(-1)!.key.queue) };
    });
  }

  get listProjects(): QueueAdmin["listProjects"] {
    if (this.#naive.listProjects === undefined) return undefined;
    return (options) =>
      this.#lifecycle.run(options, async () => this.#naive.listProjects!(LIST_PROJECTS_MAX));
  }

  deleteQueue(queue: QueueKey, options?: CallOptions): Promise<void> {
    return this.#lifecycle.run(options, async () => {
      checkQueueKey(queue);
      await this.#naive.deleteQueue(queue);
    });
  }

  purge(queue: QueueKey, options?: PurgeOptions): Promise<number> {
    return this.#lifecycle.run(options, async () => {
      checkQueueKey(queue);
      checkTagFilter(options?.only);
      let total = 0;
      for await (const removed of this.#naive.purge(queue, options?.only)) {
        total += removed;
        options?.onProgress?.(total);
        this.#stopIfAsked(options);
      }
      return total;
    });
  }

  pauseQueue(queue: QueueKey, options?: CallOptions): Promise<QueueInfo> {
    return this.#setPaused(queue, "paused", options);
  }

  resumeQueue(queue: QueueKey, options?: CallOptions): Promise<QueueInfo> {
    return this.#setPaused(queue, "running", options);
  }

  tagStats(
    queue: QueueKey,
    options: CallOptions & { readonly limit?: number; readonly pageToken?: string } = {},
  ): Promise<TagStatsPage> {
    return this.#lifecycle.run(options, async () => {
      checkQueueKey(queue);
      const { limit = TAG_STATS_MAX, pageToken } = options;
      checkLimit(limit, TAG_STATS_MAX);
      const after = pageToken === undefined ? undefined : tagOf(pageToken);
      const found = await this.#naive.tagStats(queue, limit + 1, after);
      if (found.length <= limit) return { tags: found };
      const tags = found.slice(0, limit);
      return { tags, nextPageToken: tagPageToken(tags.at(-1)!) };
    });
  }

  redrive(
    queue: QueueKey,
    options?: CallOptions & { readonly onProgress?: (moved: number) => void },
  ): Promise<number> {
    return this.#lifecycle.run(options, async () => {
      checkQueueKey(queue);
      let total = 0;
      for await (const { moved, arrivals } of this.#naive.redrive(queue)) {
        this.#tellOfArrivals(arrivals);
        total += moved;
        options?.onProgress?.(total);
        this.#stopIfAsked(options);
      }
      return total;
    });
  }

  sweep(options?: CallOptions): Promise<SweepResult> {
    return this.#lifecycle.run(options, async () => {
      let expiredTasks = 0;
      let deadLetteredTasks = 0;
      for await (const chunk of this.#naive.sweep()) {
        this.#tellOfArrivals(chunk.arrivals);
        expiredTasks += chunk.expiredTasks;
        deadLetteredTasks += chunk.deadLetteredTasks;
        this.#stopIfAsked(options);
      }
      return { expiredTasks, deadLetteredTasks };
    });
  }

  close(): Promise<void> {
    return this.#lifecycle.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #setPaused(queue: QueueKey, state: PauseState, options: CallOptions | undefined): Promise<QueueInfo> {
    return this.#lifecycle.run(options, async () => {
      checkQueueKey(queue);
      const info = await this.#naive.setPaused(queue, state);
      this.#waiters.queueChanged(queue);
      return info;
    });
  }

  /** Between two chunks of something long. */
  #stopIfAsked(options: CallOptions | undefined): void {
    options?.signal?.throwIfAborted();
    if (this.#lifecycle.isClosing) throw closedStore();
  }

  #extend(queue: QueueKey, leases: readonly LeaseExtension[]): Eventual<readonly ItemResult<Task>[]> {
    const extended = eachValid(leases, checkExtension, (valid) => this.#naive.extend(queue, valid));
    return whenThere(extended, (results) => {
      this.#waiters.tasksWritten(queue, results);
      return results;
    });
  }

  /** Registers, looks, sleeps and looks again, until there are tasks, the time is up or the signal fires. */
  async #leaseWaiting(
    queues: readonly QueueKey[],
    request: ExactLease,
    waitMs: number,
    signal: AbortSignal | undefined,
  ): Promise<readonly TaskWithPayload[]> {
    const untilUs = this.#clock.nowUs() + waitMs * 1000;
    let woken: Waiter | undefined;
    for (;;) {
      const waiter = this.#waiters.register(queues, request.maxTasks, woken);
      let answer: LeaseAnswer | undefined;
      try {
        answer = await this.#leaseNow(queues, request, signal);
      } finally {
        // What we were woken for and did not take is for the next; so is a wake that came while we looked.
        if (answer === undefined || answer.more || request.groupByTag) woken?.passOn();
        if (answer === undefined || answer.tasks.length > 0) waiter.cancel();
      }
      if (answer.tasks.length > 0) return answer.tasks;
      const leftMs = Math.max(0, untilUs - this.#clock.nowUs()) / 1000;
      if (!(await waiter.sleep(leftMs, signal))) return [];
      woken = waiter;
    }
  }

  /** One look. When the caller has gone meanwhile, the tasks are given back before anybody hears of the abort. */
  async #leaseNow(
    queues: readonly QueueKey[],
    request: ExactLease,
    signal: AbortSignal | undefined,
  ): Promise<LeaseAnswer> {
    let answer: LeaseAnswer;
    do {
      signal?.throwIfAborted();
      answer = await this.#naive.lease(queues, request);
      this.#tellOfArrivals(answer.arrivals);
      if (answer.retryAtUs !== undefined) this.#waiters.retryAt(queues, answer.retryAtUs);
      // Nothing, and yet more: the store has dropped as many exhausted tasks as it may at once.
    } while (answer.tasks.length === 0 && answer.more);
    if (signal?.aborted === true) {
      await this.#giveBack(answer.tasks);
      throw signal.reason;
    }
    for (const task of answer.tasks) this.#waiters.taskDue(task.queue, task.etaUs);
    return answer;
  }

  async #giveBack(tasks: readonly TaskWithPayload[]): Promise<void> {
    for (const [queue, leases] of releasesByQueue(tasks)) {
      try {
        await this.#extend(queue, leases);
      } catch (error) {
        // The store is out of order, or the queue was removed. The leases end by themselves, and the caller has gone.
        if (!isQueueError(error)) throw error;
      }
    }
  }

  #tellOfArrivals(arrivals: readonly Arrival[] | undefined): void {
    for (const { queue, tasks } of arrivals ?? []) this.#waiters.tasksAvailable(queue, tasks);
  }
}
