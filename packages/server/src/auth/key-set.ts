import { type Clock, QueueError } from "@pullqueue/core";
import {
  createLocalJWKSet,
  errors,
  type FlattenedJWSInput,
  type JSONWebKeySet,
  type JWSHeaderParameters,
} from "jose";
import { readTextFile } from "../config.js";
import { KEYS_AGE_MS, KEYS_COOL_DOWN_MS, KEYS_STALE_MS } from "../limits.js";
import { authUnavailable, fetchJson } from "./fetch-json.js";

/** The public keys of an issuer (RFC 7517), from its server or from a file. */

type FindKey = ReturnType<typeof createLocalJWKSet>;

/** Gives the key of a token, for jose. Rejects with `unavailable` when there are no keys to be had. */
export interface KeySet {
  find(header: JWSHeaderParameters, token: FlattenedJWSInput): ReturnType<FindKey>;
  /** Reads a file again; never rejects. A server is asked by itself. */
  refresh?(): Promise<void>;
}

/**
 * Keys by URL. They are fetched with the first token, again after `KEYS_AGE_MS`, and for a key that is not among them, but not
 * within `KEYS_COOL_DOWN_MS` of the last attempt: tokens with made-up keys must not make this server a nuisance to the issuer.
 * While the issuer cannot be reached, the keys from before count for `KEYS_STALE_MS`.
 */
export class RemoteKeySet implements KeySet {
  readonly #url: string;
  readonly #clock: Clock;
  #keys: FindKey | undefined;
  #fetchedUs = Number.NEGATIVE_INFINITY;
  #triedUs = Number.NEGATIVE_INFINITY;
  #fetching: Promise<void> | undefined;

  constructor(url: string, clock: Clock) {
    this.#url = url;
    this.#clock = clock;
  }

  async find(header: JWSHeaderParameters, token: FlattenedJWSInput): ReturnType<FindKey> {
    if (this.#olderThan(KEYS_AGE_MS)) await this.#fetch();
    if (this.#keys === undefined || this.#olderThan(KEYS_STALE_MS))
      throw authUnavailable(`no keys of ${this.#url}`);
    try {
      return await this.#keys(header, token);
    } catch (error) {
      if (!(error instanceof errors.JWKSNoMatchingKey)) throw error;
      await this.#fetch();
      return await this.#keys(header, token);
    }
  }

  #olderThan(ms: number): boolean {
    return this.#clock.nowUs() - this.#fetchedUs > ms * 1000;
  }

  /** Fetches unless that was tried a moment ago; a failure leaves what was there. */
  #fetch(): Promise<void> {
    const nowUs = this.#clock.nowUs();
    if (this.#fetching === undefined && nowUs - this.#triedUs < KEYS_COOL_DOWN_MS * 1000)
      return Promise.resolve();
    this.#triedUs = nowUs;
    this.#fetching ??= this.#load().finally(() => {
      this.#fetching = undefined;
    });
    return this.#fetching;
  }

  async #load(): Promise<void> {
    try {
      const { status, json } = await fetchJson({ url: this.#url, clock: this.#clock });
      if (status !== 200) throw authUnavailable(`${this.#url} answered with status ${status}`);
      this.#keys = createLocalJWKSet(json as unknown as JSONWebKeySet);
      this.#fetchedUs = this.#clock.nowUs();
    } catch (error) {
      // With keys from before, nobody needs to know; without, the caller is told.
      if (this.#keys === undefined)
        throw error instanceof QueueError ? error : authUnavailable(this.#url, error);
    }
  }
}

/** Keys of a file. */
export class FileKeySet implements KeySet {
  readonly #path: string;
  readonly #option: string;
  readonly #onError: (error: QueueError) => void;
  #keys: FindKey | undefined;

  /** Call `open` before use. `onError` hears of files that `refresh` cannot use. */
  constructor(path: string, option: string, onError: (error: QueueError) => void) {
    this.#path = path;
    this.#option = option;
    this.#onError = onError;
  }

  /** Rejects with `invalid_argument` for a file that holds no keys. */
  async open(): Promise<this> {
    const text = await readTextFile(this.#path, this.#option);
    try {
      this.#keys = createLocalJWKSet(JSON.parse(text) as JSONWebKeySet);
      return this;
    } catch (cause) {
      throw new QueueError(
        "invalid_argument",
        `${this.#option}: expected a JSON object with a list "keys" (RFC 7517)`,
        {
          cause,
        },
      );
    }
  }

  async refresh(): Promise<void> {
    await this.open().catch((error: unknown) => this.#onError(QueueError.from(error)));
  }

  find(header: JWSHeaderParameters, token: FlattenedJWSInput): ReturnType<FindKey> {
    return this.#keys!(header, token);
  }
}
