import { createHash } from "node:crypto";
import { crc32 } from "node:zlib";
import type { Compressor } from "../compressor.js";
import { BoundedBytes } from "./bounded-bytes.js";
import { ByteReader } from "./byte-reader.js";
import { crc64 } from "./crc64.js";
import { LzmaDecoder, lzmaProperties } from "./lzma-decoder.js";

/** The .xz container (https://tukaani.org/xz/xz-file-format.txt), which kombu writes, and the older .lzma file, which it reads too. */
export const xzCompressor: Compressor = {
  contentType: "application/x-lzma",
  aliases: ["lzma", "xz"],
  decompress(body, { maxOutputLength }) {
    const output = new BoundedBytes(maxOutputLength);
    const input = new ByteReader(body);
    if (isXz(body)) while (!input.isAtEnd) readStream(input, output);
    else readAlone(input, output);
    return output.bytes();
  },
};

const MAGIC = Buffer.from([0xfd, 0x37, 0x7a, 0x58, 0x5a, 0x00]);
const FOOTER_MAGIC = Buffer.from("YZ");
const LZMA2 = 0x21;
/** Largest code of a dictionary's size: 4 GiB. */
const DICTIONARY_CODE_MAX = 40;
const ALIGNMENT = 4;

/** Checksums by the number of their kind, and their size in bytes. */
const CHECK_BYTES: readonly number[] = [0, 4, 4, 4, 8, 8, 8, 16, 16, 16, 32, 32, 32, 64, 64, 64];
const CHECKS: ReadonlyMap<number, (bytes: Uint8Array) => string> = new Map([
  [1, (bytes) => crc32(bytes).toString(16).padStart(8, "0")],
  [4, crc64],
  [10, (bytes) => createHash("sha256").update(bytes).digest("hex")],
]);

function isXz(body: Uint8Array): boolean {
  return MAGIC.equals(body.subarray(0, MAGIC.byteLength));
}

function readStream(input: ByteReader, output: BoundedBytes): void {
  if (!MAGIC.equals(input.take(MAGIC.byteLength))) throw new Error("not xz");
  const flags = checked(input, () => input.take(2));
  const check = flags[1]!;
  if (flags[0] !== 0 || check >= CHECK_BYTES.length) throw new Error("unknown xz flags");
  let blocks = 0;
  for (; input.peek() !== 0; blocks++) readBlock(input, output, check);
  readIndex(input, blocks);
  const footerChecksum = input.integer(4);
  const footer = input.take(6);
  if (footerChecksum !== crc32(footer) || !FOOTER_MAGIC.equals(input.take(2)))
    throw new Error("a broken xz footer");
  // Streams may follow each other, with zeros in between.
  while (input.peek() === 0) input.take(ALIGNMENT);
}

function readBlock(input: ByteReader, output: BoundedBytes, check: number): void {
  const start = input.at;
  checked(input, () => readBlockHeader(input));
  const first = output.length;
  readLzma2(input, output);
  while ((input.at - start) % ALIGNMENT !== 0) if (input.byte() !== 0) throw new Error("broken xz padding");
  const checksum = input.take(CHECK_BYTES[check]!);
  const expected = CHECKS.get(check)?.(output.bytes().subarray(first));
  // Hashes stand as they are, cyclic checksums with the lowest byte first.
  const found = Buffer.from(checksum);
  if (expected !== undefined && expected !== (check === 10 ? found : found.reverse()).toString("hex")) {
    throw new Error("a wrong xz checksum");
  }
}

function readBlockHeader(input: ByteReader): void {
  const start = input.at;
  const size = (input.byte() + 1) * ALIGNMENT;
  const flags = input.byte();
  if ((flags & 0x3f) !== 0) throw new Error("xz with other filters than LZMA2");
  if ((flags & 0x40) !== 0) readVarint(input);
  if ((flags & 0x80) !== 0) readVarint(input);
  const isLzma2 = readVarint(input) === LZMA2 && readVarint(input) === 1;
  if (!isLzma2 || input.byte() > DICTIONARY_CODE_MAX) throw new Error("xz with other filters than LZMA2");
  while (input.at - start < size - ALIGNMENT)
    if (input.byte() !== 0) throw new Error("a broken xz block header");
}

/** How many blocks there were, and how long they are: what is needed is the number. */
function readIndex(input: ByteReader, blocks: number): void {
  const start = input.at;
  checked(input, () => {
    input.byte();
    const count = readVarint(input);
    if (count !== blocks) throw new Error("an xz index of other blocks");
    for (let record = 0; record < 2 * count; record++) readVarint(input);
    while ((input.at - start) % ALIGNMENT !== 0) input.byte();
  });
}

/** Reads something that its CRC-32 follows. */
function checked<T>(input: ByteReader, read: () => T): T {
  const start = input.at;
  const result = read();
  const bytes = input.since(start);
  if (input.integer(4) !== crc32(bytes)) throw new Error("a wrong xz checksum");
  return result;
}

/** Seven bits in each byte, the lowest first, at most nine bytes. */
function readVarint(input: ByteReader): number {
  let value = 0;
  for (let index = 0; index < 9; index++) {
    const byte = input.byte();
    value += (byte & 0x7f) * 128 ** index;
    if (byte < 0x80) return value;
  }
  throw new Error("a broken xz number");
}

/** LZMA2: chunks of LZMA or of plain bytes, each saying how much of what was before it needs. */
function readLzma2(input: ByteReader, output: BoundedBytes): void {
  const decoder = new LzmaDecoder(output);
  decoder.resetDictionary();
  for (let control = input.byte(); control !== 0; control = input.byte()) {
    if (control >= 0x80) {
      readLzmaChunk(input, output, decoder, control);
      continue;
    }
    if (control > 2) throw new Error("a broken LZMA2 chunk");
    if (control === 1) decoder.resetDictionary();
    output.put(input.take(readBigEndian16(input) + 1));
  }
}

function readLzmaChunk(input: ByteReader, output: BoundedBytes, decoder: LzmaDecoder, control: number): void {
  const bytes = (control & 0x1f) * 65_536 + readBigEndian16(input) + 1;
  const packed = readBigEndian16(input) + 1;
  const reset = (control >> 5) & 3;
  if (reset === 3) decoder.resetDictionary();
  if (reset >= 2) decoder.resetState(lzmaProperties(input.byte()));
  else if (reset === 1) decoder.resetState();
  const chunk = new ByteReader(input.take(packed));
  decoder.open(chunk);
  const hasEnded = decoder.decode(output.length + bytes);
  if (hasEnded || !decoder.isFinished || !chunk.isAtEnd) throw new Error("a broken LZMA2 chunk");
}

function readBigEndian16(input: ByteReader): number {
  return input.byte() * 256 + input.byte();
}

/** The older file: properties, the dictionary's size (needless here), and the length, which may be unknown. */
function readAlone(input: ByteReader, output: BoundedBytes): void {
  const properties = lzmaProperties(input.byte());
  input.take(4);
  const size = input.take(8);
  const isUnknown = size.every((byte) => byte === 0xff);
  const length = new ByteReader(size).integer(8);
  const decoder = new LzmaDecoder(output);
  decoder.resetState(properties);
  decoder.open(input);
  const hasEnded = decoder.decode(isUnknown ? Number.POSITIVE_INFINITY : length);
  if (output.length !== length && !(isUnknown && hasEnded)) throw new Error("LZMA ends too soon");
}
