/** Runs asynchronous work one piece after the other, so that "look, then write" is one step among its callers. */
export class Turns {
  #last: Promise<unknown> = Promise.resolve();

  /** Starts the work when all earlier work has ended, however it ended. */
  run<T>(work: () => Promise<T>): Promise<T> {
    const result = this.#last.then(work, work);
    this.#last = result;
    return result;
  }
}
