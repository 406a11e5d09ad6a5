import type { Clock } from "../../src/clock.js";

/** A clock that stands still until it is moved. */
export interface ManualClock extends Clock {
  /** Lets time pass; what is due is called back. */
  advance(ms: number): void;
  /** Resolves when somebody waits on it, for just this long if a length is given. */
  waitedOn(delayMs?: number): Promise<void>;
  /** How many timers have been set and neither fired nor cancelled. */
  readonly timers: number;
}

interface Timer {
  readonly delayMs: number;
  readonly dueMs: number;
  readonly callback: () => void;
}

/** Starts at `startMs`, or at the system's time, since the tokens of real servers are compared with it. */
export function manualClock(startMs = Date.now()): ManualClock {
  let nowMs = startMs;
  const pending = new Set<Timer>();
  const tell: (() => void)[] = [];
  return {
    nowUs: () => nowMs * 1000,
    timer(delayMs, callback) {
      const timer = { delayMs, dueMs: nowMs + delayMs, callback };
      pending.add(timer);
      for (const resolve of tell.splice(0)) resolve();
      return () => void pending.delete(timer);
    },
    advance(ms) {
      nowMs += ms;
      for (const timer of [...pending]) {
        if (timer.dueMs <= nowMs && pending.delete(timer)) timer.callback();
      }
    },
    async waitedOn(delayMs) {
      const isWanted = (timer: Timer) => delayMs === undefined || timer.delayMs === delayMs;
      while (![...pending].some(isWanted)) await new Promise<void>((resolve) => void tell.push(resolve));
    },
    get timers() {
      return pending.size;
    },
  };
}
