/** The only module here that reads the system's clock. */

/** A source of time and of timers, of the same shape as that of `@pullqueue/core`, so that either fits. */
export interface Clock {
  /** Microseconds since the epoch. */
  nowUs(): number;
  /** Calls back once after `delayMs`; the returned function cancels. Does not keep the process alive unless asked to. */
  timer(delayMs: number, callback: () => void, options?: { readonly keepAlive?: boolean }): () => void;
}

/** The system's clock. The ends of tokens are stored as times of day, so it follows the wall clock wherever that goes. */
export const systemClock: Clock = Object.freeze<Clock>({
  nowUs: () => Date.now() * 1000,
  timer(delayMs, callback, options) {
    const handle = setTimeout(callback, delayMs);
    if (options?.keepAlive !== true) handle.unref();
    return () => clearTimeout(handle);
  },
});
