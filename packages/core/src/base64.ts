import { QueueError } from "./errors.js";

/** Payloads on the wire: URL-safe base64 with padding, as Google's answers had it. */

/** Bytes as URL-safe base64 with padding. */
export function encodePayload(payload: Uint8Array): string {
  const bytes = Buffer.from(payload.buffer, payload.byteOffset, payload.byteLength);
  const text = bytes.toString("base64url");
  const rest = text.length % 4;
  return rest === 0 ? text : text + "=".repeat(4 - rest);
}

/**
 * Bytes of base64 text. Takes both alphabets, because Python's client sent the standard one, and missing padding, which
 * Google's server added by itself. Throws `invalid_argument` for anything else.
 */
export function decodePayload(text: string, location = "payloadBase64"): Uint8Array {
  const padding = text.endsWith("==") ? 2 : text.endsWith("=") ? 1 : 0;
  const digits = text.length - padding;
  const bytes = decoded(text);
  // Node skips what is no digit, so the length tells; but it reads only the low byte of each character.
  const isWhole =
    bytes.byteLength === Math.floor((digits * 3) / 4) && Buffer.byteLength(text) === text.length;
  if (isWhole && digits % 4 !== 1 && (padding === 0 || text.length % 4 === 0)) return bytes;
  throw new QueueError(
    "invalid_argument",
    `${location} must be base64 (URL-safe alphabet, padding optional), got ${describeText(text)}`,
    { location },
  );
}

/** Payloads are cut from slabs: few enough share one that a message which is held for long keeps little else. In bytes. */
const SLAB_BYTES = 32 * 1024;
const IN_SLAB_MAX = SLAB_BYTES / 8;
let slab = Buffer.alloc(0);
let slabUsed = 0;

/** What Node makes of the text. Node's own pool is so small that a new one would come with every few messages. */
function decoded(text: string): Buffer {
  if (text.length > IN_SLAB_MAX) return Buffer.from(text, "base64url");
  if (text.length > slab.byteLength - slabUsed) {
    slab = Buffer.allocUnsafeSlow(SLAB_BYTES);
    slabUsed = 0;
  }
  const start = slabUsed;
  slabUsed += slab.write(text, start, "base64url");
  return slab.subarray(start, slabUsed);
}

function describeText(text: string): string {
  const shown = text.length > 40 ? `${text.slice(0, 40)}…` : text;
  return `${JSON.stringify(shown)} (${text.length} characters)`;
}
