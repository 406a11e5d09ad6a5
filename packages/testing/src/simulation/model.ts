import type {
  ItemResult,
  LeaseExtension,
  LeaseFence,
  LeaseRequest,
  NewTask,
  QueueKey,
  Task,
  TaskWithPayload,
} from "@pullqueue/core";
import type { Books } from "./books.js";
import { attempts, isFenced, isHeld, isMeant, type KnownTask, nameOfTask } from "./known-task.js";
import { type Moment, RANK } from "./moment.js";
import { keyOfPayload } from "./payload-key.js";
import type { SimulatedTime } from "./time.js";
import type { Trace } from "./trace.js";

/** A lease call as the store saw it. */
export interface LeaseCall {
  readonly queues: readonly QueueKey[];
  readonly request: LeaseRequest;
  readonly server: string;
}

/** Where a task stood in its queue. */
interface Place {
  readonly etaUs: number;
  readonly id: string;
}

/** What the model stands on. */
export interface ModelParts {
  readonly time: SimulatedTime;
  readonly trace: Trace;
  readonly books: Books;
  readonly moment: Moment;
}

/**
 * The laws of insert, lease, extend and delete. The model knows nothing of how a store works: it keeps the history of its
 * answers in the books, and complains of the first answer that contradicts the others.
 */
export class Model {
  readonly #time: SimulatedTime;
  readonly #trace: Trace;
  readonly #books: Books;
  readonly #moment: Moment;
  /** By server and queue: when leases found something, for queues with a rate. */
  readonly #rates = new Map<string, number[]>();

  constructor({ time, trace, books, moment }: ModelParts) {
    this.#time = time;
    this.#trace = trace;
    this.#books = books;
    this.#moment = moment;
  }

  insertAnswered(queue: QueueKey, task: NewTask, result: ItemResult<Task>): void {
    if (result.ok) {
      this.#moment.add(RANK.inserted, () => this.#inserted(queue, task, result.value));
      return;
    }
    const { code } = result.error;
    const name = nameOfTask(queue, task.id ?? "");
    this.#moment.add(RANK.last, () => {
      const { tasks, gone } = this.#books;
      if (code === "already_exists" && !tasks.has(name) && !gone.has(name)) {
        this.#books.complain(`${name} was refused and never taken`);
      }
    });
  }

  leaseAnswered(call: LeaseCall, tasks: readonly TaskWithPayload[]): void {
    const places: Place[] = [];
    for (const task of tasks) {
      this.#moment.add(RANK.granted(task.retryCount), () => {
        const place = this.#granted(call, task);
        if (place !== undefined) places.push(place);
        if (places.length === tasks.length) this.#checkOrder(tasks, places);
      });
    }
    for (const queue of new Set(tasks.map((task) => task.queue.queue))) this.#checkRate(call.server, queue);
  }

  extendAnswered(queue: QueueKey, lease: LeaseExtension, result: ItemResult<Task>): void {
    if (!result.ok) this.#refused(queue, lease, result.error.code);
    else
      this.#moment.add(RANK.extended(result.value.retryCount), () =>
        this.#extended(queue, lease, result.value),
      );
  }

  deleteAnswered(queue: QueueKey, fence: LeaseFence, result: ItemResult<undefined>): void {
    const rank = fence.retryCount === undefined ? RANK.deletedUnfenced : RANK.deleted(fence.retryCount);
    if (!result.ok) this.#refused(queue, fence, result.error.code);
    else this.#moment.add(rank, () => this.#deleted(queue, fence));
  }

  #inserted(queue: QueueKey, task: NewTask, value: Task): void {
    const { gone } = this.#books;
    const key = keyOfPayload(task.payload);
    const name = nameOfTask(queue, value.id);
    const earlier = this.#books.nameOf(key);
    // The same insert again; the task may have moved since.
    if (earlier === name || gone.has(name)) {
      if (earlier === undefined)
        this.#books.complain(`${key} got the id of a task that was ${gone.get(name)}`);
      return;
    }
    if (earlier !== undefined) this.#books.complain(`${key} was published once and stored twice`);
    const dueUs = this.#time.nowUs + (task.delayMs ?? 0) * 1000;
    if (value.etaUs !== dueUs) this.#books.complain(`${key} is due ${(value.etaUs - dueUs) / 1000} ms late`);
    this.#books.enter({
      ...{ queue, id: value.id, key, tag: task.tag, payloadBytes: task.payload.byteLength },
      ...{ etaUs: value.etaUs, retryCount: 0, uncounted: 0, deadLetter: undefined },
    });
    const { storageBytesMax = Number.POSITIVE_INFINITY } = this.#books.queue(queue).settings;
    const bytes = this.#books.bytesOf(queue);
    const isDoubtful = this.#books.tasksOf(queue).some((other) => other.isDoubtful);
    if (bytes > storageBytesMax && !isDoubtful) this.#books.complain(`${queue.queue} took ${bytes} bytes`);
  }

  /** The task's place before, or undefined when there should have been no such lease. */
  #granted(call: LeaseCall, task: TaskWithPayload): Place | undefined {
    const known = this.#books.mustBeThere(task.queue, task.id, "was handed out");
    if (known === undefined) return undefined;
    const { key } = known;
    this.#trace.add(call.server, `hands out ${key}, lease ${task.retryCount}`);
    const atUs = task.etaUs - Math.round(call.request.leaseMs * 1000);
    const place = { etaUs: known.etaUs, id: known.id };
    if (keyOfPayload(task.payload) !== key)
      this.#books.complain(`${key} was handed out with another payload`);
    if (isHeld(known, atUs)) this.#books.complain(`${key} was handed out while it was held`);
    else if (known.etaUs > atUs) this.#books.complain(`${key} was handed out before its eta`);
    if (atUs > known.expiresUs) this.#books.complain(`${key} was handed out after its retention`);
    this.#checkCounts(known, task);
    const { isPaused, changedUs } = this.#books.queue(task.queue);
    if (isPaused && atUs > changedUs) this.#books.complain(`${key} was handed out by a paused queue`);
    this.#books.update(known, task);
    this.#books.grants.set(task.queue.queue, (this.#books.grants.get(task.queue.queue) ?? 0) + 1);
    return place;
  }

  #checkCounts(known: KnownTask, task: Task): void {
    const { key, queue } = known;
    if (task.retryCount !== known.retryCount + 1) {
      this.#books.complain(`${key} went from lease ${known.retryCount} to lease ${task.retryCount}`);
    }
    if (task.uncounted !== known.uncounted) {
      this.#books.complain(
        `${key} has ${task.uncounted} uncounted leases, and should have ${known.uncounted}`,
      );
    }
    const { most } = this.#books.retryLimits(queue);
    if (attempts(task) > most) {
      this.#books.complain(`${key} was handed out ${attempts(task)} times, more than ${most}`);
    }
    const { deadLetter } = known;
    if (task.deadLetter?.id !== deadLetter?.id || task.deadLetter?.queue !== deadLetter?.queue) {
      this.#books.complain(`${key} says that it comes from elsewhere than it does`);
    }
  }

  /** The oldest first. */
  #checkOrder(tasks: readonly Task[], places: readonly Place[]): void {
    const byId = new Map(places.map((place) => [place.id, place]));
    for (const [index, { id }] of tasks.entries()) {
      const [before, after] = [byId.get(tasks[index - 1]?.id ?? ""), byId.get(id)!];
      if (before === undefined) continue;
      if (before.etaUs < after.etaUs || (before.etaUs === after.etaUs && before.id < after.id)) continue;
      this.#books.complain(`a lease answer is not in order: ${before.etaUs} came before ${after.etaUs}`);
    }
  }

  /** A full bucket and one second's filling are the most that a second can see. */
  #checkRate(server: string, queue: string): void {
    const { settings, changedUs } = this.#books.queue({ queue });
    const nowUs = this.#time.nowUs;
    const sinceUs = Math.max(changedUs, nowUs - 1_000_000);
    const times = (this.#rates.get(`${server}/${queue}`) ?? []).filter((atUs) => atUs > sinceUs);
    times.push(nowUs);
    this.#rates.set(`${server}/${queue}`, times);
    const { leasesPerSecond = Number.POSITIVE_INFINITY } = settings;
    const most = Math.max(1, leasesPerSecond) + leasesPerSecond;
    if (times.length > most) this.#books.complain(`${queue} let ${times.length} leases through in a second`);
  }

  #extended(queue: QueueKey, lease: LeaseExtension, value: Task): void {
    const known = this.#books.mustBeThere(queue, lease.id, "was renewed");
    if (known === undefined) return;
    const atUs = value.etaUs - Math.round(lease.leaseMs * 1000);
    if (!isHeld(known, atUs) || !isMeant(known, lease)) {
      this.#books.complain(
        `${known.key} was renewed by somebody who did not hold it (lease ${lease.retryCount})`,
      );
    }
    if (lease.uncounted === true) known.uncounted += 1;
    if (value.retryCount !== known.retryCount || value.uncounted !== known.uncounted) {
      this.#books.complain(`${known.key} has other counts after a renewal`);
    }
    this.#books.update(known, value);
  }

  #deleted(queue: QueueKey, fence: LeaseFence): void {
    const known = this.#books.mustBeThere(queue, fence.id, "was deleted");
    if (known === undefined) return;
    if (isFenced(fence) && (!isHeld(known, this.#time.nowUs) || !isMeant(known, fence))) {
      this.#books.complain(
        `${known.key} was deleted by somebody who did not hold it (lease ${fence.retryCount})`,
      );
    }
    this.#books.remove(known, "deleted");
  }

  #refused(queue: QueueKey, fence: LeaseFence, code: string): void {
    const nowUs = this.#time.nowUs;
    this.#moment.add(RANK.last, () => {
      const known = this.#books.tasks.get(nameOfTask(queue, fence.id));
      if (known === undefined || known.isDoubtful) return;
      if (code === "not_found") this.#books.complain(`${known.key} is there, and was answered not_found`);
      if (code === "lease_lost" && isHeld(known, nowUs) && isMeant(known, fence)) {
        this.#books.complain(`the holder of ${known.key} was refused (lease ${fence.retryCount})`);
      }
    });
  }
}
