import type { StoredMessage } from "../stored-message.js";

/**
 * Kombu's envelope has no time of its own, and what it writes must not change. But its delivery tag is a UUID of no meaning, so
 * that ours are UUIDs that begin with the time (version 7): that is how messages expire and show their age.
 */

const US_PER_MS = 1000;
const MS_PER_SECOND = 1000;
const TAG_WITH_TIME = /^([0-9a-f]{8})-([0-9a-f]{4})-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;

/** A tag with this time; the rest from hex digits that are unlike those of all other messages. */
export function newDeliveryTag(nowUs: number, hex: string): string {
  const time = Math.floor(nowUs / US_PER_MS)
    .toString(16)
    .padStart(12, "0");
  const variant = (8 + (Number.parseInt(hex[3]!, 16) % 4)).toString(16);
  return `${time.slice(0, 8)}-${time.slice(8)}-7${hex.slice(0, 3)}-${variant}${hex.slice(4, 7)}-${hex.slice(7, 19)}`;
}

/** When a message was published, in milliseconds since the epoch: by its tag, else by its application's `timestamp`, else unknown. */
export function publishedAtMs({ deliveryTag, content }: StoredMessage): number | undefined {
  const [, high, low] = TAG_WITH_TIME.exec(deliveryTag) ?? [];
  if (high !== undefined && low !== undefined) return Number.parseInt(high + low, 16);
  const { timestamp } = content.properties;
  return typeof timestamp === "number" && timestamp > 0 ? timestamp * MS_PER_SECOND : undefined;
}
