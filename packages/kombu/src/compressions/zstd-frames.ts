import { ByteReader } from "./byte-reader.js";

/** The headers of Zstandard's frames and blocks: https://www.rfc-editor.org/rfc/rfc8878.html#section-3. */

const FRAME = 0xfd2fb528;
/** The lowest four bits of a skippable frame's number are free. */
const SKIPPABLE = 0x184d2a5;
const DICTIONARY_ID_BYTES = [0, 1, 2, 4];
const RLE_BLOCK = 1;
const COMPRESSED_BLOCK = 2;

/**
 * The length of what comes out, where all frames say it. Throws a RangeError when a frame says, or needs, more than a limit, and an
 * Error when the bytes are no frames, or need a dictionary.
 */
export function checkZstdFrames(body: Uint8Array, bytesMax: number): number | undefined {
  const input = new ByteReader(body);
  let total: number | undefined = 0;
  if (input.isAtEnd) throw new Error("not zstd");
  while (!input.isAtEnd) {
    const magic = input.integer(4);
    if (Math.floor(magic / 16) === SKIPPABLE) {
      input.take(input.integer(4));
      continue;
    }
    if (magic !== FRAME) throw new Error("not zstd");
    const length = readFrame(input, bytesMax);
    total = total === undefined || length === undefined ? undefined : total + length;
    if (total !== undefined && total > bytesMax) throw new RangeError(`over ${bytesMax} bytes`);
  }
  return total;
}

function readFrame(input: ByteReader, bytesMax: number): number | undefined {
  const descriptor = input.byte();
  const isSingleSegment = (descriptor & 0x20) !== 0;
  const windowBytes = isSingleSegment ? 0 : windowOf(input.byte());
  const dictionaryId = input.integer(DICTIONARY_ID_BYTES[descriptor & 3]!);
  if (dictionaryId !== 0) throw new Error("zstd that needs a dictionary");
  const length = readLength(input, descriptor >> 6, isSingleSegment);
  if (Math.max(windowBytes, length ?? 0) > bytesMax) throw new RangeError(`over ${bytesMax} bytes`);
  for (let isLast = false; !isLast; ) isLast = readBlock(input);
  if ((descriptor & 4) !== 0) input.take(4);
  return length;
}

/** A power of two and eighths of it. */
function windowOf(byte: number): number {
  const base = 2 ** (10 + (byte >> 3));
  return base + (base / 8) * (byte & 7);
}

function readLength(input: ByteReader, flag: number, isSingleSegment: boolean): number | undefined {
  if (flag === 0) return isSingleSegment ? input.byte() : undefined;
  return flag === 1 ? input.integer(2) + 256 : input.integer(flag === 2 ? 4 : 8);
}

/** Whether it was the last of its frame. */
function readBlock(input: ByteReader): boolean {
  const header = input.integer(3);
  const type = (header >> 1) & 3;
  if (type > COMPRESSED_BLOCK) throw new Error("an unknown zstd block");
  input.take(type === RLE_BLOCK ? 1 : header >> 3);
  return (header & 1) === 1;
}
