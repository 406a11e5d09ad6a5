/** The only module that reads the system's clock. Times are microseconds since the epoch, as on Google's wire. */

/** A source of time and of timers. Everything that waits hangs on one of these, so that tests need no sleeping. */
export interface Clock {
  /** Microseconds since the epoch; never runs backwards. */
  nowUs(): number;
  /** Calls back once after `delayMs` (0 or more); the returned function cancels. Does not keep the process alive unless asked to. */
  timer(delayMs: number, callback: () => void, options?: TimerOptions): () => void;
}

/** How a timer behaves towards its process. */
export interface TimerOptions {
  /** Somebody awaits the outcome, so the process must not end before. Default false. */
  readonly keepAlive?: boolean;
}

/** A clock that only moves when told. Timers fire in the order of their due times while it advances. */
export interface ManualClock extends Clock {
  /** Moves time forward by `ms`, firing due timers. */
  advance(ms: number): void;
}

/** Longest delay a Node timer takes before it overflows to one millisecond. */
const TIMER_MS_MAX = 2_147_483_647;

/** A wall clock that jumped ahead of the monotonic one by more than this is followed, in microseconds. */
const FORWARD_JUMP_US = 1_000_000;

/**
 * The system's clock. It advances with the monotonic clock, follows the wall clock when that jumps forward, and
 * ignores it when it jumps back, so that a lease never lasts longer because an administrator set the clock.
 */
export function systemClock(): Clock {
  let anchorUs = Date.now() * 1000;
  let anchorMs = performance.now();
  let lastUs = 0;
  return {
    nowUs() {
      const monotonicMs = performance.now();
      let nowUs = anchorUs + Math.round((monotonicMs - anchorMs) * 1000);
      const wallUs = Date.now() * 1000;
      if (wallUs - nowUs > FORWARD_JUMP_US) {
        anchorUs = wallUs;
        anchorMs = monotonicMs;
        nowUs = wallUs;
      }
      lastUs = Math.max(lastUs, nowUs);
      return lastUs;
    },
    timer(delayMs, callback, options) {
      const handle = setTimeout(callback, Math.min(Math.max(0, delayMs), TIMER_MS_MAX));
      if (options?.keepAlive !== true) handle.unref();
      return () => clearTimeout(handle);
    },
  };
}

/**
 * A clock that shows at least `floorUs` from now on, for a store that holds tasks from a time when the system's clock
 * was ahead: it runs on from there with the same difference, so that leases still end.
 */
export function clockNotBefore(clock: Clock, floorUs: number): Clock {
  const shiftUs = floorUs - clock.nowUs();
  if (shiftUs <= 0) return clock;
  return {
    nowUs: () => clock.nowUs() + shiftUs,
    timer: (delayMs, callback, options) => clock.timer(delayMs, callback, options),
  };
}

/** What a clock showed at a moment that all threads of a process can name: plain data. */
export interface ClockReading {
  readonly nowUs: number;
  /** By the machine's monotonic clock, in nanoseconds. */
  readonly monotonicNs: bigint;
}

/** Reads a clock, so that another thread can have one that shows the same. */
export function readClock(clock: Clock): ClockReading {
  return { nowUs: clock.nowUs(), monotonicNs: process.hrtime.bigint() };
}

/** The system's clock, for another thread: it shows what the clock shows that was read. */
export function clockOfReading({ nowUs, monotonicNs }: ClockReading): Clock {
  const clock = systemClock();
  const shownUs = nowUs + Number((process.hrtime.bigint() - monotonicNs) / 1000n);
  const shiftUs = shownUs - clock.nowUs();
  return {
    nowUs: () => clock.nowUs() + shiftUs,
    timer: (delayMs, callback, options) => clock.timer(delayMs, callback, options),
  };
}

/** A clock for tests and simulations. Starts at `startUs` (default: 2026-01-01). */
export function manualClock(startUs = 1_767_225_600_000_000): ManualClock {
  let nowUs = startUs;
  let sequence = 0;
  const timers = new Map<number, { dueUs: number; callback: () => void }>();
  const nextDue = (untilUs: number) => {
    let next: [number, { dueUs: number; callback: () => void }] | undefined;
    for (const entry of timers) {
      if (entry[1].dueUs <= untilUs && (next === undefined || entry[1].dueUs < next[1].dueUs)) next = entry;
    }
    return next;
  };
  return {
    nowUs: () => nowUs,
    timer(delayMs, callback) {
      const id = sequence++;
      timers.set(id, { dueUs: nowUs + Math.max(0, Math.ceil(delayMs * 1000)), callback });
      return () => void timers.delete(id);
    },
    advance(ms) {
      const untilUs = nowUs + Math.round(ms * 1000);
      for (let due = nextDue(untilUs); due !== undefined; due = nextDue(untilUs)) {
        timers.delete(due[0]);
        nowUs = Math.max(nowUs, due[1].dueUs);
        due[1].callback();
      }
      // A timer may have advanced further.
      nowUs = Math.max(nowUs, untilUs);
    },
  };
}
