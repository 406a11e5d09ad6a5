import type { Clock } from "../clock.js";

/** How far an estimate may fall behind the one before without a new start, in microseconds: an answer's time on its way. */
const SLOWER_US = 50_000;

/**
 * A clock near a database's, for what waits. The database's own decides every comparison; this one shows what it showed
 * last, and the time since. So it is behind by the time an answer takes, and never ahead: who registers at a time of this
 * clock misses nothing that the database dates later.
 */
export class DatabaseClock implements Clock {
  readonly #base: Clock;
  #offsetUs: number | undefined;
  #lastUs = 0;

  constructor(base: Clock) {
    this.#base = base;
  }

  /** The database showed this when it began the answer that has just arrived. */
  observe(databaseUs: number): void {
    const offsetUs = databaseUs - this.#base.nowUs();
    const known = this.#offsetUs;
    // The fastest answer tells most, unless somebody has set a clock.
    if (known === undefined || offsetUs > known || offsetUs < known - SLOWER_US) this.#offsetUs = offsetUs;
  }

  nowUs(): number {
    this.#lastUs = Math.max(this.#lastUs, this.#base.nowUs() + (this.#offsetUs ?? 0));
    return this.#lastUs;
  }

  timer: Clock["timer"] = (delayMs, callback, options) => this.#base.timer(delayMs, callback, options);
}
