import { isQueueError, pause, type QueueError, systemClock } from "@pullqueue/core";
import { FOLLOW_PAUSE_MS } from "./limits.js";
import type { Output } from "./output.js";

/**
 * Times in which a server cannot be reached although it was there: told once when one begins, however often it is tried.
 * Nothing is told before `ended` was called once, because a server that was never there is a failure of the command.
 */
export class Outage {
  readonly #output: Output;
  #isSilent = true;

  constructor(output: Output) {
    this.#output = output;
  }

  /** An attempt failed and will be repeated. */
  began({ code, message }: QueueError): void {
    if (!this.#isSilent) this.#output.warn(code, `the server is away, trying until it is back: ${message}`);
    this.#isSilent = true;
  }

  /** The server has answered. */
  ended(): void {
    this.#isSilent = false;
  }

  /** Repeats a call until the server is there. Rejects with any other failure, and with the signal's reason. */
  async outlast<T>(call: () => Promise<T>, signal: AbortSignal): Promise<T> {
    for (;;) {
      try {
        const value = await call();
        this.ended();
        return value;
      } catch (error) {
        if (!isQueueError(error, "unavailable") && !isQueueError(error, "timeout")) throw error;
        this.began(error);
      }
      await pause(systemClock(), FOLLOW_PAUSE_MS, signal);
      signal.throwIfAborted();
    }
  }
}
