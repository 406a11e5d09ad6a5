import { type Clock, readClock } from "@pullqueue/core";
import type { RedisClient } from "./redis-client.js";

const US_PER_SECOND = 1_000_000;
const US_PER_MS = 1000;
const NS_PER_US = 1000n;

/** An answer within this time is near enough, in microseconds; and how often a nearer one is hoped for. */
const NEAR_US = 50_000;
const TRIES = 3;

/**
 * The time of the server, for all that is stored there: when leases end, messages expire and delayed ones are due. Kombu writes its machine's own, so
 * that a clock that is wrong by more than a lease takes from others what they hold. Asked when the connection opens and at each health check,
 * and told by the monotonic clock in between, so that a clock that is set while we run changes nothing.
 */
export class RedisTime {
  readonly #clock: Clock;
  readonly #isAsked: boolean;
  #known: { readonly serverUs: number; readonly monotonicNs: bigint } | undefined;

  /** A clock that is not the system's is its owner's word about time, and nobody is asked. */
  constructor(clock: Clock, isSystemTime: boolean) {
    this.#clock = clock;
    this.#isAsked = isSystemTime;
  }

  nowUs(): number {
    if (this.#known === undefined) return this.#clock.nowUs();
    const { serverUs, monotonicNs } = this.#known;
    return serverUs + Number((readClock(this.#clock).monotonicNs - monotonicNs) / NS_PER_US);
  }

  /** A moment so many milliseconds from now; undefined where nobody knows the server's time. */
  inUs(ms: number): number | undefined {
    return this.#known === undefined ? undefined : this.nowUs() + ms * US_PER_MS;
  }

  /** A time of the server by the connection's clock. */
  toLocalUs(serverUs: number): number {
    return serverUs - this.nowUs() + this.#clock.nowUs();
  }

  /** Asks the server, until an answer comes soon enough to say something. */
  async ask(main: RedisClient): Promise<void> {
    if (!this.#isAsked) return;
    let best = Number.POSITIVE_INFINITY;
    for (let tries = 0; tries < TRIES && best > NEAR_US; tries++) {
      const before = readClock(this.#clock).monotonicNs;
      const [seconds, us] = (await main.call("TIME")) as readonly string[];
      const { monotonicNs } = readClock(this.#clock);
      const tookUs = Number((monotonicNs - before) / NS_PER_US);
      if (tookUs >= best) continue;
      best = tookUs;
      this.#known = { serverUs: Number(seconds) * US_PER_SECOND + Number(us) + tookUs / 2, monotonicNs };
    }
  }
}
