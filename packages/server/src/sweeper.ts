import { type Clock, type QueueAdmin, QueueError, randomFraction } from "@pullqueue/core";
import type { Log } from "./log.js";

/** What a sweeper needs. */
export interface SweeperOptions {
  readonly store: Pick<QueueAdmin, "sweep">;
  readonly clock: Clock;
  /** Time between two sweeps, in milliseconds, give or take half of it; 0: never. */
  readonly intervalMs: number;
  readonly log: Log;
  /** Chance from 0 to below 1. Default: random. */
  readonly random?: () => number;
}

/**
 * Has a store remove what time has ended, again and again until `stop`. Nothing waits for it: leases leave out what has
 * expired. Pauses have some chance in them, so that the processes that share a database do not sweep it together. A sweep
 * that fails is logged and made up for by the next.
 */
export class Sweeper {
  readonly #options: SweeperOptions;
  readonly #stopping = new AbortController();
  #cancelTimer = () => {};
  #sweep: Promise<void> = Promise.resolve();

  constructor(options: SweeperOptions) {
    this.#options = options;
    if (options.intervalMs > 0) this.#schedule();
  }

  /** Ends a sweep that runs, and resolves when it has ended. Idempotent. */
  stop(): Promise<void> {
    this.#stopping.abort(new QueueError("closed", "the server is closing"));
    this.#cancelTimer();
    return this.#sweep;
  }

  #schedule(): void {
    const { clock, intervalMs, random = randomFraction } = this.#options;
    this.#cancelTimer = clock.timer(intervalMs * (0.5 + random()), () => {
      this.#sweep = this.#run().then(() => {
        if (!this.#stopping.signal.aborted) this.#schedule();
      });
    });
  }

  async #run(): Promise<void> {
    const { store, log } = this.#options;
    try {
      const { expiredTasks, deadLetteredTasks } = await store.sweep({ signal: this.#stopping.signal });
      const level = expiredTasks + deadLetteredTasks > 0 ? "info" : "debug";
      log[level]({ expiredTasks, deadLetteredTasks }, "swept what time has ended");
    } catch (error) {
      if (this.#stopping.signal.aborted) return;
      const { code, message } = QueueError.from(error);
      log.warn({ code }, `a sweep failed, the next one makes up for it: ${message}`);
    }
  }
}
