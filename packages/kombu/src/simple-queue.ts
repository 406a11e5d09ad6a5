import { answerMs } from "./answering.js";
import type { Channel } from "./channel.js";
import { channelCheck } from "./channel-check.js";
import {
  acceptCheck,
  booleanCheck,
  type Check,
  checkOptions,
  checkSignal,
  checkValue,
  objectCheck,
  oneOfCheck,
  signalCheck,
  stringCheck,
  timeoutCheck,
} from "./check.js";
import { checkAccept, queueOrNameCheck } from "./consumer-options.js";
import { DeliveryQueue } from "./delivery-queue.js";
import { becauseOf, KombuError } from "./errors.js";
import { Exchange, type ExchangeOptions } from "./exchange.js";
import { giveBackAll } from "./holding.js";
import type { Message } from "./message.js";
import { Producer, type Receipt } from "./producer.js";
import { checkPublishOptions, type PublishOptions } from "./publish-options.js";
import { Queue, type QueueOptions } from "./queue.js";
import { type Schema, schemaCheck } from "./schema.js";
import { closedError } from "./session.js";
import { inTime, linkSignals, orAbort } from "./waiting.js";

const US_PER_MS = 1000;

/** How a simple queue is made and used. */
export interface SimpleQueueOptions<In = unknown, Out = In> {
  /** Messages are acknowledged before they are handed over. Default: a given queue's own, else false. */
  readonly noAck?: boolean;
  /** Of `put`. Default: bytes and text as they are, anything else as JSON. */
  readonly serializer?: string;
  /** Of `put`: `gzip`, `brotli`, `zstd` where Node has it, or one that was registered. Default: none. */
  readonly compression?: string;
  /** `raw` puts bodies alone, for consumers that are not kombu. Default `kombu`. */
  readonly envelope?: "kombu" | "raw";
  /** Serializer names or content types that `get` may decode. Default: all that are enabled. */
  readonly accept?: readonly string[];
  /** Of the queue that is made from a name. */
  readonly queueOptions?: Omit<QueueOptions, "exchange" | "routingKey" | "bindings" | "schema">;
  /** Of the exchange that is made from a name. */
  readonly exchangeOptions?: ExchangeOptions;
  /** What payloads must be, on both ends. Default: a given queue's own schema. */
  readonly schema?: Schema<In, Out> | undefined;
}

const SIMPLE_QUEUE_CHECKS: Readonly<Record<keyof SimpleQueueOptions, Check>> = {
  noAck: booleanCheck,
  serializer: stringCheck,
  compression: stringCheck,
  envelope: oneOfCheck(["kombu", "raw"]),
  accept: acceptCheck,
  queueOptions: objectCheck,
  exchangeOptions: objectCheck,
  schema: schemaCheck,
};

/** How long `get` waits. */
export interface SimpleGetOptions {
  /** `empty` after this long, in milliseconds. Default: wait without end. */
  readonly timeoutMs?: number | undefined;
  /** False looks once, as `getNowait` does. Default true. */
  readonly block?: boolean;
  readonly signal?: AbortSignal | undefined;
}

const GET_CHECKS: Readonly<Record<keyof SimpleGetOptions, Check>> = {
  timeoutMs: timeoutCheck,
  block: booleanCheck,
  signal: signalCheck,
};

/**
 * A queue as programs know them: `put`, `get`, `qsize`. Queue, direct exchange and routing key have one name; all is declared at
 * first use. A lease takes as many messages as the transport was configured with (one by default); those not asked for yet are
 * handed out next, and given back on `close`.
 */
export class SimpleQueue<In = unknown, Out = In> implements AsyncDisposable {
  readonly queue: Queue<In, Out>;
  readonly #channel: Channel;
  readonly #producer: Producer<In>;
  readonly #received: DeliveryQueue;
  readonly #noAck: boolean;
  readonly #accept: readonly string[] | undefined;
  readonly #schema: Schema<In, Out> | undefined;
  readonly #stop = new AbortController();
  #declared: Promise<void> | undefined;
  /** The channel's generation in which it was declared. */
  #declaredIn = 0;

  /** Throws `invalid_argument`. */
  constructor(
    channel: Channel,
    queueOrName: Queue<In, Out> | string,
    options: SimpleQueueOptions<In, Out> = {},
  ) {
    checkValue("the channel of a simple queue", channel, channelCheck);
    checkValue("the queue of a simple queue", queueOrName, queueOrNameCheck);
    checkOptions("a simple queue", options, SIMPLE_QUEUE_CHECKS);
    checkAccept(options.accept, channel.serializers);
    const { serializer, compression, envelope, queueOptions, exchangeOptions } = options;
    this.queue =
      queueOrName instanceof Queue ? queueOrName : queueOf(queueOrName, queueOptions, exchangeOptions);
    this.#channel = channel;
    this.#noAck = options.noAck ?? this.queue.noAck;
    this.#accept = options.accept;
    this.#schema = options.schema ?? this.queue.schema;
    this.#producer = new Producer<In>(channel, {
      exchange: this.queue.exchange,
      routingKey: this.queue.exchange.name === "" ? this.queue.name : this.queue.routingKey,
      schema: this.#schema,
      ...(serializer === undefined ? {} : { serializer }),
      ...(compression === undefined ? {} : { compression }),
      ...(envelope === undefined ? {} : { envelope }),
    });
    this.#received = new DeliveryQueue(channel, {
      queueNames: () => (this.#stop.signal.aborted ? [] : [this.queue.name]),
      noAck: () => this.#noAck,
      declaredIn: () => this.#declaredIn,
      declare: () => this.#declareOnce(),
    });
  }

  /** Publishes to the queue. Resolves when the broker has the message. */
  async put(body: In, options: PublishOptions = {}): Promise<Receipt> {
    checkPublishOptions(options);
    this.#stop.signal.throwIfAborted();
    // The producer declares the queue: after it has serialized the body, and within the same time limit.
    return this.#producer.publish(body, { ...options, declare: [...(options.declare ?? []), this.queue] });
  }

  /** The oldest message, leased until it is settled. Errors: `empty` when time is up, `closed`, the signal's reason. */
  async get(options: SimpleGetOptions = {}): Promise<Message<Out>> {
    checkOptions("get", options, GET_CHECKS);
    const { block = true, timeoutMs, signal } = options;
    const waitMs = block ? timeoutMs : 0;
    const { clock } = this.#channel;
    const startUs = clock.nowUs();
    await this.#ready(signal, waitMs);
    const tookMs = (clock.nowUs() - startUs) / US_PER_MS;
    const leftMs = waitMs === undefined ? undefined : Math.max(0, waitMs - tookMs);
    const link = linkSignals(this.#stop.signal, signal);
    try {
      const holding = await this.#received.next({ waitMs: leftMs, signal: link.signal });
      if (holding === undefined) throw emptyError(this.queue.name, waitMs ?? 0);
      const reading = { accept: this.#accept, noAck: this.#noAck, schema: this.#schema };
      const message = await this.#channel.message<Out>(holding, reading);
      if (!message.hasSchema || !link.signal.aborted) return message;
      holding.handedOut = false; // Whoever asked went away while the schema took its time.
      await giveBackAll([holding]);
      throw link.signal.reason;
    } finally {
      link.end();
    }
  }

  /** The oldest message if there is one now. Errors: as `get`. */
  async getNowait(options: { readonly signal?: AbortSignal | undefined } = {}): Promise<Message<Out>> {
    checkSignal("getNowait", options);
    return this.get({ ...options, block: false });
  }

  /** How many messages could be received now; those that somebody holds do not count. */
  async qsize(options: { readonly signal?: AbortSignal | undefined } = {}): Promise<number> {
    checkSignal("qsize", options);
    await this.#ready(options.signal);
    return this.#channel.count(this.queue.name, options.signal);
  }

  /** Removes all messages, and returns how many went. */
  async clear(options: { readonly signal?: AbortSignal | undefined } = {}): Promise<number> {
    checkSignal("clear", options);
    await this.#ready(options.signal);
    await this.#received.giveBack();
    return this.#channel.purge(this.queue.name, options.signal);
  }

  /** Gives back what nobody has asked for. Messages that were handed over stay held, to be settled. Idempotent. */
  async close(): Promise<void> {
    this.#stop.abort(closedError("simple queue"));
    await this.#received.giveBack();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /** Declares the queue once. Whoever waits only so long for a message waits little longer for a broker. */
  async #ready(signal: AbortSignal | undefined, waitMs?: number): Promise<void> {
    this.#stop.signal.throwIfAborted();
    signal?.throwIfAborted();
    const declared = this.#declareOnce();
    const timeoutMs = waitMs === undefined ? undefined : answerMs(waitMs);
    const late = (ms: number) => noBroker(this.queue.name, ms, this.#channel.failure);
    await inTime(this.#channel.clock, { timeoutMs, signal, late }, (either) => orAbort(declared, either));
  }

  /** Another broker does not know the queue yet. */
  #declareOnce(): Promise<void> {
    if (this.#declaredIn !== this.#channel.generation) this.#declared = undefined;
    this.#declaredIn = this.#channel.generation;
    this.#declared ??= this.#declare();
    return this.#declared;
  }

  async #declare(): Promise<void> {
    try {
      await this.#channel.declareOnce(this.queue);
    } catch (error) {
      this.#declared = undefined; // The next call tries again.
      throw error;
    }
  }
}

function noBroker(name: string, ms: number, cause: unknown): KombuError {
  const text = `the broker did not answer within ${ms} ms, so queue ${JSON.stringify(name)} could not be declared`;
  const why = becauseOf(cause) || "; is it running, and is this its address?";
  return new KombuError("unavailable", `${text}${why}`, { cause });
}

/** The options that make a simple queue kombu's SimpleBuffer: transient, for one connection, acknowledged before it is handed over. */
export function simpleBufferOptions<In, Out>(
  options: SimpleQueueOptions<In, Out> = {},
): SimpleQueueOptions<In, Out> {
  checkOptions("a simple buffer", options, SIMPLE_QUEUE_CHECKS);
  return {
    noAck: true,
    ...options,
    queueOptions: { durable: false, autoDelete: true, exclusive: true, ...options.queueOptions },
    exchangeOptions: {
      ...{ durable: false, autoDelete: true, deliveryMode: "transient" },
      ...options.exchangeOptions,
    },
  };
}

function queueOf<In, Out>(
  name: string,
  queueOptions: SimpleQueueOptions["queueOptions"],
  exchangeOptions: ExchangeOptions | undefined,
): Queue<In, Out> {
  const exchange = new Exchange(name, "direct", exchangeOptions);
  return new Queue(name, { ...queueOptions, exchange, routingKey: name });
}

function emptyError(queue: string, waitMs: number): KombuError {
  const after = waitMs === 0 ? "" : ` after ${waitMs} ms`;
  return new KombuError("empty", `there is no message in queue ${JSON.stringify(queue)}${after}`);
}
