import type { Clock } from "../clock.js";
import { POSTGRES_LISTEN_LINGER_MS, POSTGRES_LISTEN_PAUSE_MS_MAX } from "../limits.js";
import type { PostgresConnections } from "./postgres-connections.js";
import type { PostgresClient } from "./postgres-pool.js";

/** First pause before a lost connection is tried again, in milliseconds. */
const PAUSE_MS_MIN = 100;

/**
 * One connection that listens to the schema's channel, from `start` until some time after `stop`. When it breaks it comes
 * again by itself, and tells its owner that something may have been missed.
 */
export class PostgresListener {
  readonly #connections: PostgresConnections;
  readonly #clock: Clock;
  readonly #heard: (payload: string | undefined) => void;
  #client: PostgresClient | undefined;
  #connecting: Promise<void> | undefined;
  #wanted = false;
  /** The connection broke, and what was said since then was not heard. */
  #missed = false;
  #closed = false;
  #pauseMs = PAUSE_MS_MIN;
  #cancelTimer = () => {};

  /** `heard` gets a payload, or undefined when any may have been missed. */
  constructor(connections: PostgresConnections, clock: Clock, heard: (payload: string | undefined) => void) {
    this.#connections = connections;
    this.#clock = clock;
    this.#heard = heard;
  }

  /** Resolves when it listens, or when it turned out that it cannot at present. */
  async start(): Promise<void> {
    this.#cancelTimer();
    this.#wanted = true;
    await this.#connect();
  }

  stop(): void {
    this.#wanted = false;
    this.#cancelTimer();
    this.#cancelTimer = this.#clock.timer(POSTGRES_LISTEN_LINGER_MS, () => this.#letGo());
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#cancelTimer();
    await this.#connecting;
    this.#letGo();
  }

  async #connect(): Promise<void> {
    // A client that has not said LISTEN yet hears nothing: who starts meanwhile waits for it too.
    if ((this.#client !== undefined && this.#connecting === undefined) || this.#closed) return;
    this.#connecting ??= this.#listen().finally(() => {
      this.#connecting = undefined;
    });
    await this.#connecting;
  }

  async #listen(): Promise<void> {
    try {
      const client = await this.#connections.borrow();
      const lost = () => this.#lost(client);
      client.on("error", lost);
      client.on("end", lost);
      client.on("notification", ({ payload }) => {
        if (payload !== undefined && this.#client === client) this.#heard(payload);
      });
      this.#client = client;
      await client.query({ text: `LISTEN "${this.#connections.schema}"` });
      this.#pauseMs = PAUSE_MS_MIN;
      if (this.#missed) this.#heard(undefined);
      this.#missed = false;
    } catch {
      // Who waits looks by itself meanwhile.
      this.#letGo();
      this.#again();
    }
  }

  #lost(client: PostgresClient): void {
    if (this.#client !== client) return;
    this.#missed = true;
    this.#letGo();
    this.#again();
  }

  #again(): void {
    if (!this.#wanted || this.#closed) return;
    this.#cancelTimer();
    this.#cancelTimer = this.#clock.timer(this.#pauseMs, () => void this.#connect());
    this.#pauseMs = Math.min(this.#pauseMs * 2, POSTGRES_LISTEN_PAUSE_MS_MAX);
  }

  /** Closes the connection, because one that has listened is not like the others. */
  #letGo(): void {
    const client = this.#client;
    this.#client = undefined;
    if (client !== undefined) this.#connections.giveBack(client, "broken");
  }
}
