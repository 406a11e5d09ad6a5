import type { Clock } from "../../src/clock.js";

/** A clock that stands still until somebody moves it. */
export interface HandClock extends Clock {
  /** Lets time pass; what is due is called back. */
  advance(delayMs: number): void;
  /** Resolves when a timer of this length is running. */
  running(delayMs: number): Promise<void>;
}

interface Timer {
  readonly delayMs: number;
  readonly dueMs: number;
  readonly callback: () => void;
}

/** Begins at the system's time, since the tokens of real servers are compared with it. */
export function handClock(): HandClock {
  let nowMs = Date.now();
  const timers = new Set<Timer>();
  let waiting: { readonly delayMs: number; readonly resolve: () => void }[] = [];
  const isRunning = (delayMs: number) => [...timers].some((timer) => timer.delayMs === delayMs);
  return {
    nowUs: () => nowMs * 1000,
    timer(delayMs, callback) {
      const timer = { delayMs, dueMs: nowMs + delayMs, callback };
      timers.add(timer);
      for (const waiter of waiting) if (waiter.delayMs === delayMs) waiter.resolve();
      waiting = waiting.filter((waiter) => waiter.delayMs !== delayMs);
      return () => void timers.delete(timer);
    },
    advance(delayMs) {
      nowMs += delayMs;
      for (const timer of [...timers].filter(({ dueMs }) => dueMs <= nowMs)) {
        if (timers.delete(timer)) timer.callback();
      }
    },
    running: (delayMs) =>
      isRunning(delayMs)
        ? Promise.resolve()
        : new Promise((resolve) => {
            waiting.push({ delayMs, resolve });
          }),
  };
}
