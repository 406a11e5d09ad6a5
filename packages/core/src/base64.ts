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
  const bytes = Buffer.from(text, "base64url");
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

function describeText(text: string): string {
  const shown = text.length > 40 ? `${text.slice(0, 40)}…` : text;
  return `${JSON.stringify(shown)} (${text.length} characters)`;
}
