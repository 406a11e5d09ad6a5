import { QueueError } from "./errors.js";

/** Payloads on the wire: URL-safe base64 with padding, as Google's answers had it. */

const ALPHABET = /^[A-Za-z0-9_+/-]*={0,2}$/;

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
  const bare = text.endsWith("=") ? text.replace(/=+$/, "") : text;
  const paddedRight = bare.length === text.length || text.length % 4 === 0;
  if (!ALPHABET.test(text) || bare.length % 4 === 1 || !paddedRight) {
    throw new QueueError(
      "invalid_argument",
      `${location} must be base64 (URL-safe alphabet, padding optional), got ${describeText(text)}`,
      { location },
    );
  }
  return Buffer.from(bare, "base64url");
}

function describeText(text: string): string {
  const shown = text.length > 40 ? `${text.slice(0, 40)}…` : text;
  return `${JSON.stringify(shown)} (${text.length} characters)`;
}
