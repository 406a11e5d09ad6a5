import { setMaxListeners } from "node:events";
import { sendDeadLetter } from "../dead-letter.js";
import { KombuError } from "../errors.js";
import { AMQP_MESSAGE_BYTES_MAX, PRIORITY_MAX } from "../limits.js";
import type { MessageContent } from "../message-content.js";
import type { AmqpSettings } from "../options.js";
import { closedError } from "../session.js";
import type {
  Delivery,
  PublishReceipt,
  ReceiveRequest,
  Receiver,
  RejectOptions,
  ReleaseOptions,
  Route,
  Transport,
  TransportContext,
  TransportManifest,
} from "../transport.js";
import { undeliverable, unroutable } from "../unroutable.js";
import { linkSignals, orAbort } from "../waiting.js";
import { withAttempts } from "./amqp-attempts.js";
import { AmqpConnection, type AmqpDialer } from "./amqp-connection.js";
import { writeProperties } from "./amqp-content.js";
import {
  bindDelayed,
  bindDelayedQueue,
  type DelayQueueType,
  declareDelayLevels,
  delayedRoute,
} from "./amqp-delay.js";
import { amqpDialer } from "./amqp-dialer.js";
import { AmqpInbox } from "./amqp-inbox.js";
import type { AmqpLink } from "./amqp-link.js";
import { AmqpPublisher, type OutgoingMessage } from "./amqp-publisher.js";
import { type AmqpReader, DELIVERY_COUNT } from "./amqp-reader.js";
import { writeTable } from "./amqp-table.js";
import { type AmqpCall, AmqpTopology } from "./amqp-topology.js";

/** What an AMQP transport is made of. */
export interface AmqpTransportOptions {
  /** Opens a connection; called again after each loss. */
  readonly dial: AmqpDialer;
  readonly context: TransportContext;
  /** Delays messages by kombu's native delayed delivery, in queues of this type. Default: a delay is `not_supported`. */
  readonly delayedDelivery?: DelayQueueType | undefined;
  /** Gets what no queue takes. Default: that goes nowhere. */
  readonly deadletterQueue?: string | undefined;
}

const US_PER_MS = 1000;

/**
 * A broker that speaks AMQP 0-9-1: RabbitMQ. Messages are stored as kombu stores them there, without an envelope. The connection
 * is made at first use, and again whenever it broke and somebody needs it; what was received before is lost with it.
 */
export class AmqpTransport implements Transport {
  readonly manifest: TransportManifest;
  readonly topology: AmqpTopology;
  readonly #connection: AmqpConnection;
  readonly #inbox: AmqpInbox;
  readonly #options: AmqpTransportOptions;
  readonly #stop = new AbortController();
  readonly #publishers = new WeakMap<AmqpLink, AmqpPublisher>();
  readonly #delayed = new Set<string>();
  #levels: Promise<void> | undefined;
  #closing: Promise<void> | undefined;

  constructor(options: AmqpTransportOptions) {
    const { dial, context, delayedDelivery } = options;
    this.manifest = amqpManifest(delayedDelivery);
    this.#options = options;
    setMaxListeners(0, this.#stop.signal); // Each receive that waits listens; Node would suspect a leak at eleven.
    this.topology = new AmqpTopology(this.#call, async (binding, exchange) => {
      if (delayedDelivery === undefined) return;
      await this.#declareLevels(delayedDelivery);
      await bindDelayed(this.#call, binding, exchange);
    });
    this.#connection = new AmqpConnection(dial, context, (link) => this.topology.replay(link));
    this.#inbox = new AmqpInbox(this.#connection, this.topology, context);
  }

  get isConnected(): boolean {
    return this.#connection.current !== undefined;
  }

  async connect(signal?: AbortSignal): Promise<void> {
    await this.#connection.link({ untilUs: 0, signal });
  }

  async publish(content: MessageContent, route: Route, signal?: AbortSignal): Promise<PublishReceipt> {
    refuseForeign(route);
    const properties = writeProperties(content);
    const { buffer, byteOffset, byteLength } = content.body;
    if (byteLength > AMQP_MESSAGE_BYTES_MAX) throw tooLarge(byteLength);
    const body = Buffer.from(buffer, byteOffset, byteLength);
    const { exchange, routingKey, delayMs = 0 } = route;
    const target = delayMs > 0 ? await this.#delay(route, delayMs, signal) : { exchange, routingKey };
    const isRouted = await this.#send({ ...target, properties, body }, signal);
    if (isRouted) return { queues: exchange === "" ? [routingKey] : undefined };
    if (route.mandatory) throw unroutable(route);
    return this.#undeliverable({ properties, body }, route, signal);
  }

  async receive(request: ReceiveRequest): Promise<Delivery[]> {
    this.#stop.signal.throwIfAborted();
    const link = linkSignals(this.#stop.signal, request.signal);
    try {
      return await this.#inbox.receive({ ...request, signal: link.signal });
    } finally {
      link.end();
    }
  }

  ack(delivery: Delivery): Promise<void> {
    return this.#settle(delivery, (reader) => reader.ack(delivery));
  }

  release(delivery: Delivery, options: ReleaseOptions = {}): Promise<void> {
    const resend = options.counted === true && !this.#isCounted(delivery);
    return this.#settle(delivery, (reader) =>
      reader.release(delivery, options, resend ? () => this.#resend(delivery) : undefined),
    );
  }

  /** The broker moves it where the queue's definition says; elsewhere it has to be sent before. */
  async reject(delivery: Delivery, { reason = "rejected", to: target }: RejectOptions = {}): Promise<void> {
    if (target === undefined) return this.#settle(delivery, (reader) => reader.reject(delivery));
    delivery.lost?.throwIfAborted(); // What is not ours any more is not ours to bury.
    const time = new Date(Math.floor(this.#options.context.clock.nowUs() / US_PER_MS));
    await sendDeadLetter(this, delivery, { target, reason, time });
    await this.ack(delivery);
  }

  /** The connection is the lease, and heartbeats renew it. */
  async extend(): Promise<void> {}

  unsubscribe(receiver: Receiver, queue?: string): Promise<void> {
    return this.#inbox.unsubscribe(receiver, queue);
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #close(): Promise<void> {
    this.#stop.abort(closedError("connection"));
    await this.#inbox.close();
    await this.#connection.close();
  }

  readonly #call: AmqpCall = async (doing, work, signal) => {
    const link = await this.#connection.link({ signal });
    return orAbort(link.onChannel(doing, work), signal);
  };

  async #send(message: OutgoingMessage, signal: AbortSignal | undefined): Promise<boolean> {
    const link = await this.#connection.link({ signal });
    const publisher = this.#publishers.get(link) ?? new AmqpPublisher(link);
    this.#publishers.set(link, publisher);
    return publisher.publish(message, signal);
  }

  async #settle(delivery: Delivery, work: (reader: AmqpReader) => Promise<void>): Promise<void> {
    const reader = this.#inbox.readerOf(delivery);
    if (reader === undefined) throw fromElsewhere();
    await work(reader);
    this.#inbox.settled(reader);
  }

  /** No queue took it, so that it goes to the connection's dead-letter queue, where there is one. */
  async #undeliverable(
    message: Pick<OutgoingMessage, "properties" | "body">,
    route: Route,
    signal: AbortSignal | undefined,
  ): Promise<PublishReceipt> {
    const { deadletterQueue } = this.#options;
    if (deadletterQueue === undefined) return { queues: [] };
    await this.topology.ensureQueue(deadletterQueue, signal);
    await this.#send({ ...message, exchange: "", routingKey: deadletterQueue }, signal);
    this.#options.context.warn?.(undeliverable(route, deadletterQueue));
    return { queues: [deadletterQueue] };
  }

  /** Whether the broker counts the deliveries of a message: quorum queues do. */
  #isCounted({ content, info }: Delivery): boolean {
    return DELIVERY_COUNT in content.headers || this.topology.isQuorum(info.queue);
  }

  /** Publishes a message to its queue once more, and says there how often it was tried. True: the queue has it. */
  async #resend({ content, info, expiresAtUs }: Delivery): Promise<boolean> {
    const { queue, exchange, routingKey, attempts: count = 1 } = info;
    const leftUs = expiresAtUs === undefined ? undefined : expiresAtUs - this.#options.context.clock.nowUs();
    const expiration =
      leftUs === undefined ? {} : { expiration: String(Math.max(0, Math.ceil(leftUs / US_PER_MS))) };
    const headers = writeTable(withAttempts(content.headers, queue, { count, exchange, routingKey }));
    const properties = { ...writeProperties(content), ...expiration, headers };
    const { buffer, byteOffset, byteLength } = content.body;
    const body = Buffer.from(buffer, byteOffset, byteLength);
    return this.#send({ exchange: "", routingKey: queue, properties, body }, undefined);
  }

  /** The route of a delayed message, after everything on it was made. */
  async #delay({ exchange, routingKey }: Route, delayMs: number, signal: AbortSignal | undefined) {
    const type = this.#options.delayedDelivery;
    if (type === undefined) throw noDelay();
    const known = this.topology.exchange(exchange)?.type;
    if (exchange !== "" && known !== "topic" && known !== "fanout") throw noDelayOn(exchange);
    await orAbort(this.#declareLevels(type), signal);
    if (exchange === "" && !this.#delayed.has(routingKey)) {
      await orAbort(bindDelayedQueue(this.#call, routingKey), signal);
      this.#delayed.add(routingKey);
    }
    return delayedRoute(delayMs, routingKey);
  }

  #declareLevels(type: DelayQueueType): Promise<void> {
    this.#levels ??= declareDelayLevels(this.#call, type).catch((error: unknown) => {
      this.#levels = undefined; // The next one tries again.
      throw error;
    });
    return this.#levels;
  }
}

/** Queues on RabbitMQ. Needs the package amqplib; without it `not_supported`. */
export async function openAmqpTransport(
  settings: AmqpSettings,
  context: TransportContext,
): Promise<Transport> {
  const { delayedDelivery, deadletterQueue } = settings;
  const dial = await amqpDialer(settings, context);
  return new AmqpTransport({ dial, context, delayedDelivery, deadletterQueue });
}

function amqpManifest(delayedDelivery: DelayQueueType | undefined): TransportManifest {
  return Object.freeze({
    name: "amqp",
    direct: "native",
    topic: "native",
    fanout: "native",
    headers: "native",
    priority: "native",
    delay: delayedDelivery === undefined ? "refused" : "emulated",
    messageExpiry: "native",
    queueExpiry: "native",
    maxLength: "native",
    exclusive: "native",
    autoDelete: "native",
    durable: "native",
    mandatory: "native",
    deadLetters: "native",
    receiptQueues: "refused",
    idempotency: "refused",
    taskIds: "refused",
    attempts: "emulated",
    requeueDelay: "emulated",
    exchangeBindings: "native",
    envelopes: false,
    urgentPriority: PRIORITY_MAX,
    localExchanges: false,
    localBindings: false,
    leases: false,
    renewal: "connection",
    messageBytesMax: AMQP_MESSAGE_BYTES_MAX,
  });
}

/** What AMQP has no place for, and what would be different without it. */
function refuseForeign({ tag, taskId, keyChosen }: Route): void {
  const what =
    taskId !== undefined
      ? "taskId"
      : tag !== undefined
        ? "tag"
        : keyChosen === true
          ? "idempotencyKey"
          : undefined;
  if (what === undefined) return;
  throw new KombuError(
    "not_supported",
    `AMQP has no ${what}: the broker stores every message it is sent; leave it out, or put it into the headers`,
  );
}

function tooLarge(bytes: number): KombuError {
  return new KombuError(
    "too_large",
    `the body has ${bytes} bytes, and RabbitMQ takes ${AMQP_MESSAGE_BYTES_MAX}; compress it, or store it elsewhere`,
  );
}

function noDelay(): KombuError {
  return new KombuError(
    "not_supported",
    "AMQP cannot delay messages; switch on kombu's delayed delivery with the option delayedDelivery (classic or quorum)",
  );
}

function noDelayOn(exchange: string): KombuError {
  return new KombuError(
    "not_supported",
    `delayed messages reach topic and fanout exchanges that were declared here, and queues by their name; exchange ${JSON.stringify(exchange)} is none of these`,
  );
}

function fromElsewhere(): KombuError {
  return new KombuError(
    "invalid_argument",
    "this delivery came from another transport; settle it where it came from",
  );
}
