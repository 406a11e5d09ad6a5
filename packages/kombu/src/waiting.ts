import { setMaxListeners } from "node:events";
import type { Clock } from "@pullqueue/core";

/** Small tools for calls that wait: signals that end together, pauses, and news for whoever waits. */

/** A signal that follows others until `end()`, which takes the listeners away again. */
export interface LinkedSignal {
  readonly signal: AbortSignal;
  abort(reason: unknown): void;
  end(): void;
}

/** A signal that fires with the reason of the first of several that does. Call `end()` when the call is over. */
export function linkSignals(...signals: readonly (AbortSignal | undefined)[]): LinkedSignal {
  const controller = new AbortController();
  const given = signals.filter((signal) => signal !== undefined);
  const listeners = given.map((signal) => () => controller.abort(signal.reason));
  const fired = given.find((signal) => signal.aborted);
  if (fired !== undefined) controller.abort(fired.reason);
  else
    given.forEach((signal, index) => void letManyListen(signal).addEventListener("abort", listeners[index]!));
  return {
    signal: controller.signal,
    abort: (reason) => controller.abort(reason),
    end: () => given.forEach((signal, index) => void signal.removeEventListener("abort", listeners[index]!)),
  };
}

/** A program gives one signal to all its calls, of which any number may wait; Node would suspect a leak at eleven. */
function letManyListen(signal: AbortSignal): AbortSignal {
  setMaxListeners(0, signal);
  return signal;
}

/** Resolves after `ms`; rejects with the signal's reason before that. */
export async function pause(clock: Clock, ms: number, signal?: AbortSignal): Promise<void> {
  await new Notifier(clock).wait(ms, signal);
}

/** Tells everybody who waits that something has changed, so that they look again. */
export class Notifier {
  readonly #clock: Clock;
  readonly #waiting = new Set<() => void>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Wakes all who wait now. */
  notify(): void {
    // Nobody begins to wait in here, because whoever is woken goes on later.
    for (const wake of this.#waiting) wake();
  }

  /**
   * Resolves at the next `notify`, or after `ms` if given; rejects with the signal's reason. News that are not `worth` it wake nobody:
   * where there are news with each message, to wait anew for each costs more than to look.
   */
  wait(ms?: number, signal?: AbortSignal, worth: () => boolean = () => true): Promise<void> {
    return new Promise((resolve, reject) => {
      if (signal?.aborted === true) return reject(signal.reason);
      const finish = (settle: () => void) => {
        this.#waiting.delete(wake);
        signal?.removeEventListener("abort", onAbort);
        cancelTimer?.();
        settle();
      };
      const elapse = () => finish(resolve);
      const wake = () => void (worth() && elapse());
      const onAbort = () => finish(() => reject(signal?.reason));
      // Somebody awaits this, so that the process must not end before.
      const cancelTimer = ms === undefined ? undefined : this.#clock.timer(ms, elapse, { keepAlive: true });
      this.#waiting.add(wake);
      signal?.addEventListener("abort", onAbort);
    });
  }
}

/** Counts what runs, so that closing can wait for it. */
export class Running {
  readonly #idle: Notifier;
  #count = 0;

  constructor(clock: Clock) {
    this.#idle = new Notifier(clock);
  }

  /** Does the work, counted. */
  async during<T>(work: () => Promise<T>): Promise<T> {
    this.begin();
    try {
      return await work();
    } finally {
      this.end();
    }
  }

  /** The same for whoever has a function of its own around the work: `end` must follow, whatever happens. */
  begin(): void {
    this.#count += 1;
  }

  /** What `begin` has counted is over. */
  end(): void {
    this.#count -= 1;
    if (this.#count === 0) this.#idle.notify();
  }

  /** Resolves when nothing runs. */
  async idle(): Promise<void> {
    while (this.#count > 0) await this.#idle.wait();
  }
}

/** The promise's outcome, or a rejection with the signal's reason if that fires first; the work itself goes on. */
export function orAbort<T>(promise: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  return signal === undefined ? promise : race(promise, signal);
}

async function race<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  let stop: (() => void) | undefined;
  const aborted = new Promise<never>((_resolve, reject) => {
    stop = () => reject(signal.reason);
    if (signal.aborted) stop();
    else letManyListen(signal).addEventListener("abort", stop);
  });
  try {
    return await Promise.race([promise, aborted]);
  } finally {
    signal.removeEventListener("abort", stop!);
  }
}

/** Waits for the promise, but no longer than `ms`; the work itself goes on. */
export async function forAtMost(clock: Clock, ms: number, promise: Promise<void>): Promise<void> {
  let cancel = () => {};
  const late = new Promise<void>((resolve) => {
    cancel = clock.timer(ms, resolve, { keepAlive: true });
  });
  await Promise.race([promise, late]).finally(cancel);
}

/** Does the work until the signal fires or, where one is given, the time is up: then it rejects with what `late` makes. */
export async function inTime<T>(
  clock: Clock,
  limit: {
    readonly timeoutMs: number | undefined;
    readonly signal: AbortSignal | undefined;
    readonly late: (timeoutMs: number) => Error;
  },
  work: (signal: AbortSignal | undefined) => Promise<T>,
): Promise<T> {
  const { timeoutMs, signal, late } = limit;
  if (timeoutMs === undefined) return work(signal);
  const link = linkSignals(signal);
  const cancel = clock.timer(timeoutMs, () => link.abort(late(timeoutMs)), { keepAlive: true });
  try {
    return await work(link.signal);
  } finally {
    cancel();
    link.end();
  }
}
