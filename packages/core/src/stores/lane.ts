import { isQueueError, QueueError } from "../errors.js";

/** What became of one call. */
export type Outcome<A> = { readonly value: A } | { readonly error: QueueError };

/** What a lane is. */
export interface LaneOptions<Q, A> {
  /** Batches under way at once. */
  readonly parallel: number;
  /** Most items in one batch, unless one call alone has more. */
  readonly itemsMax: number;
  /** Items of a call. */
  readonly itemsOf: (request: Q) => number;
  /** Does all calls of a batch, and gives an outcome for each. */
  readonly run: (requests: readonly Q[]) => Promise<readonly Outcome<A>[]>;
}

interface Call<Q, A> {
  readonly request: Q;
  readonly resolve: (value: A) => void;
  readonly reject: (error: QueueError) => void;
}

/**
 * Lets calls that wait together share one transaction, over a few connections: what comes while all of them are busy goes
 * with the next one that is free. A caller alone never waits for a batch to fill.
 *
 * When a batch goes wrong for no known reason, each of its calls is tried by itself, so that a bad one cannot fail the
 * others. Where the database is out of reach, or the outcome of a commit unknown, all fail.
 */
export class Lane<Q, A> {
  readonly #options: LaneOptions<Q, A>;
  #waiting: Call<Q, A>[] = [];
  #running = 0;
  #scheduled = false;

  constructor(options: LaneOptions<Q, A>) {
    this.#options = options;
  }

  submit(request: Q): Promise<A> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ request, resolve, reject });
      this.#schedule();
    });
  }

  /** At the end of this turn of the event loop, so that calls made in one turn go together. */
  #schedule(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    setImmediate(() => {
      this.#scheduled = false;
      while (this.#waiting.length > 0 && this.#running < this.#options.parallel)
        void this.#batch(this.#take());
    });
  }

  #take(): readonly Call<Q, A>[] {
    const { itemsMax, itemsOf } = this.#options;
    let items = 0;
    let count = 0;
    for (const { request } of this.#waiting) {
      items += itemsOf(request);
      if (count > 0 && items > itemsMax) break;
      count += 1;
    }
    return this.#waiting.splice(0, count);
  }

  async #batch(calls: readonly Call<Q, A>[]): Promise<void> {
    this.#running += 1;
    try {
      const outcomes = await this.#options.run(calls.map(({ request }) => request));
      for (const [index, call] of calls.entries()) settle(call, outcomes[index]!);
    } catch (error) {
      const known = QueueError.from(error);
      if (calls.length === 1 || (isQueueError(error) && error.code !== "internal")) {
        for (const call of calls) call.reject(known);
      } else {
        for (const call of calls) await this.#alone(call);
      }
    } finally {
      this.#running -= 1;
      this.#schedule();
    }
  }

  async #alone(call: Call<Q, A>): Promise<void> {
    try {
      const [outcome] = await this.#options.run([call.request]);
      settle(call, outcome!);
    } catch (error) {
      call.reject(QueueError.from(error));
    }
  }
}

function settle<Q, A>(call: Call<Q, A>, outcome: Outcome<A>): void {
  if ("value" in outcome) call.resolve(outcome.value);
  else call.reject(outcome.error);
}
