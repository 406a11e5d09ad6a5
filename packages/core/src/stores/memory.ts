import { checkAtLeast, checkStoreOptions } from "../argument-rules.js";
import { checkedStore } from "../checked-store.js";
import { type Clock, systemClock } from "../clock.js";
import { QueueError } from "../errors.js";
import { type IdSource, idSource } from "../ids.js";
import {
  IDEMPOTENCY_MS,
  MEMORY_PAYLOAD_BYTES_DEFAULT,
  MEMORY_REMEMBERED_MAX,
  MEMORY_TASKS_DEFAULT,
  PURGE_CHUNK_TASKS,
  QUEUES_MAX_DEFAULT,
  TOMBSTONE_MS_DEFAULT,
} from "../limits.js";
import type { ExactLease, LeaseAnswer, NaiveStore, StatsChoice, TaskPosition } from "../naive-store.js";
import type { QueueAdmin, QueueStore, StoreManifest, StoreObserver, StoreOptions } from "../store.js";
import {
  disabledQueue,
  idTaken,
  leaseLost,
  pushQueue,
  tooManyQueues,
  unknownQueue,
  unknownTask,
} from "../store-errors.js";
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
} from "../task.js";
import { ExpiringMap } from "./expiring-map.js";
import { firstEtaUs, holdsLease } from "./lease-rules.js";
import { MemoryQueue, type MemoryTask } from "./memory-queue.js";
import { pickTasks } from "./pick.js";

/** Options of a memory store. */
export interface MemoryStoreOptions extends StoreOptions {
  /** Payload bytes held at most; an insert past it is refused as `resource_exhausted`. Default `MEMORY_PAYLOAD_BYTES_DEFAULT`. */
  readonly payloadBytesMax?: number | undefined;
  /** Tasks held at most, likewise. Default `MEMORY_TASKS_DEFAULT`. */
  readonly tasksMax?: number | undefined;
}

/** A store in this process's memory, gone with it. For tests, for development, and for queues that may be lost. */
export function openMemoryStore(options: MemoryStoreOptions = {}): QueueStore & QueueAdmin {
  checkStoreOptions(options);
  checkAtLeast("payloadBytesMax", options.payloadBytesMax, 0);
  checkAtLeast("tasksMax", options.tasksMax, 1);
  const clock = options.clock ?? systemClock();
  return checkedStore(new MemoryStore(clock, options), { clock });
}

const MANIFEST: StoreManifest = Object.freeze({
  name: "memory",
  persistent: false,
  waits: true,
  anyQueueName: true,
  fences: true,
  managesQueues: true,
  leasesManyQueues: true,
  leaseStepMs: 0.001,
});

class MemoryStore implements NaiveStore {
  readonly supports = MANIFEST;
  readonly #clock: Clock;
  readonly #ids: IdSource = idSource();
  readonly #observer: StoreObserver | undefined;
  readonly #createQueues: boolean;
  readonly #queuesMax: number;
  readonly #tombstoneMs: number;
  readonly #payloadBytesMax: number;
  readonly #tasksMax: number;
  readonly #projects = new Map<string, Map<string, MemoryQueue>>();
  readonly #tombstones = new ExpiringMap<true>(MEMORY_REMEMBERED_MAX);
  readonly #inserted = new ExpiringMap<Task>(MEMORY_REMEMBERED_MAX);
  #queueCount = 0;
  #queueSerial = 0;
  #taskSerial = 0;
  #taskCount = 0;
  #payloadBytes = 0;

  constructor(clock: Clock, options: MemoryStoreOptions) {
    this.#clock = clock;
    this.#observer = options.observer;
    this.#createQueues = options.createQueues ?? true;
    this.#queuesMax = options.queuesMax ?? QUEUES_MAX_DEFAULT;
    this.#tombstoneMs = options.tombstoneMs ?? TOMBSTONE_MS_DEFAULT;
    this.#payloadBytesMax = options.payloadBytesMax ?? MEMORY_PAYLOAD_BYTES_DEFAULT;
    this.#tasksMax = options.tasksMax ?? MEMORY_TASKS_DEFAULT;
  }

  async insert(key: QueueKey, tasks: readonly NewTask[]): Promise<readonly ItemResult<Task>[]> {
    const queue = this.#pullQueue(key, this.#queueOrNew(key));
    const nowUs = this.#clock.nowUs();
    return tasks.map((task) => this.#insertOne(queue, task, nowUs));
  }

  async lease(keys: readonly QueueKey[], request: ExactLease): Promise<LeaseAnswer> {
    const queues = keys.map((key) => this.#leasableQueue(key));
    const nowUs = this.#clock.nowUs();
    const endUs = nowUs + Math.round(request.leaseMs * 1000);
    const picked = pickTasks(
      queues.map((queue) => queue.source(nowUs)),
      request,
    );
    for (const task of picked.exhausted) {
      this.#remove(task, nowUs);
      this.#observer?.onExhausted?.(plain(task));
    }
    for (const task of picked.tasks) {
      task.retryCount += 1;
      task.queue.move(task, endUs);
      task.queue.leases.add(nowUs, 1);
    }
    return { tasks: picked.tasks.map(withPayload), more: picked.more };
  }

  async extend(key: QueueKey, leases: readonly LeaseExtension[]): Promise<readonly ItemResult<Task>[]> {
    const queue = this.#pullQueue(key, this.#knownQueue(key));
    const nowUs = this.#clock.nowUs();
    return leases.map((lease) => {
      const task = queue.tasks.get(lease.id);
      if (task === undefined || !holdsLease(task, lease, nowUs)) return failed(leaseLost(lease.id));
      if (lease.uncounted === true) task.uncounted += 1;
      queue.move(task, nowUs + Math.round(lease.leaseMs * 1000));
      return { ok: true, value: plain(task) };
    });
  }

  async delete(key: QueueKey, targets: readonly LeaseFence[]): Promise<readonly ItemResult<undefined>[]> {
    const queue = this.#pullQueue(key, this.#knownQueue(key));
    const nowUs = this.#clock.nowUs();
    return targets.map((target) => {
      const task = queue.tasks.get(target.id);
      if (task === undefined) return failed(unknownTask(target.id));
      const fenced = target.retryCount !== undefined || target.leaseEndUs !== undefined;
      if (fenced && !holdsLease(task, target, nowUs)) return failed(leaseLost(target.id));
      this.#remove(task, nowUs);
      return { ok: true, value: undefined };
    });
  }

  async find(key: QueueKey, id: string): Promise<TaskWithPayload | undefined> {
    const task = this.#pullQueue(key, this.#knownQueue(key)).tasks.get(id);
    return task === undefined ? undefined : withPayload(task);
  }

  async list(key: QueueKey, limit: number, after: TaskPosition | undefined): Promise<readonly Task[]> {
    return this.#pullQueue(key, this.#knownQueue(key)).list(limit, after).map(plain);
  }

  nextEtaUs(key: QueueKey, afterUs: number): number | undefined {
    return this.#queue(key)?.nextEtaUs(afterUs);
  }

  async putQueue(key: QueueKey, settings: QueueSettings): Promise<QueueInfo> {
    const queue = this.#queue(key) ?? this.#newQueue(key);
    // A copy, which its caller cannot change.
    queue.settings = structuredClone(settings);
    return this.#describe(queue, "without stats");
  }

  async getQueue(key: QueueKey, stats: StatsChoice): Promise<QueueInfo> {
    return this.#describe(this.#knownQueue(key), stats);
  }

  async listQueues(
    project: string,
    page: { readonly limit: number; readonly after: string | undefined; readonly stats: StatsChoice },
  ): Promise<readonly QueueInfo[]> {
    const queues = this.#projects.get(project) ?? new Map<string, MemoryQueue>();
    return [...queues.keys()]
      .sort()
      .filter((name) => page.after === undefined || name > page.after)
      .slice(0, page.limit)
      .map((name) => this.#describe(queues.get(name)!, page.stats));
  }

  async deleteQueue(key: QueueKey): Promise<void> {
    const queue = this.#knownQueue(key);
    for (const task of queue.tasks.values()) this.#uncount(task);
    const queues = this.#projects.get(key.project)!;
    queues.delete(key.queue);
    if (queues.size === 0) this.#projects.delete(key.project);
    this.#queueCount -= 1;
  }

  async *purge(key: QueueKey): AsyncGenerator<number> {
    const queue = this.#knownQueue(key);
    const end = this.#taskSerial;
    let removed = 0;
    // A Map is walked in the order of insertion, also while it changes.
    for (const task of queue.tasks.values()) {
      if (task.serial >= end || this.#queue(key) !== queue) break;
      this.#remove(task, this.#clock.nowUs());
      removed += 1;
      if (removed < PURGE_CHUNK_TASKS) continue;
      yield removed;
      removed = 0;
      await new Promise(setImmediate);
    }
    yield removed;
  }

  async close(): Promise<void> {
    this.#projects.clear();
  }

  #insertOne(queue: MemoryQueue, task: NewTask, nowUs: number): ItemResult<Task> {
    const { idempotencyKey } = task;
    const memory = idempotencyKey === undefined ? undefined : queue.scoped(idempotencyKey);
    const first = memory === undefined ? undefined : this.#inserted.get(memory, nowUs);
    if (first !== undefined) return { ok: true, value: first };
    if (task.id !== undefined) {
      const taken = queue.tasks.has(task.id) || this.#tombstones.get(queue.scoped(task.id), nowUs);
      if (taken === true) return failed(idTaken(task.id));
    }
    if (this.#taskCount >= this.#tasksMax) return failed(this.#full("tasks", this.#tasksMax));
    const bytes = task.payload.byteLength;
    if (this.#payloadBytes + bytes > this.#payloadBytesMax) {
      return failed(this.#full("payload bytes", this.#payloadBytesMax));
    }
    const stored: MemoryTask = {
      queue,
      serial: this.#taskSerial++,
      id: task.id ?? this.#ids.next(nowUs),
      named: task.id !== undefined,
      tag: task.tag,
      enqueuedAtUs: nowUs,
      etaUs: firstEtaUs(task, nowUs),
      retryCount: 0,
      uncounted: 0,
      payloadBytes: bytes,
      payload: new Uint8Array(task.payload),
    };
    queue.add(stored);
    this.#taskCount += 1;
    this.#payloadBytes += bytes;
    const value = plain(stored);
    if (memory !== undefined) this.#inserted.set(memory, value, nowUs, IDEMPOTENCY_MS);
    return { ok: true, value };
  }

  #remove(task: MemoryTask, nowUs: number): void {
    task.queue.remove(task);
    this.#uncount(task);
    if (task.named) this.#tombstones.set(task.queue.scoped(task.id), true, nowUs, this.#tombstoneMs);
  }

  #uncount(task: MemoryTask): void {
    this.#taskCount -= 1;
    this.#payloadBytes -= task.payloadBytes;
  }

  #queue(key: QueueKey): MemoryQueue | undefined {
    return this.#projects.get(key.project)?.get(key.queue);
  }

  #knownQueue(key: QueueKey): MemoryQueue {
    const queue = this.#queue(key);
    if (queue === undefined) throw unknownQueue(key);
    return queue;
  }

  #queueOrNew(key: QueueKey): MemoryQueue {
    const queue = this.#queue(key);
    if (queue !== undefined) return queue;
    if (!this.#createQueues) throw unknownQueue(key);
    return this.#newQueue(key);
  }

  #leasableQueue(key: QueueKey): MemoryQueue {
    const queue = this.#pullQueue(key, this.#queueOrNew(key));
    if (queue.settings.disabled) throw disabledQueue(key);
    return queue;
  }

  #pullQueue(key: QueueKey, queue: MemoryQueue): MemoryQueue {
    if (queue.settings.mode === "push") throw pushQueue(key);
    return queue;
  }

  #newQueue(key: QueueKey): MemoryQueue {
    if (this.#queueCount >= this.#queuesMax) throw tooManyQueues(this.#queuesMax);
    const queue = new MemoryQueue({ ...key }, this.#queueSerial++, DEFAULT_QUEUE_SETTINGS);
    const queues = this.#projects.get(key.project) ?? new Map<string, MemoryQueue>();
    queues.set(key.queue, queue);
    this.#projects.set(key.project, queues);
    this.#queueCount += 1;
    return queue;
  }

  #describe(queue: MemoryQueue, stats: StatsChoice): QueueInfo {
    const { key, settings } = queue;
    if (stats === "without stats") return { key, settings };
    return { key, settings, stats: queue.stats(this.#clock.nowUs()) };
  }

  #full(what: string, max: number): QueueError {
    return new QueueError(
      "resource_exhausted",
      `the memory store is full: it holds at most ${max} ${what}; finish tasks first, or use an SQLite store`,
    );
  }
}

function failed(error: QueueError): { readonly ok: false; readonly error: QueueError } {
  return { ok: false, error };
}

function plain(task: MemoryTask): Task {
  const { queue, id, tag, enqueuedAtUs, etaUs, retryCount, uncounted } = task;
  return { queue: queue.key, id, tag, enqueuedAtUs, etaUs, retryCount, uncounted };
}

/** The bytes are copied, so that no caller can change what the next one gets. */
function withPayload(task: MemoryTask): TaskWithPayload {
  const { queue, id, tag, enqueuedAtUs, etaUs, retryCount, uncounted } = task;
  const payload = new Uint8Array(task.payload);
  return { queue: queue.key, id, payload, tag, enqueuedAtUs, etaUs, retryCount, uncounted };
}
