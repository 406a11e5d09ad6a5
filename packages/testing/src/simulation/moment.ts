import type { SimulatedTime } from "./time.js";

/** What one answer says, judged when its moment is over. */
interface Event {
  readonly rank: number;
  readonly judge: () => void;
}

/** Between the ranks of two leases of one task. */
const RANKS = 8;

/** What an answer is about, in the order in which it must have happened to one task. */
export const RANK = Object.freeze({
  inserted: -1,
  granted: (retryCount: number) => retryCount * RANKS,
  extended: (retryCount: number) => retryCount * RANKS + 1,
  deleted: (retryCount: number) => retryCount * RANKS + 2,
  dropped: (retryCount: number) => retryCount * RANKS + 3,
  deletedUnfenced: Number.MAX_SAFE_INTEGER - 2,
  /** A purge or a redrive. */
  cleared: Number.MAX_SAFE_INTEGER - 1,
  /** Refusals, and what clients say: judged by what holds after all that was done. */
  last: Number.MAX_SAFE_INTEGER,
});

/**
 * The answers of one moment, which may be seen in another order than they were given in. So they are judged when the moment
 * is over: in the order of the leases that they speak of, refusals last.
 */
export class Moment {
  readonly #time: SimulatedTime;
  #events: Event[] = [];

  constructor(time: SimulatedTime) {
    this.#time = time;
    time.onSettled(() => this.#judge());
  }

  add(rank: number, judge: () => void): void {
    this.#time.note();
    this.#events.push({ rank, judge });
  }

  #judge(): void {
    if (this.#events.length === 0) return;
    const events = this.#events.sort((a, b) => a.rank - b.rank);
    this.#events = [];
    for (const { judge } of events) judge();
  }
}
