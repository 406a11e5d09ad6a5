import { describe, expect, it } from "vitest";
import { compress, decompress } from "../../src/compression.js";
import { crc64 } from "../../src/compressions/crc64.js";
import { xzCompressor } from "../../src/compressions/xz.js";
import { zstdCompressor } from "../../src/compressions/zstd.js";
import { isKombuError } from "../../src/errors.js";

/** `hello hello hello hello ` and a thousand spaces behind it, as Python's libraries write them. */
const BODY = Buffer.from("hello ".repeat(4) + " ".repeat(1000));
const SAMPLES: readonly (readonly [string, string])[] = [
  [
    "xz",
    "/Td6WFoAAATm1rRGAgAhARYAAAB0L+Wj4AP/ABNdADQZSe6N6VYMeccNbM2KQscNtgAAALqNv05FGfnXAAEvgAgAAABD+/1BscRn+wIAAAAABFla",
  ],
  ["lzma", "XQAAgAD//////////wA0GUnujelWDHnHDWzNikMDqkn//+U7AAA="],
  ["bzip2", "QlpoOTFBWSZTWdUUuHIAAA0RAcAAAkSAQAAIIAAgqKGQhgNmcFlPFm4aOnxdyRThQkNUUuHI"],
  ["zstd", "KLUv/WAAA30AADBoZWxsbyACAOVBBeKVIg=="],
];

/** What becomes of bytes under a name: the body, or the code of the error. */
function outcome(bytes: Uint8Array, name: string): string {
  try {
    return Buffer.from(decompress(bytes, name)).toString();
  } catch (error) {
    return isKombuError(error) ? error.code : String(error);
  }
}

describe.each(SAMPLES)("decompress() of %s", (name, base64) => {
  const bytes = Buffer.from(base64, "base64");

  it(`decompress() reads ${name}`, () => {
    expect(outcome(bytes, name)).toBe(BODY.toString());
  });

  it(`decompress() refuses ${name} that was cut off, wherever that was`, () => {
    const ends = Array.from(bytes, (_, length) => outcome(bytes.subarray(0, length), name));
    expect(new Set(ends)).toEqual(new Set(["decode_failed"]));
  });

  it(`decompress() never fails otherwise than as it says when ${name} is damaged, and checksums tell of all damage`, () => {
    const hasChecksum = name === "xz" || name === "bzip2";
    for (let index = 0; index < bytes.byteLength; index++) {
      for (const flip of [1, 0x80, 0xff]) {
        const damaged = Buffer.from(bytes);
        damaged[index]! ^= flip;
        const result = outcome(damaged, name);
        const isRefused = ["decode_failed", "too_large"].includes(result);
        if (hasChecksum && !isRefused) expect([index, flip, result]).toEqual([index, flip, BODY.toString()]);
        expect(result).not.toMatch(/^[A-Z]\w*Error/);
      }
    }
  });
});

describe("crc64()", () => {
  it("crc64() is the one of the check that its authors publish", () => {
    expect(crc64(Buffer.from("123456789"))).toBe("995dc9bbdf1939fa");
  });
});

describe("xzCompressor", () => {
  it("decompress() refuses filters that kombu does not write, instead of giving nonsense", () => {
    const delta = "fd377a585a000004e6d6b44602010301002101167920c4eee003ff00155d00343f3ce0002194e8e8";
    const read = () => xzCompressor.decompress!(Buffer.from(delta, "hex"), { maxOutputLength: 10_000 });
    expect(read).toThrow("xz with other filters than LZMA2");
  });
});

describe("zstdCompressor()", () => {
  /** A frame without a length: its window, and a block of this many thousand equal bytes. */
  const frame = (windowByte: number, thousands: number) => {
    const block = ((thousands * 1000) << 3) | 3;
    return Buffer.from([
      0x28,
      0xb5,
      0x2f,
      0xfd,
      0,
      windowByte,
      block & 0xff,
      (block >> 8) & 0xff,
      block >> 16,
      7,
    ]);
  };
  const byLibrary = zstdCompressor({}).decompress!;
  const limit = { maxOutputLength: 100_000 };

  it("decompress() reads frames one after another, and those to be skipped", () => {
    const skipped = Buffer.from([0x5f, 0x2a, 0x4d, 0x18, 3, 0, 0, 0, 9, 9, 9]);
    expect(byLibrary(Buffer.concat([frame(0, 1), skipped, frame(0, 1)]), limit)).toEqual(
      new Uint8Array(2000).fill(7),
    );
  });

  it("decompress() stops at the limit, also where no frame says how long it is", () => {
    const many = Buffer.concat(Array.from({ length: 101 }, () => frame(0, 1)));
    expect(() => byLibrary(many, limit)).toThrow(RangeError);
    expect(byLibrary(many.subarray(0, -frame(0, 1).byteLength), limit).byteLength).toBe(100_000);
  });

  it("decompress() reserves no window that is larger than the limit", () => {
    const huge = (26 - 10) << 3; // 64 MiB, which the library would reserve for a frame of 10 bytes.
    expect(() => byLibrary(frame(huge, 1), limit)).toThrow(RangeError);
    expect(() => byLibrary(Buffer.concat([frame(0, 1), frame(huge, 1)]), limit)).toThrow(RangeError);
  });

  it("decompress() refuses a dictionary, and bytes that are no frame", () => {
    const plain = frame(0, 1);
    const withDictionary = (id: number) =>
      Buffer.concat([
        plain.subarray(0, 4),
        Buffer.from([1]),
        plain.subarray(5, 6),
        Buffer.from([id]),
        plain.subarray(6),
      ]);
    expect(byLibrary(withDictionary(0), limit)).toEqual(byLibrary(plain, limit));
    expect(() => byLibrary(withDictionary(5), limit)).toThrow("needs a dictionary");
    expect(() => byLibrary(Buffer.from("not zstd at all"), limit)).toThrow("not zstd");
    expect(() => byLibrary(new Uint8Array(), limit)).toThrow("not zstd");
  });

  it("compress() is there where Node has it, and decompress() is Node's then", async () => {
    const own = {
      zstdCompress: (body: Uint8Array, callback: (error: null, result: Uint8Array) => void) =>
        callback(null, body.subarray(1)),
      zstdDecompressSync: (body: Uint8Array) => body.subarray(2),
    };
    const compressor = zstdCompressor(own);
    expect(await compressor.compress!(Buffer.from("abc"))).toEqual(Buffer.from("bc"));
    expect(compressor.decompress!(Buffer.from("abc"), limit)).toEqual(Buffer.from("c"));
    if (!("zstdCompress" in (await import("node:zlib")))) {
      await expect(compress(BODY, "zstd")).rejects.toMatchObject({ code: "not_supported" });
    }
  });
});
