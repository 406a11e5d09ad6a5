import type { CallOptions, QueueAdmin, QueueStore, StoreManifest } from "../store.js";
import type {
  LeaseExtension,
  LeaseFence,
  LeaseRequest,
  NewTask,
  PeekQuery,
  QueueKey,
  QueueSettings,
} from "../task.js";

/**
 * A store around a store that adds nothing. Running the suite through it shows that the contract is enough: whoever
 * decorates a store (to log, to measure, to authorize) loses nothing. Also a start for such a decorator.
 */
export function wrappedStore(inner: QueueStore & QueueAdmin): QueueStore & QueueAdmin {
  return new WrappedStore(inner);
}

class WrappedStore implements QueueStore, QueueAdmin {
  readonly #inner: QueueStore & QueueAdmin;

  constructor(inner: QueueStore & QueueAdmin) {
    this.#inner = inner;
  }

  get supports(): StoreManifest {
    return this.#inner.supports;
  }

  insert(queue: QueueKey, tasks: readonly NewTask[], options?: CallOptions) {
    return this.#inner.insert(queue, tasks, options);
  }

  lease(queues: readonly QueueKey[], request: LeaseRequest, options?: CallOptions) {
    return this.#inner.lease(queues, request, options);
  }

  extend(queue: QueueKey, leases: readonly LeaseExtension[], options?: CallOptions) {
    return this.#inner.extend(queue, leases, options);
  }

  delete(queue: QueueKey, targets: readonly LeaseFence[], options?: CallOptions) {
    return this.#inner.delete(queue, targets, options);
  }

  peek(queue: QueueKey, query: PeekQuery, options?: CallOptions) {
    return this.#inner.peek(queue, query, options);
  }

  wait(queues: readonly QueueKey[], waitMs: number, options?: CallOptions) {
    return this.#inner.wait(queues, waitMs, options);
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

  purge(queue: QueueKey, options?: Parameters<QueueAdmin["purge"]>[1]) {
    return this.#inner.purge(queue, options);
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

  redrive(queue: QueueKey, options?: Parameters<QueueAdmin["redrive"]>[1]) {
    return this.#inner.redrive(queue, options);
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
}
