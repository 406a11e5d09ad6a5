import type { StoredMessage } from "./stored-message.js";

/**
 * Envelopes of one producer differ in their bodies and delivery tags alone, as long as nothing is said about a message in particular. What
 * stands between the two is compared with that of an envelope that was parsed before; to parse it again costs more than all else.
 */

/** What begins every envelope that kombu and we write. */
const HEAD = '{"body": "';
const TAG_NAME = "delivery_tag";
const TAG = `"${TAG_NAME}": "`;
const TAIL = '"}}';

/** A tag in which nothing is escaped. */
const PLAIN_TAG = /^[\w.-]{1,255}$/;

/** Longer ones are not for many messages. In characters. */
const MIDDLE_LENGTH_MAX = 1024;

interface Template {
  /** From the quote that ends the body to the one that begins the delivery tag. */
  readonly middle: string;
  readonly stored: StoredMessage;
}

/** The envelope that was parsed last. */
let template: Template | undefined;

/** A stored message like the last one that was parsed; undefined for any other. */
export function usualEnvelope(text: string): StoredMessage | undefined {
  if (template === undefined || !text.startsWith(HEAD) || !text.endsWith(TAIL)) return undefined;
  const { middle, stored } = template;
  const bodyEnd = text.indexOf('"', HEAD.length);
  if (!text.startsWith(middle, bodyEnd)) return undefined;
  const deliveryTag = text.slice(bodyEnd + middle.length, -TAIL.length);
  const body = PLAIN_TAG.test(deliveryTag) ? readBase64(text.slice(HEAD.length, bodyEnd)) : undefined;
  if (body === undefined) return undefined;
  return likeStored(stored, body, deliveryTag);
}

/** A message that differs from another one, which is flat and was not redelivered, in its body and tag alone. */
export function likeStored(stored: StoredMessage, body: Uint8Array, deliveryTag: string): StoredMessage {
  const { contentType, contentEncoding, headers, properties } = stored.content;
  return {
    // Copies, because they are the next program's to keep.
    content: {
      body,
      contentType,
      contentEncoding,
      headers: { ...headers },
      properties: { ...properties },
      raw: false,
    },
    exchange: stored.exchange,
    routingKey: stored.routingKey,
    deliveryTag,
    redelivered: false,
  };
}

/** What is to be remembered of a message: neither its body, nor what its program may change. */
export function toRemember(stored: StoredMessage): StoredMessage {
  return likeStored(stored, NOTHING, stored.deliveryTag);
}

/** Remembers an envelope whose body is base64, if one with another body and tag would read the same but for these. */
export function learnEnvelope(text: string, stored: StoredMessage): void {
  const { content, deliveryTag } = stored;
  const tagAt = text.lastIndexOf(TAG) + TAG.length;
  const middle = text.slice(text.indexOf('"', HEAD.length), tagAt);
  const isUsual =
    text.startsWith(HEAD) &&
    middle.length <= MIDDLE_LENGTH_MAX &&
    // The only places of the two, and the only spelling of their names.
    middle.indexOf(TAG_NAME) === middle.length - TAG.length + 1 &&
    !middle.includes('"body"') &&
    !middle.includes("\\") &&
    PLAIN_TAG.test(deliveryTag) &&
    text.slice(tagAt) === deliveryTag + TAIL &&
    !stored.redelivered &&
    isFlat(content.headers) &&
    isFlat(content.properties);
  if (isUsual) template = { middle, stored: toRemember(stored) };
}

const NOTHING = new Uint8Array();

/** Whether a copy of it shares nothing with it. */
function isFlat(object: Readonly<Record<string, unknown>>): boolean {
  return Object.values(object).every((value) => typeof value !== "object" || value === null);
}

/** Node's decoder skips what is not base64, so that only the length tells. */
export function readBase64(text: string): Uint8Array | undefined {
  const padding = text.endsWith("==") ? 2 : text.endsWith("=") ? 1 : 0;
  const bytes = Buffer.from(text, "base64");
  return bytes.length === (text.length / 4) * 3 - padding ? bytes : undefined;
}
