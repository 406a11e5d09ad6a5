/** Counts what was answered, so that whoever disturbs a test waits for work and not for time. */
export class Progress {
  #answers = 0;
  readonly #waiting = new Set<{ readonly at: number; readonly resolve: () => void }>();

  /** How many there were. */
  get answers(): number {
    return this.#answers;
  }

  /** Somebody was answered. */
  answered(): void {
    this.#answers += 1;
    for (const { at, resolve } of this.#waiting) if (at <= this.#answers) resolve();
  }

  /** Resolves after so many more answers, or when the signal says that nobody is to wait any more. */
  async more(count: number, signal: AbortSignal): Promise<void> {
    if (signal.aborted) return;
    let resolve = () => {};
    const done = new Promise<void>((fulfil) => {
      resolve = fulfil;
    });
    const waiting = { at: this.#answers + count, resolve };
    this.#waiting.add(waiting);
    signal.addEventListener("abort", resolve);
    await done;
    this.#waiting.delete(waiting);
    signal.removeEventListener("abort", resolve);
  }
}
