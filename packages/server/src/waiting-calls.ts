/**
 * Calls that wait under a name of their client's choice, so that another call can end them. A client that gives up a
 * waiting lease by closing its connection may leave tasks leased that were on their way to it; one that ends the call
 * by its name reads the answer, and gives back what is in it.
 */
export class WaitingCalls {
  readonly #calls = new Map<string, AbortController>();

  /** Runs a call whose signal aborts when its name is cancelled. A later call of the same name takes it over. */
  async run<T>(name: string, call: (cancelled: AbortSignal) => Promise<T>): Promise<T> {
    const controller = new AbortController();
    this.#calls.set(name, controller);
    try {
      return await call(controller.signal);
    } finally {
      if (this.#calls.get(name) === controller) this.#calls.delete(name);
    }
  }

  /** Whether there was such a call. */
  cancel(name: string): boolean {
    const controller = this.#calls.get(name);
    controller?.abort();
    return controller !== undefined;
  }
}
