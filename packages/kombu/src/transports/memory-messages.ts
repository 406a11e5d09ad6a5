import { limits, newIdempotencyKey } from "@pullqueue/core";
import { bufferOf } from "../buffer-of.js";
import {
  decodeEnvelope,
  isPlain,
  parseEnvelope,
  rawContent,
  readAttributes,
  writeAttributes,
} from "../envelope.js";
import { likeStored, toRemember } from "../envelope-template.js";
import { KombuError } from "../errors.js";
import type { MessageContent } from "../message-content.js";
import type { StoredMessage } from "../stored-message.js";
import type { StoredForm } from "./virtual-form.js";

/**
 * How messages stand in a memory that nobody but this process reads: a number, what an envelope says beside the body, and the body as it
 * is. Kombu's envelope would hold the same in base64, in half as many bytes again, written and read for nobody. The number is the length
 * of what is said, or its place among what has been said before, where it is not said again.
 *
 * The store shares its bytes, so that everything is copied into them and out of them.
 */
export const memoryForm: StoredForm = {
  write(content, destination, isEnvelope) {
    const { body } = content;
    if (!isEnvelope) return written(0, "", body);
    const attributes = writeAttributes(content, destination);
    refuseTooLarge(attributes.length, body.byteLength);
    const place = isPlain(content) ? placeOf(attributes) : undefined;
    if (place !== undefined) return written(SAID_BEFORE + place, "", body);
    const text = envelopeText(attributes);
    return written(text.length, text, body);
  },
  read(payload) {
    const bytes = bufferOf(payload);
    const number = bytes.readUInt32LE(0);
    const place = number - SAID_BEFORE;
    const bodyAt = place < 0 ? NUMBER_BYTES + number : NUMBER_BYTES;
    const body = Buffer.allocUnsafe(bytes.byteLength - bodyAt);
    bytes.copy(body, 0, bodyAt);
    if (place >= 0) return likeStored(said[place]!, body, said[place]!.deliveryTag);
    // What was published as bytes may still be an envelope.
    if (number === 0) return decodeEnvelope(body) ?? { content: rawContent(body) };
    return parsed(bytes.toString("latin1", NUMBER_BYTES, bodyAt), body);
  },
};

/** What goes through memory goes through every broker: envelopes count as if they were written. */
function refuseTooLarge(attributesLength: number, bodyBytes: number): void {
  const bytes = ENVELOPE_BYTES + attributesLength + 4 * Math.ceil(bodyBytes / 3);
  if (bytes <= limits.PAYLOAD_BYTES_MAX) return;
  throw new KombuError(
    "too_large",
    `a message must have at most ${limits.PAYLOAD_BYTES_MAX} bytes in its envelope, got ${bytes}; store the rest elsewhere and send a reference`,
  );
}

/** What an envelope has besides what is said in it: its beginning, its end, and a delivery tag. */
const ENVELOPE_BYTES = '{"body": "", ""}}'.length + newIdempotencyKey().length;

const NUMBER_BYTES = 4;

/** Numbers from here on are places. */
const SAID_BEFORE = 2 ** 31;

/** What messages say about which nothing is said in particular: where they go, and what type they are. Few of these make most messages. */
const said: StoredMessage[] = [];
const places = new Map<string, number>();
const SAID_MAX = 1000;

/** Where attributes stand; undefined when there are too many to have a place each. */
function placeOf(attributes: string): number | undefined {
  const known = places.get(attributes);
  if (known !== undefined || said.length >= SAID_MAX) return known;
  places.set(attributes, said.length);
  return said.push(toRemember(parsed(envelopeText(attributes), Buffer.alloc(0)))) - 1;
}

/** With no delivery tag: each delivery gets one of its own. */
function envelopeText(attributes: string): string {
  return `{${attributes}""}}`;
}

function parsed(text: string, body: Uint8Array): StoredMessage {
  return readAttributes(parseEnvelope(text)!, body)!;
}

/**
 * Messages are cut from slabs, because memory for each would cost more than the rest. Each slab is for messages of about one size, so
 * that one which stays long keeps at most sixteen times its own size. From this size on a message has memory of its own, in bytes.
 */
const OWN_MEMORY_BYTES = 4096;
const SLAB_MESSAGES = 8;

/** The slabs that are being cut, by the binary digits of their messages' sizes. */
const slabs: { bytes: Buffer; used: number }[] = [];

function written(number: number, text: string, body: MessageContent["body"]): Uint8Array {
  const bodyAt = NUMBER_BYTES + text.length;
  const bytes = memory(bodyAt + body.byteLength);
  bytes.writeUInt32LE(number, 0);
  if (text !== "") bytes.write(text, NUMBER_BYTES, "latin1");
  bytes.set(body, bodyAt);
  return bytes;
}

function memory(size: number): Buffer {
  if (size >= OWN_MEMORY_BYTES) return Buffer.allocUnsafeSlow(size);
  const digits = 32 - Math.clz32(size);
  let slab = slabs[digits];
  if (slab === undefined || slab.used + size > slab.bytes.byteLength) {
    slab = { bytes: Buffer.allocUnsafeSlow(SLAB_MESSAGES * 2 ** digits), used: 0 };
    slabs[digits] = slab;
  }
  slab.used += size;
  return slab.bytes.subarray(slab.used - size, slab.used);
}
