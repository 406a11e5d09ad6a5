import type { Clock } from "./clock.js";
import type { QueueError } from "./errors.js";
import type { Eventual } from "./eventual.js";
import { firstEtaUs } from "./stores/lease-rules.js";
import type { ItemResult, NewTask, QueueKey, Task } from "./task.js";

/** What `Waiters` needs from its store. */
export interface WaitersOptions {
  readonly clock: Clock;
  /** The earliest eta later than `afterUs` among the tasks of a queue; never rejects. */
  readonly nextEtaUs: (queue: QueueKey, afterUs: number) => Eventual<number | undefined>;
  /** Starts telling of writes by others, in one queue or anywhere; only asked for while somebody waits. */
  readonly watchForeignWrites?: ((notify: (queue?: QueueKey) => void) => () => void) | undefined;
}

/** A queue that somebody waits for. */
interface WaitedQueue {
  readonly key: QueueKey;
  /** In order of their places. */
  readonly waiters: Waiter[];
  /** Tasks due until then have been looked at, or somebody was woken for them. */
  sinceUs: number;
  /** Whether the timer stands for the earliest eta after `sinceUs`, or the store is being asked. Only needed once somebody sleeps. */
  armed: boolean;
  dueUs: number | undefined;
  cancelTimer: (() => void) | undefined;
  /** When to look again although nothing has come, because the queue let no lease through. */
  retryUs: number | undefined;
  cancelRetry: (() => void) | undefined;
  /** A look is under way, and so no other; whether one was asked for meanwhile, and since when. */
  looking: boolean;
  lookAgainUs: number | undefined;
}

/**
 * Who waits for tasks of which queue, first come, first woken. Idle waiters cost nothing: one timer per queue, and only
 * as many are woken as have use for the tasks. A woken waiter looks; what it leaves over, it passes on with `passOn`.
 *
 * Each wake and each registration has a number. Tasks are passed on only to waiters that registered before the wake,
 * because later ones looked after the tasks were there; so passing on ends, even among waiters for other tags. Who was
 * woken in vain and registers again keeps its place in the line.
 */
export class Waiters {
  readonly #options: WaitersOptions;
  readonly #queues = new Map<string, WaitedQueue>();
  #sequence = 0;
  #closed: QueueError | undefined;
  #stopWatching: (() => void) | undefined;

  constructor(options: WaitersOptions) {
    this.#options = options;
  }

  /**
   * Registers a waiter that could take `demand` tasks, 0 for one that only wants to know, in the place of the one that it
   * follows, if any. From now on nothing is missed; look, then `sleep`.
   */
  register(keys: readonly QueueKey[], demand: number, follows?: Waiter): Waiter {
    const queues = keys.map((key) => this.#queue(key));
    const sequence = this.#sequence++;
    const place = follows?.place ?? sequence;
    const waiter = new Waiter(this, this.#options.clock, { queues, demand, sequence, place });
    for (const { waiters } of queues) waiters.splice(indexOf(waiters, place), 0, waiter);
    if (this.#closed !== undefined) waiter.fail(this.#closed);
    else this.#stopWatching ??= this.#options.watchForeignWrites?.((key) => this.#foreignWrite(key));
    return waiter;
  }

  /** `count` tasks of a queue have become available: wakes as many waiters as could take them. */
  tasksAvailable(key: QueueKey, count: number): void {
    const queue = this.#queues.get(nameOf(key));
    if (queue !== undefined) this.#wake(queue, count, this.#sequence++);
  }

  /**
   * Tasks are being inserted, and a lease that is asked for from now on finds them: wakes as many waiters as could take those that are
   * due, and gives how many of these somebody was woken for. Nobody where somebody only wants to know, because there is nothing yet.
   */
  tasksComing(key: QueueKey, tasks: readonly NewTask[], nowUs: number): number {
    const queue = this.#queues.get(nameOf(key));
    if (queue === undefined || queue.waiters.some(({ demand }) => demand === 0)) return 0;
    const due = tasks.filter((task) => firstEtaUs(task, nowUs) <= nowUs).length;
    return due - Math.max(0, this.#wake(queue, due, this.#sequence++));
  }

  /** After a write: who waits for these tasks is woken now, or when they are due; but not for those that somebody was `expected` to take. */
  tasksWritten(key: QueueKey, results: readonly ItemResult<Task>[], expected = 0): void {
    const nowUs = this.#options.clock.nowUs();
    let available = 0;
    for (const result of results) {
      if (!result.ok) continue;
      if (result.value.etaUs <= nowUs) available += 1;
      else this.taskDue(key, result.value.etaUs);
    }
    if (available > expected) this.tasksAvailable(key, available - expected);
  }

  /** A task of a queue becomes available at `etaUs`, or its lease ends then. */
  taskDue(key: QueueKey, etaUs: number): void {
    const queue = this.#queues.get(nameOf(key));
    if (queue?.armed && (queue.dueUs === undefined || etaUs < queue.dueUs)) this.#setTimer(queue, etaUs);
  }

  /** Queues have refused a lease until then: one waiter of each is woken at that time, and the next when that one is refused. */
  retryAt(keys: readonly QueueKey[], atUs: number): void {
    for (const key of keys) {
      const queue = this.#queues.get(nameOf(key));
      if (queue === undefined || (queue.retryUs !== undefined && queue.retryUs <= atUs)) continue;
      queue.cancelRetry?.();
      queue.retryUs = atUs;
      queue.cancelRetry = this.#timer(atUs, () => {
        queue.retryUs = undefined;
        this.#wake(queue, 1, this.#sequence++);
      });
    }
  }

  /** Wakes everybody who waits for a queue, because its settings changed. */
  queueChanged(key: QueueKey): void {
    this.tasksAvailable(key, Number.POSITIVE_INFINITY);
  }

  /** Ends all waiting, now and later, with an error. */
  close(error: QueueError): void {
    this.#closed = error;
    const waiters = new Set([...this.#queues.values()].flatMap((queue) => [...queue.waiters]));
    for (const waiter of waiters) waiter.fail(error);
  }

  /** Wakes one waiter of a queue that registered before a wake. For `Waiter` alone. */
  wakeEarlier(queue: WaitedQueue, wake: number): void {
    this.#wake(queue, 1, wake);
  }

  /** Makes sure that a queue's next eta has its timer. For `Waiter` alone. */
  arm(queue: WaitedQueue): void {
    if (queue.armed) return;
    queue.armed = true;
    const etaUs = this.#options.nextEtaUs(queue.key, queue.sinceUs);
    if (!isPromise(etaUs)) this.#expect(queue, etaUs);
    else void etaUs.then((later) => this.#expect(queue, later));
  }

  /** For `Waiter` alone. */
  forget(waiter: Waiter, queues: readonly WaitedQueue[]): void {
    for (const queue of queues) {
      const index = indexOf(queue.waiters, waiter.place);
      if (queue.waiters[index] === waiter) queue.waiters.splice(index, 1);
      if (queue.waiters.length > 0) continue;
      queue.cancelTimer?.();
      queue.cancelRetry?.();
      queue.armed = false;
      if (this.#queues.get(nameOf(queue.key)) === queue) this.#queues.delete(nameOf(queue.key));
    }
    if (this.#queues.size > 0) return;
    this.#stopWatching?.();
    this.#stopWatching = undefined;
  }

  #queue(key: QueueKey): WaitedQueue {
    const name = nameOf(key);
    let queue = this.#queues.get(name);
    if (queue === undefined) {
      queue = {
        key,
        waiters: [],
        sinceUs: this.#options.clock.nowUs(),
        armed: false,
        dueUs: undefined,
        cancelTimer: undefined,
        retryUs: undefined,
        cancelRetry: undefined,
        looking: false,
        lookAgainUs: undefined,
      };
      this.#queues.set(name, queue);
    }
    return queue;
  }

  /** Gives how many tasks nobody was woken for; less than none where those who were could take more. */
  #wake(queue: WaitedQueue, count: number, wake: number): number {
    let left = count;
    const woken: Waiter[] = [];
    for (const waiter of queue.waiters) {
      if (left <= 0) break;
      if (waiter.sequence >= wake) continue;
      left -= waiter.demand;
      woken.push(waiter);
    }
    for (const waiter of woken) waiter.wake(wake);
    return left;
  }

  /** The next eta is known. A task may have come meanwhile that is due earlier. */
  #expect(queue: WaitedQueue, etaUs: number | undefined): void {
    if (etaUs === undefined || !queue.armed) return;
    if (queue.dueUs === undefined || etaUs < queue.dueUs) this.#setTimer(queue, etaUs);
  }

  #setTimer(queue: WaitedQueue, etaUs: number): void {
    queue.cancelTimer?.();
    queue.dueUs = etaUs;
    // The task may have been renewed or deleted when it fires, and timers may be early: asks the store again.
    queue.cancelTimer = this.#timer(etaUs, () => this.#look(queue, queue.sinceUs));
  }

  #timer(atUs: number, callback: () => void): () => void {
    return this.#options.clock.timer(Math.max(0, atUs - this.#options.clock.nowUs()) / 1000, callback);
  }

  #foreignWrite(key: QueueKey | undefined): void {
    const named = key === undefined ? undefined : this.#queues.get(nameOf(key));
    const queues = key === undefined ? [...this.#queues.values()] : [];
    for (const queue of named === undefined ? queues : [named]) this.#look(queue, -1);
  }

  /** Asks the store what has become due since a time, once at a time for each queue. */
  #look(queue: WaitedQueue, sinceUs: number): void {
    if (queue.looking) {
      queue.lookAgainUs = Math.min(queue.lookAgainUs ?? sinceUs, sinceUs);
      return;
    }
    const etaUs = this.#options.nextEtaUs(queue.key, sinceUs);
    if (!isPromise(etaUs)) {
      this.#seen(queue, etaUs);
      return;
    }
    queue.looking = true;
    void etaUs.then((later) => {
      queue.looking = false;
      const againUs = queue.lookAgainUs;
      queue.lookAgainUs = undefined;
      this.#seen(queue, later);
      if (againUs !== undefined && queue.waiters.length > 0) this.#look(queue, againUs);
    });
  }

  #seen(queue: WaitedQueue, etaUs: number | undefined): void {
    const nowUs = this.#options.clock.nowUs();
    queue.cancelTimer?.();
    queue.dueUs = undefined;
    if (etaUs !== undefined && etaUs <= nowUs) {
      queue.sinceUs = nowUs;
      this.#wake(queue, 1, this.#sequence++);
    }
    queue.armed = false;
    if (queue.waiters.length > 0) this.arm(queue);
  }
}

/** What `Waiters` knows of a waiter. */
interface WaiterParts {
  readonly queues: readonly WaitedQueue[];
  readonly demand: number;
  readonly sequence: number;
  readonly place: number;
}

/** One waiting call. Made by `Waiters.register`; used once. */
export class Waiter {
  /** How many tasks it could take. */
  readonly demand: number;
  /** When it registered. */
  readonly sequence: number;
  /** Where it stands in the line. */
  readonly place: number;
  readonly #owner: Waiters;
  readonly #clock: Clock;
  readonly #queues: readonly WaitedQueue[];
  #wake: number | undefined;
  #error: QueueError | undefined;
  #settle: (() => void) | undefined;

  constructor(owner: Waiters, clock: Clock, parts: WaiterParts) {
    this.#owner = owner;
    this.#clock = clock;
    this.#queues = parts.queues;
    this.demand = parts.demand;
    this.sequence = parts.sequence;
    this.place = parts.place;
  }

  /** True when woken, false after `waitMs`. Rejects with the signal's reason, or with the error of `close`. Keeps the process alive. */
  async sleep(waitMs: number, signal: AbortSignal | undefined): Promise<boolean> {
    if (this.#wake === undefined && this.#error === undefined && signal?.aborted !== true) {
      for (const queue of this.#queues) this.#owner.arm(queue);
      await this.#settled(waitMs, signal);
    }
    this.#owner.forget(this, this.#queues);
    // Whoever gave up is told so, also when the store was closed in the same turn.
    if (this.#wake === undefined) signal?.throwIfAborted();
    if (this.#error !== undefined) throw this.#error;
    return this.#wake !== undefined;
  }

  /** Ends the waiting without sleeping. A wake that came meanwhile goes to the next. */
  cancel(): void {
    this.#owner.forget(this, this.#queues);
    this.passOn();
  }

  /** Wakes the next of those who registered before this one was woken. */
  passOn(): void {
    if (this.#wake === undefined) return;
    for (const queue of this.#queues) this.#owner.wakeEarlier(queue, this.#wake);
  }

  /** For `Waiters` alone. */
  wake(wake: number): void {
    this.#wake = wake;
    this.#owner.forget(this, this.#queues);
    this.#settle?.();
  }

  /** For `Waiters` alone. */
  fail(error: QueueError): void {
    this.#error = error;
    this.#owner.forget(this, this.#queues);
    this.#settle?.();
  }

  /** Resolves on whatever ends the sleep. */
  #settled(waitMs: number, signal: AbortSignal | undefined): Promise<void> {
    if (this.#wake !== undefined) return Promise.resolve();
    return new Promise((resolve) => {
      const settle = () => {
        cancelTimer();
        signal?.removeEventListener("abort", settle);
        resolve();
      };
      const cancelTimer = this.#clock.timer(waitMs, settle, { keepAlive: true });
      signal?.addEventListener("abort", settle, { once: true });
      this.#settle = settle;
    });
  }
}

/** Where a place is, or would be, in a line. */
function indexOf(waiters: readonly Waiter[], place: number): number {
  let low = 0;
  let high = waiters.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (waiters[middle]!.place < place) low = middle + 1;
    else high = middle;
  }
  return low;
}

function isPromise<T>(value: T | Promise<T>): value is Promise<T> {
  return value instanceof Promise;
}

function nameOf(key: QueueKey): string {
  // A project has no slash.
  return `${key.project}/${key.queue}`;
}
