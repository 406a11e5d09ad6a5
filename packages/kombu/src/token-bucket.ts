import { type Clock, systemClock } from "@pullqueue/core";
import { type Check, checkSignal, checkValue, clockCheck } from "./check.js";
import { pause } from "./waiting.js";

const positiveCheck: Check = {
  expected: "a positive number",
  holds: (v) => typeof v === "number" && v > 0 && Number.isFinite(v),
};

const tokensCheck: Check = {
  expected: "a number that is not negative",
  holds: (v) => typeof v === "number" && v >= 0,
};

const US_PER_SECOND = 1_000_000;
const MS_PER_SECOND = 1_000;

/**
 * Limits how often something is done: a bucket that fills at a steady rate up to its capacity, and is full at first. Each time
 * takes a token out.
 */
export class TokenBucket {
  /** Tokens per second that come in. */
  readonly fillRate: number;
  /** Most tokens that are in it. */
  readonly capacity: number;
  readonly #clock: Clock;
  #tokens: number;
  #filledAtUs: number;

  /** Capacity by default 1. Throws `invalid_argument` for what is not positive. */
  constructor(fillRate: number, capacity = 1, clock: Clock = systemClock()) {
    this.fillRate = checkValue("fillRate", fillRate, positiveCheck);
    this.capacity = checkValue("capacity", capacity, positiveCheck);
    this.#clock = checkValue("the clock of a token bucket", clock, clockCheck);
    this.#tokens = capacity;
    this.#filledAtUs = clock.nowUs();
  }

  /** Takes that many tokens out, all or none; whether there were enough. */
  canConsume(tokens = 1): boolean {
    checkValue("tokens", tokens, tokensCheck);
    if (tokens > this.#fill()) return false;
    this.#tokens -= tokens;
    return true;
  }

  /** How long until there will be that many, in milliseconds; 0 if there are. */
  expectedTimeMs(tokens = 1): number {
    checkValue("tokens", tokens, tokensCheck);
    const missing = Math.max(0, tokens - this.#fill());
    return Math.ceil((missing / this.fillRate) * MS_PER_SECOND);
  }

  /** Waits for tokens and takes them out. More than the capacity never come: `invalid_argument`. Error: the signal's reason. */
  async consume(tokens = 1, options: { readonly signal?: AbortSignal | undefined } = {}): Promise<void> {
    checkValue("tokens", tokens, {
      expected: `a number of at most ${this.capacity}, the bucket's capacity`,
      holds: (v) => tokensCheck.holds(v) && (v as number) <= this.capacity,
    });
    checkSignal("consume", options);
    while (!this.canConsume(tokens)) await pause(this.#clock, this.expectedTimeMs(tokens), options.signal);
  }

  #fill(): number {
    const nowUs = this.#clock.nowUs();
    const fresh = ((nowUs - this.#filledAtUs) / US_PER_SECOND) * this.fillRate;
    this.#tokens = Math.min(this.capacity, this.#tokens + fresh);
    this.#filledAtUs = nowUs;
    return this.#tokens;
  }
}
