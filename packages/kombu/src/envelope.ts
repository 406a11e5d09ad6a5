import { isAscii, isUtf8 } from "node:buffer";
import { bufferOf } from "./buffer-of.js";
import { learnEnvelope, readBase64, usualEnvelope } from "./envelope-template.js";
import type { MessageContent, MessageProperties } from "./message-content.js";
import { writePythonJson, writeString } from "./python-json.js";
import { readPythonJson } from "./python-json-reader.js";
import type { EnvelopeAddress, StoredMessage } from "./stored-message.js";

/** The stored form of a message: the JSON object that kombu's virtual transports write, byte for byte. */

/** Properties that the envelope writes itself, in kombu's order, after those of the caller. */
const OWN_PROPERTIES: ReadonlySet<string> = new Set([
  ...["delivery_mode", "expiration", "delivery_info", "priority", "body_encoding", "delivery_tag"],
]);

/** AMQP's number for messages that survive the broker; kombu's default. */
const PERSISTENT = 2;

/** The bytes to store. Throws `not_serializable` for headers and properties that JSON cannot hold. */
export function encodeEnvelope(content: MessageContent, address: EnvelopeAddress): Uint8Array {
  const base64 = bufferOf(content.body).toString("base64");
  const attributes = writeAttributes(content, address);
  return Buffer.from(`{"body": "${base64}", ${attributes}${writeString(address.deliveryTag)}}}`, "latin1");
}

/** Where a message goes, without what tells it from others. */
export type Destination = Omit<EnvelopeAddress, "deliveryTag">;

/** What was written of a message about which nothing was said in particular. */
interface PlainAttributes extends Destination {
  readonly contentType: string | undefined;
  readonly contentEncoding: string | undefined;
  readonly deliveryMode: number | undefined;
  readonly text: string;
}

/** Of the last such message. The next is mostly one of the same producer, and to write this anew takes longer than its body. */
let plainAttributes: PlainAttributes | undefined;

/**
 * All that an envelope says beside the body, in ASCII, up to where the delivery tag, `}` and `}` follow. Throws `not_serializable`, as
 * `encodeEnvelope`.
 */
export function writeAttributes(content: MessageContent, { exchange, routingKey }: Destination): string {
  if (!isPlain(content)) return writeAllAttributes(content, { exchange, routingKey });
  const { contentType, contentEncoding } = content;
  const { delivery_mode: deliveryMode } = content.properties;
  const last = plainAttributes;
  if (
    last !== undefined &&
    last.contentType === contentType &&
    last.contentEncoding === contentEncoding &&
    last.deliveryMode === deliveryMode &&
    last.exchange === exchange &&
    last.routingKey === routingKey
  ) {
    return last.text;
  }
  const text = writeAllAttributes(content, { exchange, routingKey });
  plainAttributes = { contentType, contentEncoding, deliveryMode, exchange, routingKey, text };
  return text;
}

/** Whether a message has no headers, and no property but a delivery mode: most have not. */
export function isPlain({ headers, properties }: MessageContent): boolean {
  for (const _ in headers) return false;
  for (const name in properties) if (name !== "delivery_mode") return false;
  return true;
}

function writeAllAttributes(content: MessageContent, destination: Destination): string {
  const { contentType = null, contentEncoding = null, headers } = content;
  return (
    `"content-encoding": ${writePythonJson(contentEncoding)}, ` +
    `"content-type": ${writePythonJson(contentType)}, "headers": ${writePythonJson(headers)}, ` +
    `"properties": {${writeProperties(content.properties, destination)}`
  );
}

function writeProperties(properties: MessageProperties, destination: Destination): string {
  const { delivery_mode = PERSISTENT, expiration, priority } = properties;
  const callers = Object.entries(properties).filter(([name]) => !OWN_PROPERTIES.has(name));
  const first = writePythonJson(
    Object.fromEntries([
      ...callers,
      ["delivery_mode", delivery_mode],
      ...(expiration === undefined ? [] : [["expiration", expiration]]),
    ]),
  );
  const exchange = writeString(destination.exchange);
  const routingKey = writeString(destination.routingKey);
  return (
    `${first.slice(1, -1)}, "delivery_info": {"exchange": ${exchange}, "routing_key": ${routingKey}}, ` +
    `"priority": ${writePythonJson(priority || 0)}, "body_encoding": "base64", "delivery_tag": `
  );
}

/**
 * A stored message from its bytes. An envelope is a UTF-8 JSON object with a text `body` and `properties.delivery_tag`;
 * anything else, and an envelope whose body cannot be taken out, arrives raw: undefined here, never an error.
 */
export function decodeEnvelope(bytes: Uint8Array): StoredMessage | undefined {
  const text = envelopeText(bytes);
  if (text === undefined) return undefined;
  const usual = usualEnvelope(text);
  if (usual !== undefined) return usual;
  const envelope = parseEnvelope(text);
  if (envelope === undefined) return undefined;
  const { body_encoding: encoding } = recordOf(envelope.properties);
  const body = readBody(envelope.body, encoding);
  const stored = body === undefined ? undefined : readAttributes(envelope, body);
  if (stored !== undefined && encoding === "base64") learnEnvelope(text, stored);
  return stored;
}

/** What `writeAttributes` wrote, parsed, and a body. Undefined without a delivery tag: then it is no envelope. */
export function readAttributes(envelope: PlainObject, body: Uint8Array): StoredMessage | undefined {
  const { body_encoding: _, delivery_info, delivery_tag, ...properties } = recordOf(envelope.properties);
  const deliveryTag = typeof delivery_tag === "number" ? String(delivery_tag) : textOf(delivery_tag);
  if (deliveryTag === undefined) return undefined;
  const info = recordOf(delivery_info);
  const headers = recordOf(envelope.headers);
  return {
    content: {
      body,
      contentType: textOf(envelope["content-type"]),
      contentEncoding: textOf(envelope["content-encoding"]),
      headers,
      properties,
      raw: false,
    },
    exchange: textOf(info.exchange) ?? "",
    routingKey: textOf(info.routing_key) ?? "",
    deliveryTag,
    redelivered: [envelope, headers, info].some((place) => place.redelivered === true),
  };
}

/** A message that is nothing but its bytes. */
export function rawContent(body: Uint8Array): MessageContent {
  return { body, contentType: undefined, contentEncoding: undefined, headers: {}, properties: {}, raw: true };
}

type PlainObject = Readonly<Record<string, unknown>>;

function envelopeText(bytes: Uint8Array): string | undefined {
  const text = bufferOf(bytes);
  if (!mayBeObject(text)) return undefined;
  if (isAscii(text)) return text.toString("latin1");
  return isUtf8(text) ? text.toString("utf8") : undefined;
}

/** A JSON object; undefined for what is none. */
export function parseEnvelope(text: string): PlainObject | undefined {
  try {
    return recordOf(readPythonJson(text));
  } catch {
    return undefined; // Not JSON: a task of somebody who does not know kombu.
  }
}

/** Whether the first character that is not white space opens an object, so that images and the like are not parsed. */
function mayBeObject(bytes: Uint8Array): boolean {
  if (bytes[0] === 0x7b) return true;
  const first = bytes.find((byte) => byte !== 0x20 && byte !== 0x09 && byte !== 0x0a && byte !== 0x0d);
  return first === 0x7b;
}

/** Kombu with `body_encoding` utf-8 writes a body that is no text as one of its `__type__` objects, which is bytes by now. */
function readBody(body: unknown, encoding: unknown): Uint8Array | undefined {
  if (body instanceof Uint8Array) return body;
  if (typeof body !== "string") return undefined;
  if (encoding === "base64") return readBase64(body);
  const isText = encoding === undefined || encoding === null || encoding === "utf-8";
  return isText && body.isWellFormed() ? Buffer.from(body, "utf8") : undefined;
}

function recordOf(value: unknown): PlainObject {
  const isRecord =
    typeof value === "object" && value !== null && Object.getPrototypeOf(value) === Object.prototype;
  return isRecord ? (value as PlainObject) : {};
}

function textOf(value: unknown): string | undefined {
  return typeof value === "string" ? value : undefined;
}
