import type { Clock } from "../../src/clock.js";

/** A clock that stands still until it is moved. */
export interface ManualClock extends Clock {
  advance(ms: number): void;
  /** Resolves when somebody waits on it. */
  waitedOn(): Promise<void>;
  /** How many timers have been set and neither fired nor cancelled. */
  readonly timers: number;
}

/** Starts at `startMs`. */
export function manualClock(startMs: number): ManualClock {
  let nowMs = startMs;
  const pending = new Set<{ readonly dueMs: number; readonly callback: () => void }>();
  let tell: (() => void)[] = [];
  return {
    nowUs: () => nowMs * 1000,
    timer(delayMs, callback) {
      const entry = { dueMs: nowMs + delayMs, callback };
      pending.add(entry);
      for (const resolve of tell) resolve();
      tell = [];
      return () => void pending.delete(entry);
    },
    advance(ms) {
      nowMs += ms;
      for (const entry of [...pending]) {
        if (entry.dueMs <= nowMs && pending.delete(entry)) entry.callback();
      }
    },
    waitedOn: () => (pending.size > 0 ? Promise.resolve() : new Promise((resolve) => tell.push(resolve))),
    get timers() {
      return pending.size;
    },
  };
}
