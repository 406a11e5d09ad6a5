import { KombuError } from "../errors.js";
import { NAME_BYTES_MAX } from "../limits.js";
import type { MessageContent, MessageProperties } from "../message-content.js";
import type { ClientMessage, ClientProperties } from "./amqp-client.js";
import { readTable, writeTable } from "./amqp-table.js";

/** Messages between kombu's names and amqplib's. On AMQP there is no envelope: a body as it is, headers and properties. */

/** Our names of AMQP's properties, and the client's. `content_type`, `content_encoding` and headers stand beside them. */
const PROPERTY_NAMES = {
  delivery_mode: "deliveryMode",
  priority: "priority",
  correlation_id: "correlationId",
  reply_to: "replyTo",
  expiration: "expiration",
  message_id: "messageId",
  timestamp: "timestamp",
  type: "type",
  user_id: "userId",
  app_id: "appId",
  cluster_id: "clusterId",
} as const;

type PropertyName = keyof typeof PROPERTY_NAMES;

const NUMBERS: ReadonlySet<string> = new Set(["delivery_mode", "priority", "timestamp"]);

/** AMQP's number for messages that survive the broker; kombu's default. */
const PERSISTENT = 2;

const DECIMAL = /^[0-9]+$/;

/** The properties to send. Errors: `not_supported` for one that AMQP has not, `invalid_argument`, `not_serializable`. */
export function writeProperties(content: MessageContent): ClientProperties {
  if (content.raw) return { deliveryMode: PERSISTENT };
  const { contentType, contentEncoding, headers } = content;
  const written: Record<string, unknown> = {};
  for (const [name, value] of Object.entries({
    delivery_mode: PERSISTENT,
    priority: 0,
    ...content.properties,
  })) {
    if (value !== undefined && value !== null) written[clientName(name)] = writeProperty(name, value);
  }
  return { contentType, contentEncoding, headers: writeTable(headers), ...written };
}

function clientName(name: string): string {
  if (Object.hasOwn(PROPERTY_NAMES, name)) return PROPERTY_NAMES[name as PropertyName];
  const known = Object.keys(PROPERTY_NAMES).join(", ");
  throw new KombuError(
    "not_supported",
    `AMQP has no property ${JSON.stringify(name)}, only ${known}; put it into the headers`,
  );
}

/** RabbitMQ closes a channel on which it cannot read a property, so that it must be right before. */
function writeProperty(name: string, value: unknown): unknown {
  if (name === "timestamp" && value instanceof Date) return Math.floor(value.getTime() / 1000);
  const isRight = NUMBERS.has(name)
    ? Number.isSafeInteger(value) && (value as number) >= 0
    : typeof value === "string" && Buffer.byteLength(value) <= NAME_BYTES_MAX;
  if (isRight && (name !== "expiration" || DECIMAL.test(value as string))) return value;
  const expected = NUMBERS.has(name)
    ? "a whole number"
    : name === "expiration"
      ? "milliseconds as decimal text"
      : `text of at most ${NAME_BYTES_MAX} bytes`;
  throw new KombuError(
    "invalid_argument",
    `the property ${name} must be ${expected} on AMQP, got ${String(value)}`,
  );
}

/** A message as it arrived. One without a content type says nothing about itself: it is raw. */
export function readContent({ properties: sent, content: body }: ClientMessage): MessageContent {
  const { contentType, contentEncoding, headers = {} } = sent;
  const properties: Record<string, unknown> = {};
  for (const [name, clientsName] of Object.entries(PROPERTY_NAMES)) {
    const value = sent[clientsName];
    if (value !== undefined) properties[name] = value;
  }
  return {
    body,
    contentType,
    contentEncoding,
    headers: readTable(headers),
    properties: properties as MessageProperties,
    raw: contentType === undefined,
  };
}

/** How long a message lives from now at most, in milliseconds, by its own `expiration`. */
export function lifeMs({ expiration }: MessageProperties): number | undefined {
  return typeof expiration === "string" && DECIMAL.test(expiration) ? Number(expiration) : undefined;
}
