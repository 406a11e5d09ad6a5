/** What a coalescer needs to know about its calls. */
export interface CoalesceOptions<I, R> {
  /**
   * Sends one batch; resolves with a result for each item, in order. The signal is aborted when nobody waits for it any more; undefined
   * when one of its callers cannot give up.
   */
  readonly send: (items: readonly I[], signal: AbortSignal | undefined) => Promise<readonly R[]>;
  /** Batches under way at once. */
  readonly batchesInFlightMax: number;
  /** Items of one batch. */
  readonly itemsMax: number;
  /** Weight of one batch, in the unit of `weigh`. A call heavier than that travels alone. */
  readonly weightMax: number;
  readonly weigh: (items: readonly I[]) => number;
  /** Whether a batch that failed so may have failed for one of its calls alone; then each is sent by itself. */
  readonly blamesOneCall: (error: unknown) => boolean;
  /** Called when nothing waits and nothing is under way. */
  readonly onIdle?: () => void;
}

/** A call that waits for its batch, or travels in it. */
interface Entry<I, R> {
  /** Whether its caller may give up. */
  readonly canLeave: boolean;
  /** Whether its caller has given up. */
  isAbandoned: boolean;
  /** Whether it waits, and does not travel. */
  isWaiting: boolean;
  /** Told when it is, while it travels. */
  onAbandoned?: () => void;
  readonly items: readonly I[];
  readonly weight: number;
  readonly resolve: (results: readonly R[]) => void;
  readonly reject: (error: unknown) => void;
}

/**
 * Lets calls share batches. A call goes out at the end of its turn of the event loop, together with all that were made
 * in it; while enough batches are under way, calls gather for the next. So whoever awaits each call never waits for a
 * batch to fill, and whoever makes many at once fills batches without knowing it.
 */
export class Coalescer<I, R> {
  readonly #options: CoalesceOptions<I, R>;
  /** In order of arrival. No Set: its old tables would keep alive all that has ever been in it, until memory is collected as a whole. */
  #waiting: Entry<I, R>[] = [];
  /** How many of them nobody wants any more: less than half, so that there is always one that somebody does. */
  #unwanted = 0;
  #inFlight = 0;
  #scheduled = false;

  constructor(options: CoalesceOptions<I, R>) {
    this.#options = options;
  }

  /**
   * Joins a batch. After an abort only this call is rejected, with the reason; a batch that has left goes on for the others, and
   * ends with the last: nothing is to be sent again for a caller who was told that it failed.
   */
  add(items: readonly I[], signal?: AbortSignal): Promise<readonly R[]> {
    if (signal?.aborted === true) return Promise.reject(signal.reason);
    return new Promise((resolve, reject) => {
      const weight = this.#options.weigh(items);
      if (signal === undefined) {
        this.#enter({ canLeave: false, isAbandoned: false, isWaiting: true, items, weight, resolve, reject });
      } else this.#enter(this.#leavable({ items, weight, resolve, reject }, signal));
    });
  }

  #enter(entry: Entry<I, R>): void {
    this.#waiting.push(entry);
    this.#schedule();
  }

  /** A call whose caller may give up. */
  #leavable(
    call: Pick<Entry<I, R>, "items" | "weight" | "resolve" | "reject">,
    signal: AbortSignal,
  ): Entry<I, R> {
    const stopListening = () => signal.removeEventListener("abort", abort);
    const entry: Entry<I, R> = {
      ...call,
      canLeave: true,
      isAbandoned: false,
      isWaiting: true,
      resolve: (results) => {
        stopListening();
        call.resolve(results);
      },
      reject: (error) => {
        stopListening();
        call.reject(error);
      },
    };
    const abort = () => {
      entry.isAbandoned = true;
      call.reject(signal.reason);
      entry.onAbandoned?.();
      if (entry.isWaiting) this.#unwanted += 1;
      this.#tidy();
      this.#tellIfIdle();
    };
    signal.addEventListener("abort", abort, { once: true });
    return entry;
  }

  /** At the end of the turn: after all promises that are settled now have called whoever waited for them. */
  #schedule(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    queueMicrotask(() => process.nextTick(() => this.#flush()));
  }

  #flush(): void {
    this.#scheduled = false;
    while (this.#waiting.length > 0 && this.#inFlight < this.#options.batchesInFlightMax) {
      void this.#travel(this.#takeBatch());
    }
  }

  #takeBatch(): readonly Entry<I, R>[] {
    const { itemsMax, weightMax } = this.#options;
    const batch: Entry<I, R>[] = [];
    let passed = 0;
    let items = 0;
    let weight = 0;
    for (const entry of this.#waiting) {
      if (entry.isAbandoned) this.#unwanted -= 1;
      else {
        items += entry.items.length;
        weight += entry.weight;
        if (batch.length > 0 && (items > itemsMax || weight > weightMax)) break;
        entry.isWaiting = false;
        batch.push(entry);
      }
      passed += 1;
    }
    this.#waiting = this.#waiting.slice(passed);
    this.#tidy();
    return batch;
  }

  /** Takes out what nobody wants once that is half of all: to look for each by itself would take a long row's stop seconds. */
  #tidy(): void {
    if (this.#unwanted * 2 < this.#waiting.length) return;
    this.#waiting = this.#waiting.filter(({ isAbandoned }) => !isAbandoned);
    this.#unwanted = 0;
  }

  async #travel(batch: readonly Entry<I, R>[]): Promise<void> {
    this.#inFlight += 1;
    try {
      await this.#send(batch);
    } catch (error) {
      // Whatever went wrong is the callers' to know; nobody else awaits this.
      for (const entry of batch) entry.reject(error);
    }
    this.#inFlight -= 1;
    if (this.#waiting.length > 0) this.#schedule();
    else this.#tellIfIdle();
  }

  async #send(batch: readonly Entry<I, R>[]): Promise<void> {
    try {
      const items = batch.length === 1 ? batch[0]!.items : batch.flatMap((entry) => entry.items);
      const results = await this.#options.send(items, whileWanted(batch));
      let next = 0;
      for (const { items, resolve } of batch) {
        resolve(items.length === 1 ? [results[next]!] : results.slice(next, next + items.length));
        next += items.length;
      }
    } catch (error) {
      if (batch.length === 1 || !this.#options.blamesOneCall(error)) throw error;
      // A call that nobody would take must not cost its neighbours theirs.
      for (const entry of batch) await this.#send([entry]).catch(entry.reject);
    }
  }

  #tellIfIdle(): void {
    if (this.#inFlight === 0 && this.#waiting.length === 0) this.#options.onIdle?.();
  }
}

/** Aborted when the last caller of the batch has given up. Undefined when that cannot be. */
function whileWanted<I, R>(batch: readonly Entry<I, R>[]): AbortSignal | undefined {
  if (!batch.every(({ canLeave }) => canLeave)) return undefined;
  const unwanted = new AbortController();
  const look = () => {
    if (batch.every(({ isAbandoned }) => isAbandoned)) unwanted.abort();
  };
  for (const entry of batch) entry.onAbandoned = look;
  look();
  return unwanted.signal;
}
