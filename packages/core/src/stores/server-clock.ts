import type { Clock } from "../clock.js";

/** What an answer's `Date` tells is cut to whole seconds. */
const DATE_STEP_US = 1_000_000;

/**
 * What a server's clock shows, as far as its answers tell. Each `Date` header bounds the difference between the clocks;
 * as long as none is certain, none is assumed, so that two machines with good clocks agree to the microsecond.
 */
export class ServerClock {
  readonly #clock: Clock;
  /** Bounds of server time minus local time, in microseconds. */
  #leastUs = Number.NEGATIVE_INFINITY;
  #mostUs = Number.POSITIVE_INFINITY;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** The server's now, in microseconds since the epoch. */
  nowUs(): number {
    return this.#clock.nowUs() + Math.min(Math.max(0, this.#leastUs), this.#mostUs);
  }

  /** Takes in an answer's `Date` header: the server showed it between these two local times. */
  observe(date: string | undefined, sentUs: number, receivedUs: number): void {
    const shownUs = date === undefined ? Number.NaN : Date.parse(date) * 1000;
    if (Number.isNaN(shownUs)) return;
    const leastUs = Math.max(this.#leastUs, shownUs - receivedUs);
    const mostUs = Math.min(this.#mostUs, shownUs + DATE_STEP_US - sentUs);
    // Bounds that exclude each other mean that a clock was set: the newest answer counts.
    const agree = leastUs <= mostUs;
    this.#leastUs = agree ? leastUs : shownUs - receivedUs;
    this.#mostUs = agree ? mostUs : shownUs + DATE_STEP_US - sentUs;
  }
}
