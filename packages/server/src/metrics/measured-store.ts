import type {
  CallOptions,
  ItemResult,
  LeaseExtension,
  LeaseFence,
  LeaseRequest,
  NewTask,
  PeekQuery,
  QueueAdmin,
  QueueKey,
  QueueSettings,
  QueueStore,
  StoreManifest,
  TaskWithPayload,
} from "@pullqueue/core";
import type { QueueCounts } from "./queue-counts.js";
import type { RequestMetrics } from "./request-metrics.js";

/** The store, with what is called on it counted by its results. Repeating an insert by its key counts again. */
export function measuredStore(
  inner: QueueStore & QueueAdmin,
  counts: QueueCounts,
  requests: RequestMetrics,
): QueueStore & QueueAdmin {
  return new MeasuredStore(inner, counts, requests);
}

class MeasuredStore implements QueueStore, QueueAdmin {
  readonly #inner: QueueStore & QueueAdmin;
  readonly #counts: QueueCounts;
  readonly #requests: RequestMetrics;

  constructor(inner: QueueStore & QueueAdmin, counts: QueueCounts, requests: RequestMetrics) {
    this.#inner = inner;
    this.#counts = counts;
    this.#requests = requests;
  }

  get supports(): StoreManifest {
    return this.#inner.supports;
  }

  async insert(queue: QueueKey, tasks: readonly NewTask[], options?: CallOptions) {
    this.#requests.called("insert", tasks.length);
    const results = await this.#inner.insert(queue, tasks, options);
    this.#counts.add(queue, "inserted", succeeded(results));
    return results;
  }

  async lease(queues: readonly QueueKey[], request: LeaseRequest, options?: CallOptions) {
    const lease = () => this.#inner.lease(queues, request, options);
    const tasks = (request.waitMs ?? 0) > 0 ? await this.#requests.waiting(lease) : await lease();
    this.#requests.called("lease", tasks.length);
    this.#countLeased(queues, tasks);
    return tasks;
  }

  async extend(queue: QueueKey, leases: readonly LeaseExtension[], options?: CallOptions) {
    this.#requests.called("extend", leases.length);
    const results = await this.#inner.extend(queue, leases, options);
    let released = 0;
    for (const [index, { ok }] of results.entries()) if (ok && leases[index]?.leaseMs === 0) released += 1;
    this.#counts.add(queue, "released", released);
    this.#counts.add(queue, "extended", succeeded(results) - released);
    this.#counts.add(queue, "lost", lost(results));
    return results;
  }

  async delete(queue: QueueKey, targets: readonly LeaseFence[], options?: CallOptions) {
    this.#requests.called("delete", targets.length);
    const results = await this.#inner.delete(queue, targets, options);
    this.#counts.add(queue, "deleted", succeeded(results));
    this.#counts.add(queue, "lost", lost(results));
    return results;
  }

  peek(queue: QueueKey, query: PeekQuery, options?: CallOptions) {
    return this.#inner.peek(queue, query, options);
  }

  wait(queues: readonly QueueKey[], waitMs: number, options?: CallOptions) {
    return this.#requests.waiting(() => this.#inner.wait(queues, waitMs, options));
  }

  putQueue(queue: QueueKey, settings: QueueSettings, options?: CallOptions) {
    return this.#inner.putQueue(queue, settings, options);
  }

  getQueue(queue: QueueKey, options?: Parameters<QueueAdmin["getQueue"]>[1]) {
    return this.#inner.getQueue(queue, options);
  }

  listQueues(project: string, options?: Parameters<QueueAdmin["listQueues"]>[1]) {
    return this.#inner.listQueues(project, options);
  }

  get listProjects() {
    return this.#inner.listProjects?.bind(this.#inner);
  }

  deleteQueue(queue: QueueKey, options?: CallOptions) {
    return this.#inner.deleteQueue(queue, options);
  }

  purge(queue: QueueKey, options: Parameters<QueueAdmin["purge"]>[1] = {}) {
    return this.#inner.purge(queue, {
      ...options,
      onProgress: this.#counting(queue, "purged", options.onProgress),
    });
  }

  pauseQueue(queue: QueueKey, options?: CallOptions) {
    return this.#inner.pauseQueue(queue, options);
  }

  resumeQueue(queue: QueueKey, options?: CallOptions) {
    return this.#inner.resumeQueue(queue, options);
  }

  tagStats(queue: QueueKey, options?: Parameters<QueueAdmin["tagStats"]>[1]) {
    return this.#inner.tagStats(queue, options);
  }

  redrive(queue: QueueKey, options: Parameters<QueueAdmin["redrive"]>[1] = {}) {
    return this.#inner.redrive(queue, {
      ...options,
      onProgress: this.#counting(queue, "redriven", options.onProgress),
    });
  }

  sweep(options?: CallOptions) {
    return this.#inner.sweep(options);
  }

  close() {
    return this.#inner.close();
  }

  [Symbol.asyncDispose]() {
    return this.#inner[Symbol.asyncDispose]();
  }

  #countLeased(queues: readonly QueueKey[], tasks: readonly TaskWithPayload[]): void {
    const [only, ...others] = queues;
    if (only !== undefined && others.length === 0) this.#counts.add(only, "leased", tasks.length);
    else for (const { queue } of tasks) this.#counts.add(queue, "leased", 1);
  }

  /** Counts what is told as a running total, so that it is counted also when an abort ends the work. */
  #counting(
    queue: QueueKey,
    event: "purged" | "redriven",
    tell: ((total: number) => void) | undefined,
  ): (total: number) => void {
    let counted = 0;
    return (total) => {
      this.#counts.add(queue, event, total - counted);
      counted = total;
      tell?.(total);
    };
  }
}

function succeeded(results: readonly ItemResult<unknown>[]): number {
  let count = 0;
  for (const { ok } of results) if (ok) count += 1;
  return count;
}

function lost(results: readonly ItemResult<unknown>[]): number {
  let count = 0;
  for (const result of results) if (!result.ok && result.error.code === "lease_lost") count += 1;
  return count;
}
