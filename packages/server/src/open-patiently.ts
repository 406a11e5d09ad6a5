import { type Clock, isQueueError, pause } from "@pullqueue/core";
import { STORE_PATIENCE_MS, STORE_RETRY_MS } from "./limits.js";
import type { Log } from "./log.js";

/** What it takes to wait for a store. */
export interface Patience {
  readonly clock: Clock;
  readonly log: Log;
  /** Ends the waiting; its reason is thrown unchanged. */
  readonly signal?: AbortSignal | undefined;
}

/**
 * Opens a store whose database may still be starting: while it is `unavailable` tries again for `STORE_PATIENCE_MS`, and
 * says so in the log each time. Rejects with the last error, or at once with any other.
 */
export async function openPatiently<T>(open: () => Promise<T>, { clock, log, signal }: Patience): Promise<T> {
  const endUs = clock.nowUs() + STORE_PATIENCE_MS * 1000;
  for (;;) {
    signal?.throwIfAborted();
    try {
      return await open();
    } catch (error) {
      if (!isQueueError(error, "unavailable") || clock.nowUs() >= endUs) throw error;
      const leftSeconds = Math.ceil((endUs - clock.nowUs()) / 1_000_000);
      log.warn({ leftSeconds }, `waiting for the store: ${error.message}`);
      await pause(clock, STORE_RETRY_MS, signal);
    }
  }
}
