import { setMaxListeners } from "node:events";
import type { Clock } from "@pullqueue/core";
import { countOf } from "../count-of.js";
import { isKombuError, KombuError } from "../errors.js";
import { AMQP_WINDOW_MAX } from "../limits.js";
import { traceOf } from "../trace-headers.js";
import type { Delivery, ReleaseOptions } from "../transport.js";
import { type Notifier, pause } from "../waiting.js";
import { takeAttempts } from "./amqp-attempts.js";
import type { AmqpChannel } from "./amqp-channel.js";
import type { ClientMessage, ClientTable } from "./amqp-client.js";
import { lifeMs, readContent } from "./amqp-content.js";
import type { AmqpLink } from "./amqp-link.js";

/** What a reader is made of. */
export interface AmqpReaderOptions {
  readonly link: AmqpLink;
  readonly queue: string;
  readonly clock: Clock;
  /** Told when a message was pushed, or the subscription ended. */
  readonly arrived: Notifier;
  /** Unique in the connection; part of the delivery tags. */
  readonly name: string;
  /** The consumer tag that the broker shows; a number is added when it is in use. Empty: the broker's choice. */
  readonly tag: string;
  readonly consumerArguments: ClientTable;
  /** The queue goes with its last consumer, so that the next subscription begins before the last one ends. */
  readonly isAutoDelete: boolean;
}

/** A message that is ours until it is settled. */
interface Held {
  readonly message: ClientMessage;
  /** The subscription that it counts against; undefined when it was asked for. */
  readonly subscription: Subscription | undefined;
  /** Ends the wait of one that is given back later. */
  wake?: AbortController;
}

/** What the broker was asked to push. */
interface Subscription {
  readonly window: number;
  tag: string | undefined;
  /** How many of its messages are not settled. At `window` the broker pushes no more. */
  unsettled: number;
}

/** Publishes a message to its queue again, counted. False: it was not stored. */
type Resend = () => Promise<boolean>;

/** How a message is given back that is kept here for a while. */
interface Later {
  readonly delayMs: number;
  readonly wake: AbortSignal;
  readonly resend: Resend | undefined;
}

const US_PER_MS = 1000;
/** RabbitMQ's header of quorum queues: how often the message came back. */
export const DELIVERY_COUNT = "x-delivery-count";
/** What delayed delivery puts before a routing key: its seconds in 28 binary digits. */
const DELAY_PREFIX = /^(?:[01]\.){28}/;

/**
 * The messages of one queue on one channel: asked for one by one, or pushed by a subscription and kept until they are taken. The
 * broker counts what a subscription pushed until it is settled; when its window is used up and more is wanted, another follows,
 * because the window of a subscription cannot change.
 */
export class AmqpReader {
  readonly queue: string;
  readonly #options: AmqpReaderOptions;
  readonly #channel: AmqpChannel;
  readonly #held = new Map<Delivery, Held>();
  readonly #lost = new AbortController();
  #ready: Delivery[] = [];
  #subscription: Subscription | undefined;
  #last: Promise<void> = Promise.resolve();
  #subscriptions = 0;
  #settling = 0;
  #failure: KombuError | undefined;

  private constructor(channel: AmqpChannel, options: AmqpReaderOptions) {
    this.queue = options.queue;
    this.#options = options;
    this.#channel = channel;
    setMaxListeners(0, this.#lost.signal); // Each message that is held listens; Node would suspect a leak at eleven.
    channel.ended.addEventListener("abort", () => this.#end(channel.ended.reason));
  }

  /** Opens a channel for it. */
  static async open(options: AmqpReaderOptions): Promise<AmqpReader> {
    return new AmqpReader(await options.link.openChannel(), options);
  }

  get isOpen(): boolean {
    return this.#channel.isOpen;
  }

  /** Nothing was taken from here that is not settled, and nothing is pushed: closing it loses nothing. */
  get isIdle(): boolean {
    return this.#held.size === 0 && this.#settling === 0 && this.#subscription === undefined;
  }

  /** Pushed messages that nobody has taken. */
  get readyCount(): number {
    return this.#ready.length;
  }

  /** Throws when nothing more will be pushed: the channel has ended, or, once, the broker has cancelled the subscription. */
  check(): void {
    if (!this.isOpen) throw this.#channel.ended.reason;
    const failure = this.#failure;
    this.#failure = undefined;
    if (failure !== undefined) throw failure;
  }

  /** Takes up to `max` pushed messages, oldest first. */
  take(max: number): Delivery[] {
    return this.#ready.splice(0, max);
  }

  /** Asks for one message. Undefined: there is none now. Error: `not_found`. */
  async get(): Promise<Delivery | undefined> {
    const message = await this.#channel.call(`receiving from queue ${JSON.stringify(this.queue)}`, (client) =>
      client.get(this.queue),
    );
    return message === false ? undefined : this.#hold(message, undefined);
  }

  /** Messages in somebody's hands or pushed; those that are to be given back later do not count. */
  get activeCount(): number {
    return [...this.#held.values()].filter(({ wake }) => wake === undefined).length;
  }

  /**
   * Lets the broker push up to `wanted` messages from now on, about: a subscription that has at least half of that left goes on.
   * Error: `not_found`, also once after the broker cancelled a subscription.
   */
  subscribe(wanted: number): Promise<void> {
    return this.#inTurn(() => this.#subscribe(Math.min(wanted, AMQP_WINDOW_MAX)));
  }

  /** Ends the subscription. What was pushed stays, to be taken or given back. */
  unsubscribe(): Promise<void> {
    return this.#inTurn(() => this.#cancel(this.#subscription));
  }

  /** Ends the subscription and gives back what nobody has taken. Never rejects: with the channel all goes back by itself. */
  async giveBack(): Promise<void> {
    try {
      await this.unsubscribe();
      const left = this.#ready.splice(0);
      for (const delivery of left) this.#nack(delivery, true);
      if (left.length > 0) await this.#channel.flush();
    } catch {
      // The broker gives the messages of a broken channel to others.
    }
  }

  /** Resolves when what the broker had to push has been pushed. */
  async settled(): Promise<void> {
    await this.#channel.flush();
  }

  async ack(delivery: Delivery): Promise<void> {
    const { message } = this.#need(delivery);
    await this.#settle(delivery, () => this.#channel.send("acknowledging", (client) => client.ack(message)));
  }

  async reject(delivery: Delivery): Promise<void> {
    await this.#settle(delivery, () => this.#nack(delivery, false));
  }

  /** AMQP gives back at once, so that a delayed one is kept here, invisible, and goes back when its time has come or the reader closes. */
  async release(delivery: Delivery, { delayMs = 0 }: ReleaseOptions, resend?: Resend): Promise<void> {
    const held = this.#need(delivery);
    if (delayMs > 0) {
      held.wake = new AbortController();
      void this.#releaseLater(delivery, { delayMs, wake: held.wake.signal, resend });
      return;
    }
    if (resend !== undefined && (await isResent(resend))) return this.ack(delivery);
    await this.#settle(delivery, () => this.#nack(delivery, true));
  }

  /** Gives back what is pushed or delayed, and closes the channel; the broker gives the rest to others. */
  async close(): Promise<void> {
    for (const { wake } of this.#held.values()) wake?.abort();
    await this.giveBack();
    await this.#channel.close();
  }

  /** One change of the subscription at a time. */
  #inTurn(work: () => Promise<void>): Promise<void> {
    const turn = this.#last.then(work);
    this.#last = turn.catch(() => {}); // Whoever wanted it hears of it.
    return turn;
  }

  async #subscribe(window: number): Promise<void> {
    const { window: size = 0, unsettled = 0 } = this.#subscription ?? {};
    const left = size - unsettled;
    if (left > 0 && left <= window && left * 2 >= window) return;
    const previous = this.#subscription;
    if (!this.#options.isAutoDelete) await this.#cancel(previous);
    this.check();
    await this.#channel.setPrefetch(window);
    const subscription: Subscription = { window, tag: undefined, unsettled: 0 };
    this.#subscription = subscription;
    try {
      await this.#consume(subscription);
    } catch (error) {
      this.#subscription = undefined;
      throw error;
    }
    if (this.#options.isAutoDelete) await this.#cancel(previous);
  }

  async #consume(subscription: Subscription): Promise<void> {
    const { tag, consumerArguments } = this.#options;
    this.#subscriptions += 1;
    // Messages of a cancelled subscription may be ours still, so that its tag is not used again.
    const consumerTag = tag === "" || this.#subscriptions === 1 ? tag : `${tag}.${this.#subscriptions}`;
    const onMessage = (message: ClientMessage | null) => this.#onPush(subscription, message);
    const doing = `consuming from queue ${JSON.stringify(this.queue)}`;
    const answer = await this.#channel.call(doing, (client) =>
      client.consume(this.queue, onMessage, { consumerTag, arguments: consumerArguments }),
    );
    subscription.tag = answer.consumerTag;
  }

  async #cancel(subscription: Subscription | undefined): Promise<void> {
    const { tag } = subscription ?? {};
    if (tag === undefined) return;
    await this.#channel.call("cancelling a consumer", (client) => client.cancel(tag));
    if (this.#subscription === subscription) this.#subscription = undefined;
  }

  #onPush(subscription: Subscription, message: ClientMessage | null): void {
    if (message === null) {
      // The broker cancelled it: the queue was deleted, or moved to another node.
      this.#failure = cancelled(this.queue);
      if (this.#subscription === subscription) this.#subscription = undefined;
    } else {
      subscription.unsettled += 1;
      this.#ready.push(this.#hold(message, subscription));
    }
    this.#options.arrived.notify();
  }

  #hold(message: ClientMessage, subscription: Subscription | undefined): Delivery {
    const { queue, clock, name } = this.#options;
    const { redelivered, deliveryTag } = message.fields;
    const { content, counted } = takeAttempts(readContent(message), queue);
    const { exchange, routingKey } = counted ?? message.fields;
    const life = lifeMs(content.properties);
    const count = content.headers[DELIVERY_COUNT];
    const known = typeof count === "number" ? countOf(count) + (counted?.count ?? 0) : counted?.count;
    const attempts = known === undefined ? (redelivered ? undefined : 1) : known + 1;
    const delivery: Delivery = {
      content,
      deliveryTag: `${name}.${deliveryTag}`,
      info: {
        ...{ queue, exchange, redelivered, attempts, retryCount: attempts },
        routingKey: routingKey.replace(DELAY_PREFIX, ""),
        taskId: undefined,
        tag: undefined,
        enqueuedAtMs: undefined,
        ...traceOf(content.headers),
      },
      leaseEndsAtUs: undefined,
      // At the latest: how long it was in the queue before is not known.
      expiresAtUs: life === undefined ? undefined : clock.nowUs() + life * US_PER_MS,
      lost: this.#lost.signal,
    };
    this.#held.set(delivery, { message, subscription });
    return delivery;
  }

  #need(delivery: Delivery): Held {
    const held = this.#held.get(delivery);
    if (held !== undefined) return held;
    throw this.#lost.signal.aborted
      ? this.#lost.signal.reason
      : new KombuError(
          "invalid_argument",
          "this delivery came from another transport; settle it where it came from",
        );
  }

  #nack(delivery: Delivery, requeue: boolean): void {
    const { message } = this.#need(delivery);
    this.#channel.send("giving a message back", (client) => client.nack(message, false, requeue));
    this.#forget(delivery);
  }

  /** Awaits the broker's next word: until then the channel may have been broken all the time. */
  async #settle(delivery: Delivery, send: () => void): Promise<void> {
    this.#settling += 1;
    try {
      send();
      this.#forget(delivery);
      await this.#channel.flush();
    } catch (error) {
      throw this.#channel.isOpen ? error : lost(this.queue, this.#channel.ended.reason);
    } finally {
      this.#settling -= 1;
    }
  }

  #forget(delivery: Delivery): void {
    const held = this.#held.get(delivery);
    this.#held.delete(delivery);
    if (held?.subscription !== undefined) held.subscription.unsettled -= 1;
  }

  async #releaseLater(delivery: Delivery, { delayMs, wake, resend }: Later): Promise<void> {
    try {
      await pause(this.#options.clock, delayMs, wake);
    } catch {
      // Woken, because the reader closes.
    }
    try {
      if (resend !== undefined && !wake.aborted && (await isResent(resend))) await this.ack(delivery);
      else if (this.isOpen) this.#nack(delivery, true);
    } catch {
      // The broker gives the messages of a broken channel to others.
    }
  }

  #end(reason: unknown): void {
    this.#ready = [];
    for (const { wake } of this.#held.values()) wake?.abort();
    this.#held.clear();
    this.#subscription = undefined;
    this.#lost.abort(isKombuError(reason, "closed") ? reason : lost(this.queue, reason));
    this.#options.arrived.notify();
  }
}

/** What cannot be sent again is given back as it is, uncounted. */
async function isResent(resend: Resend): Promise<boolean> {
  try {
    return await resend();
  } catch {
    return false;
  }
}

function cancelled(queue: string): KombuError {
  return new KombuError(
    "not_found",
    `the broker ended the consumer of queue ${JSON.stringify(queue)}: the queue was deleted; declare it again`,
  );
}

function lost(queue: string, cause: unknown): KombuError {
  const text = `the channel that brought this message of queue ${JSON.stringify(queue)} is gone, and with it the message: the broker gives it to somebody else; stop working on it`;
  return new KombuError("lease_lost", text, { cause });
}
