import { setMaxListeners } from "node:events";
import { KombuError } from "../errors.js";
import { orAbort } from "../waiting.js";
import type { ClientChannel } from "./amqp-client.js";
import { fromClientError, unavailable } from "./amqp-errors.js";

/**
 * One channel of one connection, with the reason why it ended. An error of AMQP ends the channel on which it happens, so that
 * each use has a channel of its own, and what uses it makes another.
 */
export class AmqpChannel {
  readonly client: ClientChannel;
  /** Fires with a `KombuError` when nothing more will come of the channel. */
  readonly ended: AbortSignal;
  readonly #controller = new AbortController();
  #failure: Error | undefined;
  #prefetch = 0;
  #flush: Promise<void> | undefined;
  #nextFlush: Promise<void> | undefined;

  constructor(client: ClientChannel) {
    this.client = client;
    this.ended = this.#controller.signal;
    setMaxListeners(0, this.ended); // Each call that waits listens; Node would suspect a leak at eleven.
    // The error comes first and says why; the end of a connection comes without one.
    client.on("error", (error) => {
      this.#failure = error;
    });
    // Before those of the client itself, which fail what waits for a confirmation without saying why.
    client.prependListener("close", () => {
      const reason = this.#failure ?? unavailable("the connection to the broker broke");
      this.#controller.abort(fromClientError(reason, "the channel was closed"));
    });
  }

  get isOpen(): boolean {
    return !this.ended.aborted;
  }

  /** Makes a call that the broker answers. `doing` stands in the error. */
  async call<T>(doing: string, work: (client: ClientChannel) => Promise<T>): Promise<T> {
    if (!this.isOpen) throw fromClientError(this.ended.reason, doing);
    try {
      // Amqplib forgets a message of which it has the first half when the connection breaks.
      return await orAbort(work(this.client), this.ended);
    } catch (error) {
      // A call that waits behind a failed one is told only that the channel has ended.
      throw fromClientError(this.#failure ?? error, doing);
    }
  }

  /** Sends something that the broker does not answer. */
  send(doing: string, work: (client: ClientChannel) => void): void {
    if (!this.isOpen) throw fromClientError(this.ended.reason, doing);
    try {
      work(this.client);
    } catch (error) {
      throw fromClientError(this.#failure ?? error, doing);
    }
  }

  /** How many messages the consumers that begin from now on may hold, each for itself. */
  async setPrefetch(count: number): Promise<void> {
    this.#prefetch = count;
    await this.call("setting the prefetch", (client) => client.prefetch(count, false));
  }

  /**
   * Resolves when the broker has worked through everything that was sent here before. AMQP answers no acknowledgement, but it
   * works in order, and answers a setting of the prefetch. Calls at the same time share one.
   */
  flush(): Promise<void> {
    if (this.#flush === undefined) {
      this.#flush = this.setPrefetch(this.#prefetch).finally(() => {
        this.#flush = undefined;
      });
      return this.#flush;
    }
    // What was sent after the running one needs another.
    this.#nextFlush ??= this.#flush
      .catch(() => {}) // Its own callers hear of it; the next one finds the channel closed.
      .then(() => {
        this.#nextFlush = undefined;
        return this.flush();
      });
    return this.#nextFlush;
  }

  /** Quiet when it has ended already. */
  async close(): Promise<void> {
    if (!this.isOpen) return;
    this.#failure ??= new KombuError("closed", "the channel is closed");
    await this.client.close().catch(() => {}); // It ended meanwhile.
  }
}
