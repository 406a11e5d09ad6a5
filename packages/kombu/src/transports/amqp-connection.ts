import { setMaxListeners } from "node:events";
import type { Clock } from "@pullqueue/core";
import { type BackoffPolicy, backoffMs } from "../backoff.js";
import { isKombuError } from "../errors.js";
import { AMQP_CONNECT_BACKOFF, RECONNECT_MS } from "../limits.js";
import { closedError } from "../session.js";
import type { TransportContext } from "../transport.js";
import { linkSignals, orAbort, pause } from "../waiting.js";
import type { AmqpLink } from "./amqp-link.js";

/** Opens one connection, until the signal fires. Called again for each reconnection; it may go to another broker each time. */
export type AmqpDialer = (signal: AbortSignal) => Promise<AmqpLink>;

/** How long a caller waits for a connection. */
export interface LinkRequest {
  /** By the connection's clock, in microseconds. Default: `RECONNECT_MS` from now. */
  readonly untilUs?: number | undefined;
  readonly signal?: AbortSignal | undefined;
}

const US_PER_MS = 1000;

/**
 * The connection that a transport has now, made again when it broke and somebody needs one. Callers at the same time share an
 * attempt.
 *
 *     none ──link()──> connecting ──> open ──broken──> none
 *       └─────────────── close ──> closed <───────────┘
 */
export class AmqpConnection {
  readonly #dial: AmqpDialer;
  readonly #clock: Clock;
  readonly #random: () => number;
  readonly #patienceMs: number;
  readonly #backoff: BackoffPolicy;
  readonly #report: (error: unknown) => void;
  readonly #onOpen: (link: AmqpLink) => Promise<void>;
  readonly #stop = new AbortController();
  #connecting: Promise<AmqpLink> | undefined;
  #link: AmqpLink | undefined;

  /** `onOpen` prepares a new link before anybody gets it: declares again what was declared. */
  constructor(
    dial: AmqpDialer,
    { clock, random, reconnect, report = () => {} }: TransportContext,
    onOpen: (link: AmqpLink) => Promise<void>,
  ) {
    this.#dial = dial;
    this.#clock = clock;
    this.#random = random;
    this.#patienceMs = Math.min(RECONNECT_MS, reconnect?.patienceMs ?? RECONNECT_MS);
    this.#backoff = reconnect?.backoff ?? AMQP_CONNECT_BACKOFF;
    this.#report = report;
    this.#onOpen = onOpen;
    setMaxListeners(0, this.#stop.signal); // Each caller that waits listens; Node would suspect a leak at eleven.
  }

  /** The link there is, if it is open. */
  get current(): AmqpLink | undefined {
    return this.#link?.isOpen === true ? this.#link : undefined;
  }

  /**
   * An open link. A broker that cannot be reached is tried again until time is up: `unavailable`. What trying again would not
   * help (`unauthenticated`, `permission_denied`) fails at once.
   */
  async link({ signal, untilUs }: LinkRequest = {}): Promise<AmqpLink> {
    const endUs = Math.min(
      untilUs ?? Number.POSITIVE_INFINITY,
      this.#clock.nowUs() + this.#patienceMs * US_PER_MS,
    );
    for (let attempt = 1; ; attempt++) {
      this.#stop.signal.throwIfAborted();
      signal?.throwIfAborted();
      if (this.current !== undefined) return this.current;
      try {
        return await this.#connect(signal);
      } catch (error) {
        this.#stop.signal.throwIfAborted();
        const pauseMs = backoffMs(attempt, this.#backoff, this.#random());
        const isLate = this.#clock.nowUs() + pauseMs * US_PER_MS > endUs;
        if (isLate || !isKombuError(error, "unavailable")) throw error;
        this.#report(error);
        await this.#pause(pauseMs, signal);
      }
    }
  }

  /** Idempotent. Callers that wait for a link end with `closed`. */
  async close(): Promise<void> {
    this.#stop.abort(closedError("connection"));
    await this.#link?.close();
    // What could not be stopped any more comes to its own end.
    this.#connecting?.then(
      (late) => late.close(),
      () => {},
    );
  }

  async #connect(signal: AbortSignal | undefined): Promise<AmqpLink> {
    this.#connecting ??= this.#open().finally(() => {
      this.#connecting = undefined;
    });
    const either = linkSignals(this.#stop.signal, signal);
    try {
      return await orAbort(this.#connecting, either.signal);
    } finally {
      either.end();
    }
  }

  async #open(): Promise<AmqpLink> {
    const link = await this.#dial(this.#stop.signal);
    try {
      await this.#onOpen(link);
    } catch (error) {
      void link.close();
      throw error;
    }
    this.#link = link;
    return link;
  }

  async #pause(ms: number, signal: AbortSignal | undefined): Promise<void> {
    const either = linkSignals(this.#stop.signal, signal);
    try {
      await pause(this.#clock, ms, either.signal);
    } finally {
      either.end();
    }
  }
}
