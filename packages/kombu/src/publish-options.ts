import { limits, newIdempotencyKey } from "@pullqueue/core";
import {
  booleanCheck,
  type Check,
  checkOptions,
  integerCheck,
  keyCheck,
  nameCheck,
  numberCheck,
  objectCheck,
  signalCheck,
  stringCheck,
  timeoutCheck,
} from "./check.js";
import { KombuError } from "./errors.js";
import { type DeliveryMode, deliveryModeCheck, deliveryModeNumber, Exchange } from "./exchange.js";
import { PRIORITY_MAX } from "./limits.js";
import type { MessageProperties } from "./message-content.js";
import { Queue } from "./queue.js";
import { checkRetryOptions, type RetryPolicy } from "./retry.js";

/** What can be said about one message. Nothing of it is changed. */
export interface PublishOptions {
  /** Default: the producer's. The empty name is the default exchange; another name must have been declared. */
  readonly exchange?: Exchange | string;
  /** Default: the producer's. */
  readonly routingKey?: string;
  /** A serializer's name. Default: the producer's; without one bytes and text as they are, anything else as JSON. */
  readonly serializer?: string;
  /** Says that the body is serialized already: bytes or text. */
  readonly contentType?: string;
  readonly contentEncoding?: string;
  /** `gzip` (kombu's, which is zlib), `brotli`, `zstd` where Node has it, or one that was registered. Default: the producer's, else none. */
  readonly compression?: string;
  /** The application's own. */
  readonly headers?: Readonly<Record<string, unknown>>;
  /** 0 to 9. Default 0. */
  readonly priority?: number;
  /** Default: the exchange's, else persistent. */
  readonly deliveryMode?: DeliveryMode;
  /** The message is removed instead of delivered after this long, in milliseconds. Default: never. */
  readonly expirationMs?: number;
  /** Fail with `unroutable` when no queue takes the message. Default false: the receipt then has no queues. */
  readonly mandatory?: boolean;
  /** Entities to declare first, each once in a connection. */
  readonly declare?: readonly (Exchange | Queue)[];
  /** Groups tasks for leasing (App Engine's tag). */
  readonly tag?: string;
  /** Nobody receives it before this long, in milliseconds. Default 0. */
  readonly delayMs?: number;
  /** Names the stored task; a name in use or used recently is `already_exists`. Default: the broker's choice. */
  readonly taskId?: string;
  /** False writes the body alone, for consumers that are not kombu. Default: the producer's. */
  readonly envelope?: boolean;
  /** A queue, or its name, for answers. */
  readonly replyTo?: Queue | string;
  readonly correlationId?: string;
  readonly messageId?: string;
  /** When the application made it, in seconds since the epoch (AMQP's unit). */
  readonly timestamp?: number;
  readonly type?: string;
  readonly userId?: string;
  readonly appId?: string;
  readonly clusterId?: string;
  /** Further properties under kombu's wire names; the options above win over them. */
  readonly properties?: MessageProperties;
  /** Publishing again with the same key adds nothing for ten minutes. Default: a new one. */
  readonly idempotencyKey?: string;
  /**
   * Try again after errors that may pass (`isRecoverable`): opening, declaring and sending under one deadline, with the same
   * `idempotencyKey`. Default: only with `retryPolicy`.
   */
  readonly retry?: boolean;
  /** How it is tried again. Default: waits from 0.1 to 1 second, for a minute in all. */
  readonly retryPolicy?: RetryPolicy;
  /** Give up after this long with `timeout`, in milliseconds. Default: as long as the broker may take. */
  readonly timeoutMs?: number | undefined;
  readonly signal?: AbortSignal | undefined;
}

const exchangeCheck: Check = {
  expected: "an Exchange or a name",
  holds: (v) => v instanceof Exchange || nameCheck.holds(v),
};

const PUBLISH_CHECKS: Readonly<Record<keyof PublishOptions, Check>> = {
  exchange: exchangeCheck,
  routingKey: nameCheck,
  serializer: stringCheck,
  contentType: stringCheck,
  contentEncoding: stringCheck,
  compression: stringCheck,
  headers: objectCheck,
  priority: integerCheck(0, PRIORITY_MAX, "priority"),
  deliveryMode: deliveryModeCheck,
  expirationMs: numberCheck(0, Number.MAX_SAFE_INTEGER, "milliseconds"),
  mandatory: booleanCheck,
  declare: {
    expected: "an array of Exchange and Queue",
    holds: (v) => Array.isArray(v) && v.every((item) => item instanceof Exchange || item instanceof Queue),
  },
  tag: stringCheck,
  delayMs: numberCheck(0, limits.DELAY_MS_MAX, "milliseconds"),
  taskId: stringCheck,
  envelope: booleanCheck,
  replyTo: { expected: "a Queue or a name", holds: (v) => v instanceof Queue || nameCheck.holds(v) },
  correlationId: stringCheck,
  messageId: stringCheck,
  timestamp: integerCheck(0, Number.MAX_SAFE_INTEGER, "seconds"),
  type: stringCheck,
  userId: stringCheck,
  appId: stringCheck,
  clusterId: stringCheck,
  properties: objectCheck,
  idempotencyKey: keyCheck,
  retry: booleanCheck,
  retryPolicy: objectCheck,
  timeoutMs: timeoutCheck,
  signal: signalCheck,
};

/** Options that only an envelope can carry. */
const ENVELOPE_ONLY: readonly (keyof PublishOptions)[] = [
  ...(["headers", "priority", "expirationMs", "compression", "replyTo", "correlationId"] as const),
  ...(["messageId", "timestamp", "type", "userId", "appId", "clusterId", "properties"] as const),
];

/** The options of most messages: all defaults. */
export const NOTHING: PublishOptions = Object.freeze({});

/** Throws one `invalid_argument` with every complaint. */
export function checkPublishOptions(options: PublishOptions): void {
  if (options === NOTHING) return;
  checkOptions("publish", options, PUBLISH_CHECKS);
  if (options.retryPolicy !== undefined) checkRetryOptions("retryPolicy", options.retryPolicy);
}

/** A message without an envelope has nowhere to put these, so that giving one is a mistake. */
export function refuseEnvelopeOptions(options: PublishOptions): void {
  const given = ENVELOPE_ONLY.filter((name) => options[name] !== undefined);
  if (given.length === 0) return;
  throw new KombuError(
    "invalid_argument",
    `without an envelope there is no place for ${given.join(", ")}; leave them out, or publish with envelope: true`,
  );
}

/** Properties that options name, in the order in which they are written. */
const NAMED = [
  ...(["reply_to", "correlation_id", "message_id", "timestamp", "type", "user_id", "app_id"] as const),
  ...(["cluster_id", "delivery_mode", "expiration", "priority"] as const),
];

/** The properties of a message, under kombu's names. */
export function propertiesOf(options: PublishOptions, exchange: Exchange): MessageProperties {
  if (options === NOTHING) {
    return exchange.deliveryMode === undefined ? {} : { delivery_mode: exchange.deliveryMode };
  }
  const { replyTo, expirationMs, priority, deliveryMode } = options;
  const properties: Record<string, unknown> = { ...options.properties };
  const named = {
    reply_to: replyTo instanceof Queue ? replyTo.name : replyTo,
    correlation_id: options.correlationId,
    message_id: options.messageId,
    timestamp: options.timestamp,
    type: options.type,
    user_id: options.userId,
    app_id: options.appId,
    cluster_id: options.clusterId,
    delivery_mode: deliveryModeNumber(deliveryMode) ?? exchange.deliveryMode,
    expiration: expirationMs === undefined ? undefined : String(Math.round(expirationMs)),
    priority,
  };
  for (const name of NAMED) if (named[name] !== undefined) properties[name] = named[name];
  return properties;
}

/** The key that makes repeating a publish harmless. */
export function idempotencyKeyOf({ idempotencyKey }: PublishOptions): string {
  return idempotencyKey ?? newIdempotencyKey();
}
