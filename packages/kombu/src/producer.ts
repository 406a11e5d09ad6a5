import type { Channel } from "./channel.js";
import { channelCheck } from "./channel-check.js";
import {
  booleanCheck,
  type Check,
  checkOptions,
  checkSignal,
  checkValue,
  functionCheck,
  nameCheck,
  oneOfCheck,
  stringCheck,
} from "./check.js";
import { isKombuError, KombuError } from "./errors.js";
import { Exchange, exchangeOf } from "./exchange.js";
import type { MessageContent, MessageProperties } from "./message-content.js";
import {
  checkPublishOptions,
  idempotencyKeyOf,
  NOTHING,
  type PublishOptions,
  propertiesOf,
  refuseEnvelopeOptions,
} from "./publish-options.js";
import type { Queue } from "./queue.js";
import { conform, type Schema, schemaCheck } from "./schema.js";
import type { PublishReceipt, Route } from "./transport.js";
import { inTime, orAbort } from "./waiting.js";

/** What a producer does with every message, unless the message says otherwise. */
export interface ProducerOptions<In = unknown> {
  /** Where messages go; a text is a direct exchange of that name. Default: the default exchange. */
  readonly exchange?: Exchange | string;
  /** Default: the empty key. */
  readonly routingKey?: string;
  /** A serializer's name. Default: bytes and text as they are, anything else as JSON. */
  readonly serializer?: string;
  /** `gzip` (kombu's, which is zlib), `brotli`, `zstd` where Node has it, or one that was registered. Default: none. */
  readonly compression?: string;
  /** `raw` writes bodies alone, for consumers that are not kombu. Default `kombu`. */
  readonly envelope?: "kombu" | "raw";
  /** Declare the producer's exchange before its first message. Default true. */
  readonly autoDeclare?: boolean;
  /**
   * Told of each `mandatory` message that no queue takes, and awaited: kombu's `on_return`. `publish` then resolves with a receipt without
   * queues. Default: `publish` rejects with `unroutable`.
   */
  readonly onReturn?: (returned: ReturnedMessage<NoInfer<In>>) => unknown;
  /**
   * What payloads must be, of any library with Standard Schema: others are `schema_mismatch` before anything is sent. The payload is
   * sent as it is given; what the schema makes of it is for the consumer, who asks it again.
   */
  readonly schema?: Schema<In, unknown> | undefined;
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
  onReturn: functionCheck,
  schema: schemaCheck,
};

/** A mandatory message that came back: no queue took it. */
export interface ReturnedMessage<In = unknown> {
  readonly exchange: string;
  readonly routingKey: string;
  /** What was given to `publish`. */
  readonly body: In;
  readonly headers: Readonly<Record<string, unknown>>;
  /** Under kombu's names. */
  readonly properties: MessageProperties;
  /** Says why, with the code `unroutable`. */
  readonly error: KombuError;
}

/** What became of a message. */
export interface Receipt extends PublishReceipt {
  /** The message's own id, where the program gave it one. */
  readonly messageId: string | undefined;
}

/** Publishes messages. Calls at the same time go side by side. */
export class Producer<In = unknown> {
  readonly exchange: Exchange;
  readonly routingKey: string;
  readonly #channel: Channel;
  readonly #options: ProducerOptions<In>;

  /** Throws `invalid_argument`. */
  constructor(channel: Channel, options: ProducerOptions<In> = {}) {
    checkValue("the channel of a producer", channel, channelCheck);
    checkOptions("a producer", options, PRODUCER_CHECKS);
    this.exchange = exchangeOf(options.exchange ?? "");
    this.routingKey = options.routingKey ?? "";
    this.#channel = channel;
    this.#options = { ...options };
  }

  /** Declares the producer's exchange. */
  async declare(options: { readonly signal?: AbortSignal | undefined } = {}): Promise<void> {
    checkSignal("declare", options);
    await this.#channel.declareOnce(this.exchange, options.signal);
  }

  /**
   * Resolves when every queue bound for it has the message. Errors: `invalid_argument`, `schema_mismatch`, `not_serializable`, `not_found`
   * for an exchange that nobody declared, `unroutable` with `mandatory`, `too_large`, `timeout`, `unavailable`; when only some queues
   * got it, the error's `queues` names the others.
   */
  publish(body: In, options: PublishOptions = NOTHING): Promise<Receipt> {
    // Not async, because a promise more for each message costs more than all that is asked here.
    try {
      checkPublishOptions(options);
    } catch (error) {
      return Promise.reject(error);
    }
    const { timeoutMs, signal } = options;
    if (timeoutMs === undefined && signal === undefined) return this.#traced(body, options);
    return this.#inTime(body, options);
  }

  #inTime(body: In, options: PublishOptions): Promise<Receipt> {
    const { timeoutMs, signal } = options;
    const { clock } = this.#channel;
    const sinceUs = clock.nowUs();
    const late = (ms: number) => this.#channel.lateError(ms, sinceUs);
    // Nor does it wait for brokers that answer nothing: what was sent cannot be taken back anyway.
    const work = (either?: AbortSignal) => orAbort(this.#traced(body, options, either), either);
    return inTime(clock, { timeoutMs, signal, late }, work);
  }

  #traced(body: In, options: PublishOptions, signal?: AbortSignal): Promise<Receipt> {
    const { tracing } = this.#channel;
    if (tracing === undefined || !tracing.isOn) return this.#publish(body, options, signal);
    const { routingKey = this.routingKey, messageId, correlationId, headers } = options;
    const { name: exchange } = this.#exchangeOf(options);
    const trace = { exchange, routingKey, messageId, correlationId, headers };
    return tracing.publish(trace, (carrier) => this.#publish(body, options, signal, carrier));
  }

  #exchangeOf({ exchange }: PublishOptions): Exchange {
    return exchange === undefined ? this.exchange : exchangeOf(exchange);
  }

  async #publish(
    body: In,
    options: PublishOptions,
    signal?: AbortSignal,
    carrier?: Readonly<Record<string, unknown>>,
  ): Promise<Receipt> {
    signal?.throwIfAborted();
    const exchange = this.#exchangeOf(options);
    const envelope = options.envelope ?? this.#options.envelope !== "raw";
    const { schema } = this.#options;
    if (schema !== undefined) await this.#checkPayload(schema, body, options);
    const serialized = this.#content(body, options, { exchange, envelope, carrier });
    const compression = envelope ? (options.compression ?? this.#options.compression) : undefined;
    const content = compression === undefined ? serialized : await this.#compressed(serialized, compression);
    const { routingKey = this.routingKey, mandatory = false, tag, delayMs, taskId } = options;
    if (exchange.name === "" && routingKey === "") throw nowhereError();
    const route: Route = {
      exchange: exchange.name,
      routingKey,
      mandatory,
      envelope,
      idempotencyKey: idempotencyKeyOf(options),
      tag,
      delayMs,
      taskId,
      keyChosen: options.idempotencyKey !== undefined,
      isKeyUsedOnce: options.idempotencyKey === undefined && !isRetried(options),
    };
    try {
      const { queues } = await this.#send(content, route, exchange, options, signal);
      return { queues, messageId: options.messageId };
    } catch (error) {
      if (!isKombuError(error, "unroutable") || this.#options.onReturn === undefined) throw error;
      const { headers, properties } = content;
      await this.#options.onReturn({
        ...{ exchange: exchange.name, routingKey },
        body,
        headers,
        properties,
        error,
      });
      return { queues: [], messageId: options.messageId };
    }
  }

  #send(
    content: MessageContent,
    route: Route,
    exchange: Exchange,
    options: PublishOptions,
    signal: AbortSignal | undefined,
  ): Promise<PublishReceipt> {
    const declared = this.#declared(options, exchange);
    if (!isRetried(options) && declared.every((entity) => this.#channel.isDeclared(entity))) {
      return this.#channel.publish(content, route, signal);
    }
    const send = async (until: AbortSignal | undefined) => {
      for (const entity of declared) await this.#channel.declareOnce(entity, until);
      return this.#channel.publish(content, route, until);
    };
    // The same key each time, so that a broker that keeps it takes the message once.
    return isRetried(options) ? this.#channel.retry(send, { ...options.retryPolicy, signal }) : send(signal);
  }

  /** What is declared first. An exchange given by name alone is not: it may be of any type, and only its owner knows. */
  #declared(options: PublishOptions, exchange: Exchange): readonly (Exchange | Queue)[] {
    const { declare = [] } = options;
    const isOwn = options.exchange === undefined || options.exchange instanceof Exchange;
    const isNeeded = exchange.name !== "" && isOwn && (this.#options.autoDeclare ?? true);
    return isNeeded ? [...declare, exchange] : declare;
  }

  async #checkPayload(schema: Schema, body: In, options: PublishOptions): Promise<void> {
    if (options.contentType !== undefined) {
      const why =
        "a body with a contentType is serialized already, so that the producer's schema cannot be asked";
      throw new KombuError(
        "invalid_argument",
        `${why}; publish the value itself, or use a producer without schema`,
      );
    }
    await conform(schema, body, "the producer");
  }

  #content(
    body: In,
    options: PublishOptions,
    { exchange, envelope, carrier }: ContentContext,
  ): MessageContent {
    if (!envelope) refuseEnvelopeOptions(options);
    const { contentType, contentEncoding } = options;
    const serializer =
      options.serializer ?? (contentType === undefined ? this.#options.serializer : undefined);
    const serialized = this.#channel.serializers.dumps(body, { serializer, contentType, contentEncoding });
    // A body alone has no headers; transports that keep a trace context beside it find it here.
    const headers = { ...options.headers, ...carrier };
    const properties = envelope ? propertiesOf(options, exchange) : {};
    const { body: bytes, contentType: type, contentEncoding: encoding } = serialized;
    return { body: bytes, contentType: type, contentEncoding: encoding, headers, properties, raw: !envelope };
  }

  async #compressed(content: MessageContent, compression: string): Promise<MessageContent> {
    const { body, contentType } = await this.#channel.compressions.compress(content.body, compression);
    return { ...content, headers: { ...content.headers, compression: contentType }, body };
  }
}

function isRetried({ retry, retryPolicy }: PublishOptions): boolean {
  return retry ?? retryPolicy !== undefined;
}

/** What a message's content depends on, beside what is published. */
interface ContentContext {
  readonly exchange: Exchange;
  readonly envelope: boolean;
  /** Headers with the trace's context. */
  readonly carrier: Readonly<Record<string, unknown>> | undefined;
}

/** No queue has an empty name, so that brokers would lose the message: each in its own way, and without a word. */
function nowhereError(): KombuError {
  const why =
    "a message for the default exchange needs a routingKey, which is the name of its queue; or name an exchange";
  return new KombuError("invalid_argument", why);
}
