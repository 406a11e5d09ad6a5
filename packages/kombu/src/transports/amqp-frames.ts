import type { Client } from "./amqp-client.js";

/**
 * What the broker sends, before amqplib reads it. Debian's py-amqp writes large whole numbers in the type `L`, which RabbitMQ takes
 * and passes on as it is. Amqplib does not know it and ends the connection, and the next connection at the same message: one
 * message would stop a consumer for ever. So `L` becomes `l`, which is the same number.
 */

const FRAME_HEADER_BYTES = 7;
const FRAME_END_BYTES = 1;
const HEADER_FRAME = 2;
/** In a header frame: class, weight and size of the body stand before the flags. */
const FLAGS_OFFSET = FRAME_HEADER_BYTES + 12;
const HAS_CONTENT_TYPE = 0x8000;
const HAS_CONTENT_ENCODING = 0x4000;
const HAS_HEADERS = 0x2000;

const LONG_OF_PYTHON = "L".charCodeAt(0);
const LONG = "l".charCodeAt(0);

/** How many bytes a value has behind its type, where that is always the same. */
const VALUE_BYTES: Readonly<Record<string, number>> = {
  ...{ t: 1, b: 1, B: 1, s: 2, u: 2, I: 4, i: 4, f: 4, D: 5, l: 8, L: 8, d: 8, T: 8, V: 0 },
};

/** Lets amqplib see only what it can read. To be called as soon as the connection is open. */
export function mendIncoming({ connection }: Client): void {
  const { stream } = connection;
  const read = stream.read.bind(stream);
  // What amqplib has read already and not used is the beginning of a frame.
  let rest = connection.rest;
  connection.rest = Buffer.alloc(0);
  stream.read = () => {
    for (let chunk = read(); chunk !== null; chunk = read()) {
      const [whole, left] = cutFrames(rest.length === 0 ? chunk : Buffer.concat([rest, chunk]));
      rest = left;
      if (whole.length > 0) return whole;
    }
    return null;
  };
}

/** All whole frames, mended, and what is left of the last one. */
function cutFrames(bytes: Buffer): readonly [whole: Buffer, left: Buffer] {
  const pieces: Buffer[] = [];
  let offset = 0;
  while (offset + FRAME_HEADER_BYTES <= bytes.length) {
    const end = offset + FRAME_HEADER_BYTES + bytes.readUInt32BE(offset + 3) + FRAME_END_BYTES;
    if (end > bytes.length) break;
    pieces.push(mendFrame(bytes.subarray(offset, end)));
    offset = end;
  }
  return [pieces.length === 1 ? pieces[0]! : Buffer.concat(pieces), bytes.subarray(offset)];
}

/** Changes the frame itself: nobody else has it. */
function mendFrame(frame: Buffer): Buffer {
  if (frame[0] !== HEADER_FRAME) return frame;
  const flags = frame.readUInt16BE(FLAGS_OFFSET);
  let offset = FLAGS_OFFSET + 2;
  for (const flag of [HAS_CONTENT_TYPE, HAS_CONTENT_ENCODING]) {
    if ((flags & flag) !== 0) offset += 1 + frame.readUInt8(offset);
  }
  if ((flags & HAS_HEADERS) !== 0) walk(frame, offset, true);
  return frame;
}

/** Goes through a table or a list, and returns where it ends. What it does not understand amqplib is left to complain about. */
function walk(frame: Buffer, start: number, hasKeys: boolean): number {
  let offset = start + 4;
  const end = offset + frame.readUInt32BE(start);
  while (offset < end) {
    if (hasKeys) offset += 1 + frame.readUInt8(offset);
    offset = walkValue(frame, offset);
  }
  return end;
}

function walkValue(frame: Buffer, offset: number): number {
  const type = frame.readUInt8(offset);
  if (type === LONG_OF_PYTHON) frame[offset] = LONG;
  const name = String.fromCharCode(type);
  const bytes = VALUE_BYTES[name];
  if (bytes !== undefined) return offset + 1 + bytes;
  if (name === "S" || name === "x") return offset + 5 + frame.readUInt32BE(offset + 1);
  if (name === "A" || name === "F") return walk(frame, offset + 1, name === "F");
  return frame.length;
}
