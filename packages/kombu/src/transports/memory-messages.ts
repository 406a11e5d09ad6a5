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

/** Messages are cut from slabs, apart from what lives shortly: few enough share one that one which stays long keeps little else. In bytes. */
const SLAB_BYTES = 32 * 1024;
const IN_SLAB_MAX = SLAB_BYTES / 8;
let slab = Buffer.alloc(0);
let slabUsed = 0;

function written(number: number, text: string, body: MessageContent["body"]): Uint8Array {
  const bodyAt = NUMBER_BYTES + text.length;
  const bytes = memory(bodyAt + body.byteLength);
  bytes.writeUInt32LE(number, 0);
  if (text !== "") bytes.write(text, NUMBER_BYTES, "latin1");
  bytes.set(body, bodyAt);
  return bytes;
}

function memory(size: number): Buffer {
  if (size > IN_SLAB_MAX) return Buffer.allocUnsafeSlow(size);
  if (size > slab.byteLength - slabUsed) {
    slab = Buffer.allocUnsafeSlow(SLAB_BYTES);
    slabUsed = 0;
  }
  slabUsed += size;
  return slab.subarray(slabUsed - size, slabUsed);
}
