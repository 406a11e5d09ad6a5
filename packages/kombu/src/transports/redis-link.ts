import { setMaxListeners } from "node:events";
import type { Clock } from "@pullqueue/core";
import { type BackoffPolicy, backoffMs } from "../backoff.js";
import { isKombuError, KombuError } from "../errors.js";
import { REDIS_CONNECT_BACKOFF } from "../limits.js";
import { passwordNow } from "../password.js";
import type { RedisSettings } from "../redis-options.js";
import type { TransportContext } from "../transport.js";
import { linkSignals, Notifier, pause } from "../waiting.js";
import {
  fromOpeningError,
  fromRedisError,
  loadRedisClient,
  type RedisClient,
  type RedisClientFactory,
} from "./redis-client.js";

/** The two sockets of one connection. They come and go together. */
export interface RedisSockets {
  /** For commands. */
  readonly main: RedisClient;
  /** For what Redis tells by itself: fanout messages, and changes of keys that `main` asked about. */
  readonly listener: RedisClient;
  /** Whether Redis tells about changes; otherwise whoever waits has to look now and then. */
  readonly tracks: boolean;
}

/** What a link is made of. */
export interface RedisLinkOptions {
  readonly settings: RedisSettings;
  readonly context: TransportContext;
  /** Brings back what the new sockets have to know before anybody uses them. */
  readonly onOpen: (sockets: RedisSockets) => Promise<void>;
  /** Asks what has to be known anew now and then, at each health check. */
  readonly onCheck: (sockets: RedisSockets) => Promise<void>;
  /** What the listener hears: channel, pattern where there is one, and payload. */
  readonly onMessage: (channel: Buffer, payload: unknown, pattern?: Buffer) => void;
  /** The sockets were lost. */
  readonly onLost: () => void;
}

/** How a call is made. */
export interface RedisCallOptions {
  /** How long the connection may be away, in milliseconds. */
  readonly patienceMs: number;
  readonly signal?: AbortSignal | undefined;
}

/** Redis tells of changed keys in this channel. */
export const INVALIDATIONS = "__redis__:invalidate";

const US_PER_MS = 1000;

/**
 * The connection to one Redis: it opens both sockets, and when either is lost, or does not answer, drops both and opens new
 * ones, for as long as it is not closed.
 *
 *     opening ──> open ──lost──> opening …   (pauses grow from 50 to 800 ms)
 *        └───────close────────────┴──> closed
 */
export class RedisLink {
  readonly #options: RedisLinkOptions;
  readonly #clock: Clock;
  readonly #changed: Notifier;
  /** Longest time that a call waits for sockets, whatever it asks for, in milliseconds. */
  readonly #patienceMs: number;
  readonly #backoff: BackoffPolicy;
  readonly #stop = new AbortController();
  #current: RedisSockets | undefined;
  #dropCurrent: ((error: unknown) => void) | undefined;
  /** Why there are no sockets; undefined while the first attempt runs. */
  #error: unknown;
  #running: Promise<void> | undefined;

  constructor(options: RedisLinkOptions) {
    setMaxListeners(0, this.#stop.signal); // Each call that waits listens; Node would suspect a leak at eleven.
    this.#options = options;
    this.#clock = options.context.clock;
    this.#changed = new Notifier(this.#clock);
    const { reconnect } = options.context;
    this.#patienceMs = reconnect?.patienceMs ?? Number.POSITIVE_INFINITY;
    this.#backoff = reconnect?.backoff ?? REDIS_CONNECT_BACKOFF;
  }

  get isOpen(): boolean {
    return this.#current !== undefined;
  }

  /** Begins to connect, and waits for the first attempt. Rejects with what trying again would not change; else goes on trying. */
  async start(): Promise<void> {
    this.#running ??= this.#run(await loadRedisClient());
    try {
      await this.sockets({ patienceMs: 0, signal: this.#options.context.closing });
    } catch (error) {
      if (isKombuError(error, "unavailable")) return;
      await this.close();
      throw error;
    }
  }

  /** The sockets, once they are there. Errors: `unavailable` when they are not in time, `closed`, and what cannot pass. */
  async sockets({ patienceMs, signal }: RedisCallOptions): Promise<RedisSockets> {
    const untilUs = this.#clock.nowUs() + patienceMs * US_PER_MS;
    for (;;) {
      this.#stop.signal.throwIfAborted();
      signal?.throwIfAborted();
      if (this.#current !== undefined) return this.#current;
      const leftMs = (untilUs - this.#clock.nowUs()) / US_PER_MS;
      // Only the end of the first attempt tells whether there is a server.
      const isFirst = this.#error === undefined;
      if (!isFirst && (leftMs <= 0 || !isKombuError(this.#error, "unavailable"))) throw this.#error;
      if (!isFirst) this.#options.context.report?.(this.#error);
      const link = linkSignals(this.#stop.signal, signal);
      await this.#changed.wait(isFirst ? undefined : leftMs, link.signal).finally(() => link.end());
    }
  }

  /** Makes a call, and makes it again on new sockets while the connection is away. The work is told whether it is a repetition. */
  async call<T>(
    work: (sockets: RedisSockets, isRepeated: boolean) => Promise<T>,
    options: RedisCallOptions,
  ): Promise<T> {
    const { signal } = options;
    const patienceMs = Math.min(options.patienceMs, this.#patienceMs);
    const untilUs = this.#clock.nowUs() + patienceMs * US_PER_MS;
    for (let attempt = 1; ; attempt++) {
      const leftMs = Math.max(0, (untilUs - this.#clock.nowUs()) / US_PER_MS);
      const sockets = await this.sockets({ patienceMs: leftMs, signal });
      try {
        return await work(sockets, attempt > 1);
      } catch (foreign) {
        const error = fromRedisError(foreign, signal);
        this.note(error, sockets);
        const pauseMs = backoffMs(attempt, this.#backoff, this.#options.context.random());
        const isOver = this.#clock.nowUs() + pauseMs * US_PER_MS >= untilUs;
        if (!isKombuError(error, "unavailable") || isOver) throw error;
        const link = linkSignals(this.#stop.signal, signal);
        await pause(this.#clock, pauseMs, link.signal).finally(() => link.end());
      }
    }
  }

  /** After a call failed: sockets that cannot reach the server are given up at once. */
  note(error: unknown, sockets: RedisSockets): void {
    if (isKombuError(error, "unavailable") && this.#current === sockets) this.#dropCurrent?.(error);
  }

  /** Idempotent. Whoever waits for sockets is told `closed`. */
  async close(): Promise<void> {
    const error = new KombuError("closed", "the connection to Redis is closed; make a new one");
    if (!this.#stop.signal.aborted) this.#stop.abort(error);
    this.#dropCurrent?.(error);
    await this.#running;
  }

  async #run(makeClient: RedisClientFactory): Promise<void> {
    const { random } = this.#options.context;
    for (let failures = 0; !this.#stop.signal.aborted; ) {
      let generation: Generation | undefined;
      this.#dropCurrent = (error) => generation?.drop(error);
      try {
        const password = await this.#password();
        generation = new Generation(() => makeClient(this.#options.settings, password));
        const sockets = await generation.open(this.#options);
        failures = 0;
        this.#current = sockets;
        this.#changed.notify();
        const stopChecks = this.#checkHealth(sockets, generation);
        this.#error = fromRedisError(await generation.lost);
        stopChecks();
      } catch (error) {
        failures += 1;
        generation?.drop(error);
        this.#error = fromOpeningError(error, this.#options.settings);
      }
      this.#current = undefined;
      this.#options.onLost();
      this.#changed.notify();
      const pauseMs = backoffMs(Math.max(1, failures), this.#backoff, random());
      await pause(this.#clock, pauseMs, this.#stop.signal).catch(() => {}); // Closed: the loop looks itself.
    }
  }

  /** What the next sockets sign in with. */
  async #password(): Promise<string | undefined> {
    const { password, socketConnectTimeoutMs: timeoutMs } = this.#options.settings;
    const wait = { clock: this.#clock, timeoutMs, where: "Redis", signal: this.#stop.signal };
    return password === undefined ? undefined : passwordNow(password, wait);
  }

  /** A socket whose other end has vanished says nothing for ever, so that it is asked now and then. */
  #checkHealth(sockets: RedisSockets, generation: Generation): () => void {
    let cancel = () => {};
    const next = () => {
      cancel = this.#clock.timer(this.#options.settings.healthCheckIntervalMs, () => {
        const { onCheck } = this.#options;
        const asked = [sockets.main.ping(), sockets.listener.ping(), onCheck(sockets)];
        Promise.all(asked).then(next, (error: unknown) => generation.drop(error));
      });
    };
    next();
    return () => cancel();
  }
}

/** One pair of sockets, from opening to loss. */
class Generation {
  /** Resolves with the reason when the sockets are lost. */
  readonly lost: Promise<unknown>;
  readonly #main: RedisClient;
  readonly #listener: RedisClient;
  #lose: (reason: unknown) => void = () => {};
  #lastError: unknown;

  constructor(make: () => RedisClient) {
    this.lost = new Promise((resolve) => {
      this.#lose = resolve;
    });
    this.#main = make();
    this.#listener = make();
    for (const client of [this.#main, this.#listener]) {
      client.on("error", (error: unknown) => {
        this.#lastError = error; // "Connection is closed" says nothing; this says why.
      });
      client.on("end", () => this.drop(this.#lastError ?? new Error("the connection was closed")));
    }
  }

  async open({ onOpen, onMessage, settings }: RedisLinkOptions): Promise<RedisSockets> {
    const [main, listener] = [this.#main, this.#listener];
    listener.on("messageBuffer", (channel: Buffer, payload: unknown) => onMessage(channel, payload));
    listener.on("pmessageBuffer", (pattern: Buffer, channel: Buffer, payload: unknown) =>
      onMessage(channel, payload, pattern),
    );
    try {
      await Promise.all([main.connect(), listener.connect()]);
      // The client goes on in database 0 when the server refuses to select another.
      await main.call("SELECT", settings.database);
      const tracks = await startTracking(main, listener);
      const sockets = { main, listener, tracks };
      await onOpen(sockets);
      return sockets;
    } catch (error) {
      throw this.#lastError !== undefined && isConnectionClosed(error) ? this.#lastError : error;
    }
  }

  /** Closes both sockets. What they still had under way rejects. */
  drop(reason: unknown): void {
    this.#lose(reason);
    this.#main.disconnect();
    this.#listener.disconnect();
  }
}

function isConnectionClosed(error: unknown): boolean {
  return error instanceof Error && error.name !== "ReplyError";
}

/** Lets `listener` hear about keys that `main` asked about. Servers and accounts that do not allow that are looked at now and then. */
async function startTracking(main: RedisClient, listener: RedisClient): Promise<boolean> {
  try {
    const id = await listener.call("CLIENT", "ID");
    await listener.subscribe(INVALIDATIONS);
    await main.call("CLIENT", "TRACKING", "ON", "REDIRECT", String(id), "OPTIN");
    return true;
  } catch (error) {
    if (error instanceof Error && error.name === "ReplyError") return false;
    throw error;
  }
}
