import type { CallOptions } from "./store.js";
import { closedStore } from "./store-errors.js";

/** How a store ends: first what waits is told, then, when no call runs any more, what it stands on is closed. */
export interface Ending {
  /** Called at once, and ends what waits. */
  begin(): void;
  /** Called when the last running call has ended. */
  finish(): Promise<void>;
}

/** The life of a store: open until `close`; then closing while calls still run; then closed. */
export class Lifecycle {
  readonly #ending: Ending;
  #running = 0;
  #idle: (() => void) | undefined;
  #closing: Promise<void> | undefined;

  constructor(ending: Ending) {
    this.#ending = ending;
  }

  /** Whether `close` was called. */
  get isClosing(): boolean {
    return this.#closing !== undefined;
  }

  /** Every call passes here: refused when closed (`closed`) or aborted, counted while it runs. */
  async run<T>(
    options: CallOptions | undefined,
    call: (signal: AbortSignal | undefined) => Promise<T>,
  ): Promise<T> {
    if (this.#closing !== undefined) throw closedStore();
    options?.signal?.throwIfAborted();
    this.#running += 1;
    try {
      return await call(options?.signal);
    } finally {
      this.#running -= 1;
      if (this.#running === 0) this.#idle?.();
    }
  }

  /** Idempotent; all callers share one promise. */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    this.#ending.begin();
    if (this.#running > 0) {
      await new Promise<void>((resolve) => {
        this.#idle = resolve;
      });
    }
    await this.#ending.finish();
  }
}
