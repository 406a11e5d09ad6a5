import { countOf } from "../count-of.js";
import { decodeEnvelope, rawContent } from "../envelope.js";
import type { MessageContent } from "../message-content.js";
import type { StoredMessage } from "../stored-message.js";
import { firstItemSpan, memberSpan, withMember } from "./redis-json.js";

/** Items of Redis's lists and what is kept of held ones, as bytes: read, marked as delivered before, and taken out again. */

/** RabbitMQ's name for it: how often the message was delivered before. */
const DELIVERY_COUNT = "x-delivery-count";

/** Set in what stands for a held message that is no envelope. */
const RAW_MARK = "x-pullqueue-raw";

/** An item as a message. */
export interface RedisItem {
  /** What is put back. */
  readonly bytes: Uint8Array;
  readonly content: MessageContent;
  /** Undefined for what is no envelope. */
  readonly stored: StoredMessage | undefined;
}

/** Reads an item. What stands for something that is no envelope becomes that again. */
export function readItem(bytes: Uint8Array): RedisItem {
  const stored = decodeEnvelope(bytes);
  if (stored === undefined) return { bytes, content: rawContent(bytes), stored };
  if (stored.content.headers[RAW_MARK] !== true) return { bytes, content: stored.content, stored };
  const { body } = stored.content;
  return { bytes: body, content: rawContent(body), stored: undefined };
}

/** The priority that a message asks for, 0 when it says nothing that is a number. As kombu reads it; the lists have the limits. */
export function priorityOf({ properties }: MessageContent): number {
  const priority = Math.trunc(Number(properties.priority ?? 0));
  return Number.isFinite(priority) ? priority : 0;
}

/** How often a message says that it was delivered before. */
export function deliveriesBefore({ headers }: MessageContent): number {
  return countOf(headers[DELIVERY_COUNT]);
}

/**
 * The item as it is given back after somebody had it: marked in the two places where kombu marks it, and counted where that is
 * wanted. What is no envelope stays as it is.
 */
export function markRedelivered({ bytes, stored }: RedisItem, deliveryCount: number | undefined): Uint8Array {
  if (stored === undefined) return bytes;
  let text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("utf8");
  const root = text.indexOf("{");
  if (!isObjectAt(text, memberSpan(text, root, "headers"))) text = withMember(text, root, "headers", "{}");
  const headers = () => memberSpan(text, root, "headers")!.start;
  text = withMember(text, headers(), "redelivered", "true");
  if (deliveryCount !== undefined) {
    text = withMember(text, headers(), DELIVERY_COUNT, String(deliveryCount));
  }
  const properties = memberSpan(text, root, "properties");
  const info = properties === undefined ? undefined : memberSpan(text, properties.start, "delivery_info");
  if (isObjectAt(text, info)) text = withMember(text, info!.start, "redelivered", "true");
  return Buffer.from(text, "utf8");
}

function isObjectAt(text: string, span: { readonly start: number } | undefined): boolean {
  return span !== undefined && text[span.start] === "{";
}

/** What is kept of a held message. */
export interface HeldRecord {
  readonly item: RedisItem;
  /** Empty where ours: then the key is the queue. */
  readonly exchange: string;
  readonly routingKey: string;
}

/** Reads what is kept of a held message: `[envelope, exchange, routing key]`. Undefined for what is something else. */
export function readRecord(bytes: Uint8Array): HeldRecord | undefined {
  try {
    const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("utf8");
    const { start, end } = firstItemSpan(text);
    const [, exchange, routingKey]: unknown[] = JSON.parse(`[0${text.slice(end)}`);
    if (text[start] !== "{" || typeof routingKey !== "string") return undefined;
    const item = readItem(Buffer.from(text.slice(start, end), "utf8"));
    return { item, exchange: typeof exchange === "string" ? exchange : "", routingKey };
  } catch {
    return undefined; // Somebody else's: it stays where it is.
  }
}
