/**
 * Longest wait for answers, in milliseconds: on a slow machine fewer come between two disturbances, and a test still ends in time. Longer
 * than clients wait for one answer, so that a server that hangs is noticed.
 */
const WAIT_MS_MAX = 5_000;

/** Counts what was answered and what failed, so that whoever disturbs a test waits for work and not for time. */
export class Progress {
  #answers = 0;
  #failures = 0;
  readonly #waiting = new Set<Waiting>();

  /** How many there were. */
  get answers(): number {
    return this.#answers;
  }

  /** Somebody was answered. */
  answered(): void {
    this.#answers += 1;
    this.#look();
  }

  /** Somebody was told that it did not work. */
  failed(): void {
    this.#failures += 1;
    this.#look();
  }

  /**
   * Resolves after so many more answers, or so many more failures where nothing can be answered, after `WAIT_MS_MAX`, or when
   * the signal says that nobody is to wait any more.
   */
  async more(count: number, signal: AbortSignal, failures = Number.POSITIVE_INFINITY): Promise<void> {
    if (signal.aborted) return;
    let resolve = () => {};
    const done = new Promise<void>((fulfil) => {
      resolve = fulfil;
    });
    const waiting = { answers: this.#answers + count, failures: this.#failures + failures, resolve };
    const timer = setTimeout(resolve, WAIT_MS_MAX);
    this.#waiting.add(waiting);
    signal.addEventListener("abort", resolve);
    await done;
    clearTimeout(timer);
    this.#waiting.delete(waiting);
    signal.removeEventListener("abort", resolve);
  }

  #look(): void {
    for (const { answers, failures, resolve } of this.#waiting) {
      if (answers <= this.#answers || failures <= this.#failures) resolve();
    }
  }
}

/** Somebody who waits, and what for. */
interface Waiting {
  readonly answers: number;
  readonly failures: number;
  readonly resolve: () => void;
}
