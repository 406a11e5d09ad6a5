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
  SWEEP_CHUNK_ROWS,
  TOMBSTONE_MS_DEFAULT,
} from "../limits.js";
import type {
  ExactLease,
  LeaseAnswer,
  MoveChunk,
  NaiveStore,
  PauseState,
  StatsChoice,
  SweepChunk,
  TaskPosition,
} from "../naive-store.js";
import type { QueueAdmin, QueueStore, StoreManifest, StoreObserver } from "../store.js";
import { fullQueue, idTaken, leaseLost } from "../store-errors.js";
import type {
  DeadLetter,
  ItemResult,
  LeaseExtension,
  LeaseFence,
  NewTask,
  QueueInfo,
  QueueKey,
  QueueSettings,
  TagFilter,
  TagStats,
  Task,
  TaskWithPayload,
} from "../task.js";
import { ExpiringMap } from "./expiring-map.js";
import { LeaseBudget, openQueues } from "./lease-budget.js";
import { arrivalsOf, deadLetterOf, expiryUs, firstEtaUs, holdsLease, isHeld } from "./lease-rules.js";
import { type MemoryStoreOptions, type PayloadSharing, payloadSharing } from "./memory-options.js";
import { type MemoryQueue, type MemoryTask, plain, withPayload } from "./memory-queue.js";
import { MemoryQueues } from "./memory-queues.js";
import { pickTasks } from "./pick.js";

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
  managesLife: true,
  sweeps: true,
  leaseStepMs: 0.001,
});

class MemoryStore implements NaiveStore {
  readonly supports = MANIFEST;
  readonly #clock: Clock;
  readonly #ids: IdSource = idSource();
  readonly #observer: StoreObserver | undefined;
  readonly #tombstoneMs: number;
  readonly #payloadBytesMax: number;
  readonly #tasksMax: number;
  readonly #payloads: PayloadSharing;
  readonly #queues: MemoryQueues;
  readonly #budget = new LeaseBudget();
  readonly #tombstones = new ExpiringMap<true>(MEMORY_REMEMBERED_MAX);
  readonly #inserted = new ExpiringMap<Task>(MEMORY_REMEMBERED_MAX);
  #taskSerial = 0;
  #taskCount = 0;
  #payloadBytes = 0;

  constructor(clock: Clock, options: MemoryStoreOptions) {
    this.#clock = clock;
    this.#observer = options.observer;
    this.#queues = new MemoryQueues({
      createQueues: options.createQueues ?? true,
      queuesMax: options.queuesMax ?? QUEUES_MAX_DEFAULT,
    });
    this.#tombstoneMs = options.tombstoneMs ?? TOMBSTONE_MS_DEFAULT;
    this.#payloadBytesMax = options.payloadBytesMax ?? MEMORY_PAYLOAD_BYTES_DEFAULT;
    this.#tasksMax = options.tasksMax ?? MEMORY_TASKS_DEFAULT;
    this.#payloads = payloadSharing(options);
  }

  insert(key: QueueKey, tasks: readonly NewTask[]): readonly ItemResult<Task>[] {
    const queue = this.#queues.insertable(key);
    const nowUs = this.#clock.nowUs();
    return tasks.map((task) => this.#insertOne(queue, task, nowUs));
  }

  async lease(keys: readonly QueueKey[], request: ExactLease): Promise<LeaseAnswer> {
    const named = keys.map((key) => this.#queues.leasable(key));
    const nowUs = this.#clock.nowUs();
    const { queues, retryAtUs } = openQueues(named, this.#budget, nowUs, ({ key, paused, settings }) => ({
      key,
      paused,
      leasesPerSecond: settings.leasesPerSecond,
    }));
    const picked = pickTasks(
      queues.map((queue) => queue.source(nowUs)),
      request,
      nowUs,
    );
    const moved = picked.dropped.flatMap(({ task, reason }) => this.#retire(task, reason, nowUs) ?? []);
    this.#take(picked.tasks, nowUs + Math.round(request.leaseMs * 1000), nowUs);
    const tasks = picked.tasks.map((task) => withPayload(task, this.#payloads.share));
    return { tasks, more: picked.more, arrivals: arrivalsOf(moved), retryAtUs };
  }

  extend(key: QueueKey, leases: readonly LeaseExtension[]): readonly ItemResult<Task>[] {
    const queue = this.#queues.pull(key);
    const nowUs = this.#clock.nowUs();
    return leases.map((lease) => {
      const task = queue.tasks.get(lease.id);
      if (task === undefined || !holdsLease(task, lease, nowUs)) return failed(leaseLost(lease.id));
      if (lease.uncounted === true) task.uncounted += 1;
      task.givenBack = lease.leaseMs === 0;
      queue.move(task, nowUs + Math.round(lease.leaseMs * 1000));
      return { ok: true, value: plain(task) };
    });
  }

  delete(key: QueueKey, targets: readonly LeaseFence[]): readonly ItemResult<undefined>[] {
    const queue = this.#queues.pull(key);
    const nowUs = this.#clock.nowUs();
    return targets.map((target) => {
      const task = queue.tasks.get(target.id);
      if (task === undefined) return failed(this.#queues.missingTask(queue, target));
      const fenced = target.retryCount !== undefined || target.leaseEndUs !== undefined;
      if (fenced && !holdsLease(task, target, nowUs)) return failed(leaseLost(target.id));
      this.#remove(task, nowUs);
      return { ok: true, value: undefined };
    });
  }

  async find(key: QueueKey, id: string): Promise<TaskWithPayload | undefined> {
    const task = this.#queues.pull(key).tasks.get(id);
    return task === undefined ? undefined : withPayload(task, this.#payloads.share);
  }

  async list(key: QueueKey, limit: number, after: TaskPosition | undefined): Promise<readonly Task[]> {
    return this.#queues.pull(key).list(limit, after).map(plain);
  }

  nextEtaUs(key: QueueKey, afterUs: number): number | undefined {
    return this.#queues.find(key)?.nextEtaUs(afterUs);
  }

  async putQueue(key: QueueKey, settings: QueueSettings): Promise<QueueInfo> {
    return this.#describe(this.#queues.put(key, settings), "without stats");
  }

  async getQueue(key: QueueKey, stats: StatsChoice): Promise<QueueInfo> {
    return this.#describe(this.#queues.known(key), stats);
  }

  async listProjects(limit: number): Promise<readonly string[]> {
    return this.#queues.projects(limit);
  }

  async listQueues(
    project: string,
    page: { readonly limit: number; readonly after: string | undefined; readonly stats: StatsChoice },
  ): Promise<readonly QueueInfo[]> {
    return this.#queues
      .list(project, page.limit, page.after)
      .map((queue) => this.#describe(queue, page.stats));
  }

  async deleteQueue(key: QueueKey): Promise<void> {
    const queue = this.#queues.known(key);
    this.#taskCount -= queue.tasks.size;
    this.#payloadBytes -= queue.payloadBytes;
    this.#queues.remove(queue);
  }

  async setPaused(key: QueueKey, state: PauseState): Promise<QueueInfo> {
    const queue = this.#queues.known(key);
    queue.paused = state === "paused";
    return this.#describe(queue, "without stats");
  }

  async tagStats(key: QueueKey, limit: number, after: TagFilter | undefined): Promise<readonly TagStats[]> {
    return this.#queues.known(key).tagStats(limit, after, this.#clock.nowUs());
  }

  async *purge(key: QueueKey, only: TagFilter | undefined): AsyncGenerator<number> {
    for await (const tasks of this.#chunks(this.#queues.known(key))) {
      const chosen = only === undefined ? tasks : tasks.filter(({ tag }) => tag === only.tag);
      for (const task of chosen) this.#remove(task, this.#clock.nowUs());
      yield chosen.length;
    }
  }

  async *redrive(key: QueueKey): AsyncGenerator<MoveChunk> {
    for await (const tasks of this.#chunks(this.#queues.known(key))) {
      const nowUs = this.#clock.nowUs();
      const moved = tasks.flatMap((task) => this.#sendBack(task, nowUs) ?? []);
      yield { moved: moved.length, arrivals: arrivalsOf(moved) };
    }
  }

  async *sweep(): AsyncGenerator<SweepChunk> {
    const sweptUs = this.#clock.nowUs();
    this.#tombstones.sweep(sweptUs);
    this.#inserted.sweep(sweptUs);
    for (const queue of this.#queues.all()) {
      const expired = queue.expired(this.#clock.nowUs());
      for (let from = 0; from < expired.length; from += SWEEP_CHUNK_ROWS) {
        yield this.#expire(expired.slice(from, from + SWEEP_CHUNK_ROWS));
        await new Promise(setImmediate);
      }
    }
  }

  async close(): Promise<void> {
    this.#queues.clear();
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
    const full = this.#whatIsFull(queue, task.payload.byteLength);
    if (full !== undefined) return failed(full);
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
      givenBack: false,
      expiresAtUs: expiryUs(queue.settings, nowUs),
      payloadBytes: task.payload.byteLength,
      payload: this.#payloads.keep(task.payload),
      traceparent: task.traceparent,
      tracestate: task.tracestate,
      deadLetter: undefined,
    };
    queue.add(stored);
    this.#taskCount += 1;
    this.#payloadBytes += stored.payloadBytes;
    const value = plain(stored);
    if (memory !== undefined) this.#inserted.set(memory, value, nowUs, IDEMPOTENCY_MS);
    return { ok: true, value };
  }

  #whatIsFull({ key, settings, payloadBytes }: MemoryQueue, bytes: number): QueueError | undefined {
    if (this.#taskCount >= this.#tasksMax) return fullStore("tasks", this.#tasksMax);
    if (this.#payloadBytes + bytes > this.#payloadBytesMax) {
      return fullStore("payload bytes", this.#payloadBytesMax);
    }
    const { storageBytesMax = Number.POSITIVE_INFINITY } = settings;
    return payloadBytes + bytes > storageBytesMax ? fullQueue(key, storageBytesMax) : undefined;
  }

  /** Leases what was picked, and tells of it by queue. */
  #take(tasks: readonly MemoryTask[], endUs: number, nowUs: number): void {
    const counts = new Map<MemoryQueue, { tasks: number; expiredLeases: number }>();
    for (const task of tasks) {
      const count = counts.get(task.queue) ?? { tasks: 0, expiredLeases: 0 };
      counts.set(task.queue, count);
      count.tasks += 1;
      if (task.retryCount > 0 && !task.givenBack) count.expiredLeases += 1;
      task.retryCount += 1;
      task.givenBack = false;
      task.queue.move(task, endUs);
    }
    for (const [queue, count] of counts) {
      queue.leases.add(nowUs, count.tasks);
      this.#observer?.onLeased?.(queue.key, count);
    }
  }

  /** Drops a task whose life is over, or moves it to the dead-letter queue and gives it as it is there. */
  #retire(task: MemoryTask, reason: DeadLetter["reason"], nowUs: number): Task | undefined {
    const target = this.#queues.deadLetterQueueOf(task.queue);
    if (target === undefined) {
      this.#remove(task, nowUs);
      if (reason === "retention") this.#observer?.onExpired?.(plain(task));
      else this.#observer?.onExhausted?.(plain(task));
      return undefined;
    }
    const moved = this.#moveTo(target, task, deadLetterOf(plain(task), reason, nowUs), nowUs);
    this.#observer?.onDeadLettered?.(moved);
    return moved;
  }

  #expire(tasks: readonly MemoryTask[]): SweepChunk {
    const nowUs = this.#clock.nowUs();
    // Others had their turn since these were found.
    const expired = tasks.filter((task) => task.queue.tasks.get(task.id) === task && !isHeld(task, nowUs));
    const moved = expired.flatMap((task) => this.#retire(task, "retention", nowUs) ?? []);
    const expiredTasks = expired.length - moved.length;
    return { expiredTasks, deadLetteredTasks: moved.length, arrivals: arrivalsOf(moved) };
  }

  /** Moves a dead letter to where it came from. */
  #sendBack(task: MemoryTask, nowUs: number): Task | undefined {
    if (task.deadLetter === undefined || isHeld(task, nowUs)) return undefined;
    const origin = this.#queues.find({ project: task.queue.key.project, queue: task.deadLetter.queue });
    return origin === undefined ? undefined : this.#moveTo(origin, task, undefined, nowUs);
  }

  #moveTo(target: MemoryQueue, task: MemoryTask, deadLetter: DeadLetter | undefined, nowUs: number): Task {
    this.#takeOut(task, nowUs);
    const id = target.tasks.has(task.id) ? this.#ids.next(nowUs) : task.id;
    const moved: MemoryTask = {
      ...task,
      queue: target,
      serial: this.#taskSerial++,
      id,
      named: task.named && id === task.id,
      etaUs: nowUs,
      uncounted: task.retryCount,
      givenBack: true,
      expiresAtUs: expiryUs(target.settings, nowUs),
      deadLetter,
    };
    target.add(moved);
    return plain(moved);
  }

  #remove(task: MemoryTask, nowUs: number): void {
    this.#takeOut(task, nowUs);
    this.#taskCount -= 1;
    this.#payloadBytes -= task.payloadBytes;
  }

  #takeOut(task: MemoryTask, nowUs: number): void {
    const { queue } = task;
    queue.remove(task);
    const keepMs = queue.settings.tombstoneMs ?? this.#tombstoneMs;
    if (task.named) this.#tombstones.set(queue.scoped(task.id), true, nowUs, keepMs);
  }

  /** The tasks that a queue holds now, as long as they are there, with a turn for others between chunks. */
  async *#chunks(queue: MemoryQueue): AsyncGenerator<readonly MemoryTask[]> {
    const end = this.#taskSerial;
    let chunk: MemoryTask[] = [];
    // A Map is walked in the order of insertion, also while it changes.
    for (const task of queue.tasks.values()) {
      if (task.serial >= end || this.#queues.find(queue.key) !== queue) break;
      chunk.push(task);
      if (chunk.length < PURGE_CHUNK_TASKS) continue;
      yield chunk;
      chunk = [];
      await new Promise(setImmediate);
    }
    yield chunk;
  }

  #describe(queue: MemoryQueue, stats: StatsChoice): QueueInfo {
    const { key, settings, paused } = queue;
    if (stats === "without stats") return { key, settings, paused };
    return { key, settings, paused, stats: queue.stats(this.#clock.nowUs()) };
  }
}

function fullStore(what: string, max: number): QueueError {
  return new QueueError(
    "resource_exhausted",
    `the memory store is full: it holds at most ${max} ${what}; finish tasks first, or use an SQLite store`,
  );
}

function failed(error: QueueError): { readonly ok: false; readonly error: QueueError } {
  return { ok: false, error };
}
