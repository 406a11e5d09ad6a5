import type { QueueError } from "../errors.js";
import {
  disabledQueue,
  leaseLost,
  pushQueue,
  tooManyQueues,
  unknownQueue,
  unknownTask,
} from "../store-errors.js";
import { DEFAULT_QUEUE_SETTINGS, type LeaseFence, type QueueKey, type QueueSettings } from "../task.js";
import { MemoryQueue } from "./memory-queue.js";

/** The queues of a memory store, by project and name. */
export class MemoryQueues {
  readonly #projects = new Map<string, Map<string, MemoryQueue>>();
  readonly #createQueues: boolean;
  readonly #queuesMax: number;
  #count = 0;
  #serial = 0;

  constructor(options: { readonly createQueues: boolean; readonly queuesMax: number }) {
    this.#createQueues = options.createQueues;
    this.#queuesMax = options.queuesMax;
  }

  find(key: QueueKey): MemoryQueue | undefined {
    return this.#projects.get(key.project)?.get(key.queue);
  }

  /** A queue of any mode. */
  known(key: QueueKey): MemoryQueue {
    const queue = this.find(key);
    if (queue === undefined) throw unknownQueue(key);
    return queue;
  }

  /** A queue with tasks to look at or to end. */
  pull(key: QueueKey): MemoryQueue {
    return pullOnly(this.known(key));
  }

  /** A queue to insert into; made when it is not there and may be. */
  insertable(key: QueueKey): MemoryQueue {
    const queue = this.find(key);
    if (queue !== undefined) return pullOnly(queue);
    if (!this.#createQueues) throw unknownQueue(key);
    return this.#newQueue(key);
  }

  /** A queue to lease from. */
  leasable(key: QueueKey): MemoryQueue {
    const queue = this.insertable(key);
    if (queue.settings.disabled) throw disabledQueue(key);
    return queue;
  }

  put(key: QueueKey, settings: QueueSettings): MemoryQueue {
    const queue = this.find(key) ?? this.#newQueue(key);
    // A copy, which its caller cannot change.
    queue.settings = structuredClone(settings);
    this.deadLetterQueueOf(queue);
    return queue;
  }

  /** Where a queue's dead letters go; made past every limit, because losing tasks would be worse. */
  deadLetterQueueOf({ key, settings }: MemoryQueue): MemoryQueue | undefined {
    if (settings.deadLetterQueue === undefined) return undefined;
    const target = { project: key.project, queue: settings.deadLetterQueue };
    return this.find(target) ?? this.#add(target);
  }

  /** Why a task that is not in its queue cannot be deleted: a late holder learns that it is a dead letter now. */
  missingTask({ key, settings }: MemoryQueue, { id, retryCount, leaseEndUs }: LeaseFence): QueueError {
    const { deadLetterQueue } = settings;
    const isFenced = retryCount !== undefined || leaseEndUs !== undefined;
    if (!isFenced || deadLetterQueue === undefined) return unknownTask(id);
    const letter = this.find({ project: key.project, queue: deadLetterQueue })?.tasks.get(id)?.deadLetter;
    return letter?.queue === key.queue ? leaseLost(id) : unknownTask(id);
  }

  remove({ key }: MemoryQueue): void {
    const queues = this.#projects.get(key.project)!;
    queues.delete(key.queue);
    if (queues.size === 0) this.#projects.delete(key.project);
    this.#count -= 1;
  }

  /** At most `limit` queues of a project with names after `after`, in order of name. */
  list(project: string, limit: number, after: string | undefined): MemoryQueue[] {
    const queues = this.#projects.get(project) ?? new Map<string, MemoryQueue>();
    return [...queues.keys()]
      .sort()
      .filter((name) => after === undefined || name > after)
      .slice(0, limit)
      .map((name) => queues.get(name)!);
  }

  /** Those with queues, in order of name. */
  projects(limit: number): string[] {
    return [...this.#projects.keys()].sort().slice(0, limit);
  }

  /** All of them, as they are now. */
  all(): MemoryQueue[] {
    return [...this.#projects.values()].flatMap((queues) => [...queues.values()]);
  }

  clear(): void {
    this.#projects.clear();
  }

  #newQueue(key: QueueKey): MemoryQueue {
    if (this.#count >= this.#queuesMax) throw tooManyQueues(this.#queuesMax);
    return this.#add(key);
  }

  #add(key: QueueKey): MemoryQueue {
    const queue = new MemoryQueue({ ...key }, this.#serial++, DEFAULT_QUEUE_SETTINGS);
    const queues = this.#projects.get(key.project) ?? new Map<string, MemoryQueue>();
    queues.set(key.queue, queue);
    this.#projects.set(key.project, queues);
    this.#count += 1;
    return queue;
  }
}

function pullOnly(queue: MemoryQueue): MemoryQueue {
  if (queue.settings.mode === "push") throw pushQueue(queue.key);
  return queue;
}
