import type { Clock } from "./clock.js";
import type { QueueError } from "./errors.js";
import type { QueueKey } from "./task.js";

/** What `Waiters` needs from its store. */
export interface WaitersOptions {
  readonly clock: Clock;
  /** The earliest eta later than `afterUs` among the tasks of a queue. */
  readonly nextEtaUs: (queue: QueueKey, afterUs: number) => number | undefined;
  /** Starts telling of writes by others; only asked for while somebody waits. */
  readonly watchForeignWrites?: ((notify: () => void) => () => void) | undefined;
}

/** A queue that somebody waits for. */
interface WaitedQueue {
  readonly key: QueueKey;
  /** In order of their places. */
  readonly waiters: Waiter[];
  /** Tasks due until then have been looked at, or somebody was woken for them. */
  sinceUs: number;
  /** Whether the timer stands for the earliest eta after `sinceUs`. Only needed once somebody sleeps. */
  armed: boolean;
  dueUs: number | undefined;
  cancelTimer: (() => void) | undefined;
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
    else this.#stopWatching ??= this.#options.watchForeignWrites?.(() => this.#lookEverywhere());
    return waiter;
  }

  /** `count` tasks of a queue have become available: wakes as many waiters as could take them. */
  tasksAvailable(key: QueueKey, count: number): void {
    const queue = this.#queues.get(nameOf(key));
    if (queue !== undefined) this.#wake(queue, count, this.#sequence++);
  }

  /** A task of a queue becomes available at `etaUs`, or its lease ends then. */
  taskDue(key: QueueKey, etaUs: number): void {
    const queue = this.#queues.get(nameOf(key));
    if (queue?.armed && (queue.dueUs === undefined || etaUs < queue.dueUs)) this.#setTimer(queue, etaUs);
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
    if (etaUs !== undefined) this.#setTimer(queue, etaUs);
  }

  /** For `Waiter` alone. */
  forget(waiter: Waiter, queues: readonly WaitedQueue[]): void {
    for (const queue of queues) {
      const index = indexOf(queue.waiters, waiter.place);
      if (queue.waiters[index] === waiter) queue.waiters.splice(index, 1);
      if (queue.waiters.length > 0) continue;
      queue.cancelTimer?.();
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
      };
      this.#queues.set(name, queue);
    }
    return queue;
  }

  #wake(queue: WaitedQueue, count: number, wake: number): void {
    let left = count;
    const woken: Waiter[] = [];
    for (const waiter of queue.waiters) {
      if (left <= 0) break;
      if (waiter.sequence >= wake) continue;
      left -= waiter.demand;
      woken.push(waiter);
    }
    for (const waiter of woken) waiter.wake(wake);
  }

  #setTimer(queue: WaitedQueue, etaUs: number): void {
    queue.cancelTimer?.();
    queue.dueUs = etaUs;
    const delayMs = Math.max(0, etaUs - this.#options.clock.nowUs()) / 1000;
    queue.cancelTimer = this.#options.clock.timer(delayMs, () => this.#timerFired(queue));
  }

  /** The task may have been renewed or deleted since, and timers may be early: asks the store again. */
  #timerFired(queue: WaitedQueue): void {
    this.#look(queue, queue.sinceUs);
  }

  #lookEverywhere(): void {
    for (const queue of [...this.#queues.values()]) this.#look(queue, -1);
  }

  #look(queue: WaitedQueue, sinceUs: number): void {
    const nowUs = this.#options.clock.nowUs();
    const etaUs = this.#options.nextEtaUs(queue.key, sinceUs);
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
    if (this.#error !== undefined) throw this.#error;
    if (this.#wake !== undefined) return true;
    signal?.throwIfAborted();
    return false;
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

function nameOf(key: QueueKey): string {
  // A project has no slash.
  return `${key.project}/${key.queue}`;
}
