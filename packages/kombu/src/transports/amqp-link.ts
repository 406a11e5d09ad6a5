import type { Clock } from "@pullqueue/core";
import { isKombuError, KombuError } from "../errors.js";
import { AMQP_CLOSE_MS, AMQP_IDLE_CHANNELS_MAX } from "../limits.js";
import { orAbort } from "../waiting.js";
import { AmqpChannel } from "./amqp-channel.js";
import type { Client, ClientChannel } from "./amqp-client.js";
import { fromClientError, unavailable } from "./amqp-errors.js";
import { mendIncoming } from "./amqp-frames.js";

/** One connection to a broker, from its opening to its end. It never comes back: what follows it is another link. */
export class AmqpLink {
  /** Fires with `unavailable` when the connection is over. */
  readonly ended: AbortSignal;
  readonly #client: Client;
  readonly #clock: Clock;
  readonly #controller = new AbortController();
  readonly #idle: AmqpChannel[] = [];
  #failure: Error | undefined;

  constructor(client: Client, clock: Clock) {
    this.#client = client;
    this.#clock = clock;
    this.ended = this.#controller.signal;
    mendIncoming(client);
    client.on("error", (error) => {
      this.#failure = error;
    });
    client.on("close", (error) => {
      const cause = error ?? this.#failure;
      const text = cause === undefined ? "" : ` (${cause.message})`;
      this.#controller.abort(unavailable(`the connection to the broker broke${text}`, cause));
    });
  }

  get isOpen(): boolean {
    return !this.ended.aborted;
  }

  /** A channel for one use that lasts. */
  openChannel(): Promise<AmqpChannel> {
    return this.#open((client) => client.createChannel());
  }

  /** A channel whose messages the broker confirms. */
  openConfirmChannel(): Promise<AmqpChannel> {
    return this.#open((client) => client.createConfirmChannel());
  }

  /** Makes one call on a channel that nobody else uses meanwhile, so that its failure is nobody else's. */
  async onChannel<T>(doing: string, work: (client: ClientChannel) => Promise<T>): Promise<T> {
    const channel = this.#takeIdle() ?? (await this.openChannel());
    const result = await channel.call(doing, work);
    if (this.#idle.length < AMQP_IDLE_CHANNELS_MAX) this.#idle.push(channel);
    else void channel.close();
    return result;
  }

  /** Says goodbye; a broker that does not answer in time is left. */
  async close(): Promise<void> {
    if (!this.isOpen) return;
    const late = new AbortController();
    const cancel = this.#clock.timer(AMQP_CLOSE_MS, () => late.abort(), { keepAlive: true });
    await orAbort(this.#client.close(), late.signal).catch(() => this.destroy()); // Broken or silent: gone all the same.
    cancel();
    if (this.isOpen) this.#controller.abort(unavailable("the connection to the broker was closed"));
  }

  /** Ends it at once, as when a cable is cut. */
  destroy(): void {
    this.#client.connection.stream.destroy();
    if (this.isOpen) this.#controller.abort(unavailable("the connection to the broker was given up"));
  }

  #takeIdle(): AmqpChannel | undefined {
    for (let channel = this.#idle.pop(); channel !== undefined; channel = this.#idle.pop()) {
      if (channel.isOpen) return channel;
    }
    return undefined;
  }

  async #open(create: (client: Client) => Promise<ClientChannel>): Promise<AmqpChannel> {
    if (!this.isOpen) throw this.ended.reason;
    try {
      return new AmqpChannel(await create(this.#client));
    } catch (error) {
      if (!this.isOpen || isKombuError(error))
        throw fromClientError(this.ended.reason ?? error, "opening a channel");
      if (error instanceof Error && error.message.startsWith("No channels left"))
        throw tooManyChannels(error);
      throw fromClientError(error, "opening a channel");
    }
  }
}

function tooManyChannels(cause: Error): KombuError {
  const text =
    "the broker allows no more channels on this connection (channel_max); consume from fewer queues, or use another connection";
  return new KombuError("resource_exhausted", text, { cause });
}
