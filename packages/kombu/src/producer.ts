import type { Channel } from "./channel.js";
import { booleanCheck, type Check, checkOptions, nameCheck, oneOfCheck, stringCheck } from "./check.js";
import { compress } from "./compression.js";
import { KombuError } from "./errors.js";
import { Exchange, exchangeOf } from "./exchange.js";
import type { MessageContent } from "./message-content.js";
import {
  checkPublishOptions,
  idempotencyKeyOf,
  type PublishOptions,
  propertiesOf,
  refuseEnvelopeOptions,
} from "./publish-options.js";
import type { PublishReceipt } from "./transport.js";
import { inTime } from "./waiting.js";

/** What a producer does with every message, unless the message says otherwise. */
export interface ProducerOptions {
  /** Where messages go; a text is a direct exchange of that name. Default: the default exchange. */
  readonly exchange?: Exchange | string;
  /** Default: the empty key. */
  readonly routingKey?: string;
  /** A serializer's name. Default: bytes and text as they are, anything else as JSON. */
  readonly serializer?: string;
  /** `gzip` (kombu's, which is zlib) or `brotli`. Default: none. */
  readonly compression?: string;
  /** `raw` writes bodies alone, for consumers that are not kombu. Default `kombu`. */
  readonly envelope?: "kombu" | "raw";
  /** Declare the producer's exchange before its first message. Default true. */
  readonly autoDeclare?: boolean;
}

const PRODUCER_CHECKS: Readonly<Record<keyof ProducerOptions, Check>> = {
  exchange: {
    expected: "an Exchange or a name",
    holds: (v) => v instanceof Exchange || nameCheck.holds(v),
  },
  routingKey: nameCheck,
  serializer: stringCheck,
  compression: stringCheck,
  envelope: oneOfCheck(["kombu", "raw"]),
  autoDeclare: booleanCheck,
};

/** What became of a message. */
export interface Receipt extends PublishReceipt {
  /** The message's own id, where the program gave it one. */
  readonly messageId: string | undefined;
}

/** Publishes messages. Calls at the same time go side by side. */
export class Producer {
  readonly exchange: Exchange;
  readonly routingKey: string;
  readonly #channel: Channel;
  readonly #options: ProducerOptions;

  /** Throws `invalid_argument`. */
  constructor(channel: Channel, options: ProducerOptions = {}) {
    checkOptions("a producer", options, PRODUCER_CHECKS);
    this.exchange = exchangeOf(options.exchange ?? "");
    this.routingKey = options.routingKey ?? "";
    this.#channel = channel;
    this.#options = { ...options };
  }

  /** Declares the producer's exchange. */
  async declare(options: { readonly signal?: AbortSignal | undefined } = {}): Promise<void> {
    await this.#channel.declareOnce(this.exchange, options.signal);
  }

  /**
   * Resolves when every queue bound for it has the message. Errors: `invalid_argument`, `not_serializable`, `not_found` for an
   * exchange that nobody declared, `unroutable` with `mandatory`, `too_large`, `timeout`, `unavailable`; when only some queues
   * got it, the error's `queues` names the others.
   */
  async publish(body: unknown, options: PublishOptions = {}): Promise<Receipt> {
    checkPublishOptions(options);
    const { timeoutMs, signal } = options;
    const limit = { timeoutMs, signal, late: publishTimeout };
    return inTime(this.#channel.clock, limit, (either) => this.#publish(body, options, either));
  }

  async #publish(body: unknown, options: PublishOptions, signal?: AbortSignal): Promise<Receipt> {
    signal?.throwIfAborted();
    const exchange = options.exchange === undefined ? this.exchange : exchangeOf(options.exchange);
    const envelope = options.envelope ?? this.#options.envelope !== "raw";
    const content = await this.#content(body, options, { exchange, envelope });
    await this.#declare(options, exchange, signal);
    const { routingKey = this.routingKey, mandatory = false, tag, delayMs, taskId } = options;
    const idempotencyKey = idempotencyKeyOf(options);
    const route = {
      ...{ exchange: exchange.name, routingKey, mandatory },
      ...{ envelope, idempotencyKey, tag, delayMs, taskId },
    };
    const { queues } = await this.#channel.publish(content, route, signal);
    return { queues, messageId: options.messageId };
  }

  /** An exchange given by name alone is not declared: it may be of any type, and only its owner knows. */
  async #declare(options: PublishOptions, exchange: Exchange, signal?: AbortSignal): Promise<void> {
    for (const entity of options.declare ?? []) await this.#channel.declareOnce(entity, signal);
    const isOwn = options.exchange === undefined || options.exchange instanceof Exchange;
    const isNeeded = exchange.name !== "" && isOwn && (this.#options.autoDeclare ?? true);
    if (isNeeded) await this.#channel.declareOnce(exchange, signal);
  }

  async #content(
    body: unknown,
    options: PublishOptions,
    { exchange, envelope }: { readonly exchange: Exchange; readonly envelope: boolean },
  ): Promise<MessageContent> {
    if (!envelope) refuseEnvelopeOptions(options);
    const { contentType, contentEncoding } = options;
    const serializer =
      options.serializer ?? (contentType === undefined ? this.#options.serializer : undefined);
    const serialized = this.#channel.serializers.dumps(body, { serializer, contentType, contentEncoding });
    const content = { ...serialized, headers: { ...options.headers }, properties: {}, raw: !envelope };
    if (!envelope) return content;
    const properties = propertiesOf(options, exchange);
    const compression = options.compression ?? this.#options.compression;
    if (compression === undefined) return { ...content, properties };
    const compressed = await compress(serialized.body, compression);
    const headers = { ...content.headers, compression: compressed.contentType };
    return { ...content, properties, headers, body: compressed.body };
  }
}

function publishTimeout(timeoutMs: number): KombuError {
  return new KombuError(
    "timeout",
    `the message was not confirmed within ${timeoutMs} ms (timeoutMs), so that it is unclear whether it was stored; publish again with the same idempotencyKey`,
  );
}
