import type { Holding } from "./holding.js";
import type { Message } from "./message.js";
import { linkSignals } from "./waiting.js";

/** What the loop over messages needs of its consumer. */
export interface MessageIteration<T> {
  readonly begin: (signal: AbortSignal) => Promise<void>;
  readonly next: (signal: AbortSignal) => Promise<{ holding: Holding; message: Message<T> } | undefined>;
  /** Gives back what is left. */
  readonly end: (handedOut: readonly Holding[]) => Promise<void>;
  /** Fires when the consumer is cancelled, which ends the loop without an error. */
  readonly stopping: () => AbortSignal;
  readonly signal: AbortSignal | undefined;
}

const DONE: IteratorReturnResult<undefined> = Object.freeze({ done: true, value: undefined });

/**
 * Messages one by one, for `for await`. Ends when the consumer is cancelled; fails with the signal's reason, with `closed`, or
 * with what the broker says. However it ends, what was not settled is given back.
 */
export class MessageIterator<T = unknown> implements AsyncIterableIterator<Message<T>, undefined> {
  readonly #iteration: MessageIteration<T>;
  readonly #left = new AbortController();
  readonly #handedOut = new Set<Holding>();
  #begun: Promise<void> | undefined;
  #isBegun = false;
  #ended: Promise<void> | undefined;

  constructor(iteration: MessageIteration<T>) {
    this.#iteration = iteration;
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  async next(): Promise<IteratorResult<Message<T>, undefined>> {
    if (this.#ended !== undefined || this.#left.signal.aborted) return DONE;
    try {
      this.#begun ??= this.#begin();
      await this.#begun;
      const received = await this.#receive();
      if (received === undefined) return await this.return();
      this.#handedOut.add(received.holding);
      return { done: false, value: received.message };
    } catch (error) {
      if (this.#isBegun) await this.#end();
      const stopping = this.#iteration.stopping();
      const isStop = (stopping.aborted && error === stopping.reason) || this.#left.signal.aborted;
      if (isStop) return DONE;
      throw error;
    }
  }

  /** Leaves the loop; a `next` that waits ends too. */
  async return(): Promise<IteratorReturnResult<undefined>> {
    this.#left.abort();
    await this.#begun?.catch(() => {}); // The next() that began it tells of the error.
    if (this.#isBegun) await this.#end();
    return DONE;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.return().then(() => undefined);
  }

  async #begin(): Promise<void> {
    const link = linkSignals(this.#left.signal, this.#iteration.signal);
    try {
      await this.#iteration.begin(link.signal);
      this.#isBegun = true;
    } finally {
      link.end();
    }
  }

  async #receive(): Promise<{ holding: Holding; message: Message<T> } | undefined> {
    this.#forgetSettled();
    const link = linkSignals(this.#iteration.stopping(), this.#left.signal, this.#iteration.signal);
    try {
      return await this.#iteration.next(link.signal);
    } finally {
      link.end();
    }
  }

  #end(): Promise<void> {
    this.#ended ??= this.#iteration.end([...this.#handedOut]);
    return this.#ended;
  }

  /** A loop without end must not remember all that it has seen. */
  #forgetSettled(): void {
    for (const holding of this.#handedOut) if (holding.isEnded) this.#handedOut.delete(holding);
  }
}
