import { setMaxListeners } from "node:events";
import { abortable } from "../abortable.js";
import type { Clock } from "../clock.js";
import { AuthError } from "../errors.js";
import { REFRESH_RETRY_MS } from "../limits.js";
import { type AccessToken, type Demand, freshnessOf, type TokenMaker } from "./access-token.js";

/** What a header can hold. Anything else would fail where it is sent, with an error that may quote it. */
const TOKEN = /^[\x21-\x7e]+$/;

/** A renewal that is under way. */
interface Flight {
  readonly demand: Omit<Demand, "signal">;
  readonly promise: Promise<AccessToken>;
}

/**
 * Holds the current token. Whoever needs another joins the renewal that is under way, so that there is one at a time; an abort takes away one
 * caller and not the renewal. A token that nears its end is given while the next is had in the background; a failure there is nobody's
 * concern until the token has ended.
 */
export class TokenCache {
  readonly #maker: TokenMaker;
  readonly #clock: Clock;
  readonly #closing = new AbortController();
  #current: AccessToken | undefined;
  #flight: Flight | undefined;
  /** When a renewal was last begun in the background, in milliseconds since the epoch. */
  #aheadAtMs: number | undefined;

  constructor(maker: TokenMaker, clock: Clock) {
    this.#maker = maker;
    this.#clock = clock;
    // Every call that is under way listens.
    setMaxListeners(0, this.#closing.signal);
  }

  /** The token that is held, whatever its age. */
  get current(): AccessToken | undefined {
    return this.#current;
  }

  /** Fires, with an `AuthError` of the code `closed`, when all this is closed. */
  get closing(): AbortSignal {
    return this.#closing.signal;
  }

  /** A token that may be sent. */
  async get(signal: AbortSignal | undefined, rejected: string | undefined): Promise<string> {
    this.#closing.signal.throwIfAborted();
    signal?.throwIfAborted();
    const nowMs = this.#clock.nowUs() / 1000;
    const held = this.#current;
    const freshness = held === undefined || held.token === rejected ? "spent" : freshnessOf(held, nowMs);
    if (held === undefined || freshness === "spent") {
      return (await abortable(this.#renew({ adopt: "usable", rejected }), signal)).token;
    }
    if (freshness === "ageing") this.#renewAhead(nowMs);
    return held.token;
  }

  /** Renews now, whatever is held. */
  async refresh(signal: AbortSignal | undefined): Promise<void> {
    this.#closing.signal.throwIfAborted();
    signal?.throwIfAborted();
    await abortable(this.#renew({ adopt: "none", rejected: undefined }), signal);
  }

  /** Idempotent. Ends what waits, and waits for what cannot be undone. */
  async close(): Promise<void> {
    if (!this.#closing.signal.aborted) {
      this.#closing.abort(new AuthError("closed", "these credentials were closed"));
    }
    await this.#flight?.promise.catch(() => {});
  }

  #renewAhead(nowMs: number): void {
    if (this.#flight !== undefined) return;
    // By its amount: a clock that was set back must not put the next one off for hours.
    if (this.#aheadAtMs !== undefined && Math.abs(nowMs - this.#aheadAtMs) < REFRESH_RETRY_MS) return;
    this.#aheadAtMs = nowMs;
    this.#renew({ adopt: "fresh", rejected: undefined }).catch(() => {});
  }

  #renew(demand: Flight["demand"]): Promise<AccessToken> {
    const { signal } = this.#closing;
    if (signal.aborted) return Promise.reject(signal.reason);
    const before = this.#flight;
    if (before !== undefined) return this.#join(before, demand);
    const renewal = async () => {
      try {
        const token = await this.#maker.renew({ ...demand, signal });
        if (!TOKEN.test(token.token)) {
          throw new AuthError("invalid_file", "the token has characters that cannot be sent; get a new one");
        }
        this.#current = token;
        return token;
      } finally {
        this.#flight = undefined;
      }
    };
    // A maker that throws at once must not be forgotten before it is remembered.
    const promise = Promise.resolve().then(renewal);
    this.#flight = { demand, promise };
    return promise;
  }

  async #join(before: Flight, demand: Flight["demand"]): Promise<AccessToken> {
    const isForced = demand.adopt === "none" && before.demand.adopt !== "none";
    if (isForced) {
      await before.promise.catch(() => {});
      return this.#renew(demand);
    }
    const token = await before.promise;
    // It may have brought the very token that was refused: nobody had told it.
    const isRejected = token.token === demand.rejected && before.demand.rejected !== demand.rejected;
    return isRejected ? this.#renew(demand) : token;
  }
}
