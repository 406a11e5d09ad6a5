import type { Compressor } from "../compressor.js";
import { requireOptional } from "../optional-module.js";
import { BoundedBytes } from "./bounded-bytes.js";
import { ByteReader } from "./byte-reader.js";

/** What is used of https://www.npmjs.com/package/seek-bzip. */
interface BzipLibrary {
  decode(
    input: {
      readByte(): number;
      read(buffer: Uint8Array, offset: number, length: number): number;
      seek(position: number): void;
    },
    output: { writeByte(byte: number): void },
  ): void;
}

/** bzip2 is read through the package seek-bzip, which writes none. */
export const bzip2Compressor: Compressor = {
  contentType: "application/x-bz2",
  aliases: ["bzip2", "bzip"],
  decompress(body, { maxOutputLength }) {
    const library = requireOptional<BzipLibrary>("seek-bzip", "reading bzip2");
    const input = new ByteReader(body);
    const output = new BoundedBytes(maxOutputLength);
    const source = {
      readByte: () => input.byte(),
      read(buffer: Uint8Array, offset: number, length: number) {
        buffer.set(input.take(length), offset);
        return length;
      },
      seek: neverSought,
    };
    // Streams may follow each other. Asked for all of them, the library takes a stream for complete that was cut off.
    do library.decode(source, { writeByte: (byte) => output.putByte(byte) });
    while (!input.isAtEnd);
    return output.bytes();
  },
};

/** The library seeks only for who reads single blocks. */
function neverSought(): never {
  throw new Error("bzip2 is read from front to back");
}
