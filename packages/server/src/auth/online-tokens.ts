import { createHash } from "node:crypto";
import { type Clock, ExpiringMap, isQueueError, type QueueError } from "@pullqueue/core";
import {
  ONLINE_CACHE_MS,
  ONLINE_CACHE_TOKENS_MAX,
  ONLINE_QUESTIONS_MAX,
  ONLINE_REFUSALS_MS,
} from "../limits.js";
import type { TokenVerifier } from "./authenticate.js";
import { authUnavailable } from "./fetch-json.js";
import type { Principal } from "./principal.js";
import type { TokenShape } from "./token-shape.js";

/** What another server said of a token. */
export interface Verdict {
  readonly principal: Principal;
  /** Microseconds since the epoch; undefined: it did not say. */
  readonly expiresAtUs: number | undefined;
}

/**
 * Tokens that only their issuer knows. It is asked once, and its answer counts for `ONLINE_CACHE_MS`, and not past the
 * token's end; a refusal counts for `ONLINE_REFUSALS_MS`. Tokens are remembered by their hashes.
 */
export class OnlineTokens implements TokenVerifier {
  readonly name: string;
  readonly #accepts: (shape: TokenShape) => boolean;
  readonly #ask: (token: string) => Promise<Verdict>;
  readonly #clock: Clock;
  readonly #known = new ExpiringMap<Verdict>(ONLINE_CACHE_TOKENS_MAX);
  /** Apart from the known ones: whoever sends made-up tokens does not push them out. */
  readonly #refused = new ExpiringMap<QueueError>(ONLINE_CACHE_TOKENS_MAX);
  readonly #asking = new Map<string, Promise<Verdict>>();

  /** `ask` rejects with `unauthenticated` for a token that is not good, and with `unavailable` without an answer. */
  constructor(options: {
    readonly name: string;
    readonly accepts: (shape: TokenShape) => boolean;
    readonly ask: (token: string) => Promise<Verdict>;
    readonly clock: Clock;
  }) {
    this.name = options.name;
    this.#accepts = options.accepts;
    this.#ask = options.ask;
    this.#clock = options.clock;
  }

  accepts(shape: TokenShape): boolean {
    return this.#accepts(shape);
  }

  async verify(token: string): Promise<Principal> {
    const key = createHash("sha256").update(token).digest("base64");
    const nowUs = this.#clock.nowUs();
    const known = this.#known.get(key, nowUs);
    if (known !== undefined && (known.expiresAtUs ?? Number.POSITIVE_INFINITY) > nowUs)
      return known.principal;
    const refusal = this.#refused.get(key, nowUs);
    if (refusal !== undefined) throw refusal;
    return (await this.#askOnce(key, token)).principal;
  }

  #askOnce(key: string, token: string): Promise<Verdict> {
    const asked = this.#asking.get(key);
    if (asked !== undefined) return asked;
    if (this.#asking.size >= ONLINE_QUESTIONS_MAX) {
      return Promise.reject(authUnavailable(`${ONLINE_QUESTIONS_MAX} tokens are being asked about already`));
    }
    const asking = this.#askAndKeep(key, token).finally(() => this.#asking.delete(key));
    this.#asking.set(key, asking);
    return asking;
  }

  async #askAndKeep(key: string, token: string): Promise<Verdict> {
    try {
      const verdict = await this.#ask(token);
      this.#known.set(key, verdict, this.#clock.nowUs(), ONLINE_CACHE_MS);
      return verdict;
    } catch (error) {
      if (isQueueError(error, "unauthenticated")) {
        this.#refused.set(key, error, this.#clock.nowUs(), ONLINE_REFUSALS_MS);
      }
      throw error;
    }
  }
}
