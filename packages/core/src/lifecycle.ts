import type { Eventual } from "./eventual.js";
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
  run<T>(
    options: CallOptions | undefined,
    call: (signal: AbortSignal | undefined) => Eventual<T>,
  ): Promise<T> {
    // Not async, because each promise more costs about as much as a small call.
    if (this.#closing !== undefined) return Promise.reject(closedStore());
    if (options?.signal?.aborted === true) return Promise.reject(options.signal.reason);
    this.#running += 1;
    let answer: Eventual<T>;
    try {
      answer = call(options?.signal);
    } catch (error) {
      this.#ended();
      return Promise.reject(error);
    }
    if (answer instanceof Promise) return this.#until(answer);
    this.#ended();
    return Promise.resolve(answer);
  }

  async #until<T>(answer: Promise<T>): Promise<T> {
    try {
      return await answer;
    } finally {
      this.#ended();
    }
  }

  #ended(): void {
    this.#running -= 1;
    if (this.#running === 0) this.#idle?.();
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
