import { readFileSync } from "node:fs";
import { gzipSync } from "node:zlib";
import { describe, expect, it } from "vitest";
import { CompressionRegistry, compress, decompress } from "../src/compression.js";
import { decodeEnvelope } from "../src/envelope.js";
import { isKombuError } from "../src/errors.js";
import { DECOMPRESSED_BYTES_MAX } from "../src/limits.js";

const body = Buffer.from(JSON.stringify({ hello: "world", list: Array.from({ length: 100 }, (_, i) => i) }));

/** What kombu stored under a name of the vectors. */
function stored(name: string) {
  const fixtures = JSON.parse(readFileSync(new URL("./fixtures/envelopes.json", import.meta.url), "utf8"));
  const found = fixtures.find((c: { case: string }) => c.case === name);
  return decodeEnvelope(Buffer.from(found.envelope))!.content;
}

function codeOf(action: () => unknown): string | undefined {
  try {
    action();
  } catch (error) {
    return isKombuError(error) ? error.code : String(error);
  }
  return undefined;
}

describe("compress()", () => {
  it.each([
    ["gzip", "application/x-gzip"],
    ["zlib", "application/x-gzip"],
    ["application/x-gzip", "application/x-gzip"],
    ["brotli", "application/x-brotli"],
  ])("compress() knows %s, names it %s, and decompress() reads it", async (name, contentType) => {
    const compressed = await compress(body, name);
    expect(compressed.contentType).toBe(contentType);
    expect(compressed.body.byteLength).toBeLessThan(body.byteLength);
    expect(Buffer.from(decompress(compressed.body, name))).toEqual(body);
    expect(Buffer.from(decompress(compressed.body, contentType))).toEqual(body);
  });

  it("compress() writes zlib's format under the name of gzip, as kombu reads it", async () => {
    expect(
      Buffer.from((await compress(body, "gzip")).body)
        .subarray(0, 2)
        .toString("hex"),
    ).toBe("789c");
  });

  it("compress() refuses what can only be read, and suggests for a typing error", async () => {
    await expect(compress(body, "bzip2")).rejects.toThrow(
      "compression bzip2 can be read, but not written here; there are gzip, zlib, brotli",
    );
    await expect(compress(body, "xz")).rejects.toMatchObject({ code: "not_supported" });
    await expect(compress(body, "gzipp")).rejects.toThrow("did you mean gzip?");
  });
});

describe("decompress()", () => {
  it.each([
    "compression/gzip",
    "compression/brotli",
    "compression/bzip2",
    "compression/lzma",
    "compression/zstd@5.2.4",
  ])("decompress() reads what kombu wrote: %s", (name) => {
    const content = stored(name);
    const text = Buffer.from(decompress(content.body, String(content.headers.compression))).toString();
    expect(JSON.parse(text)).toEqual({ hello: "world", n: 1, u: "Thé 董 😀" });
  });

  it("decompress() knows what is not known", () => {
    expect(codeOf(() => decompress(body, "snappy"))).toBe("not_supported");
    expect(() => decompress(body, "brotly")).toThrow("did you mean brotli?");
  });

  it("decompress() reads real gzip under its name too, which kombu cannot", () => {
    expect(Buffer.from(decompress(gzipSync(body), "application/x-gzip"))).toEqual(body);
  });

  it("decompress() refuses a body that is not what its header says", () => {
    for (const name of ["gzip", "brotli", "bzip2", "xz", "zstd"]) {
      for (const text of ["{}", "", "BZh9", '{"a long enough text": "for any header"}']) {
        expect([name, text, codeOf(() => decompress(Buffer.from(text), name))]).toEqual([
          ...[name, text, "decode_failed"],
        ]);
      }
    }
  });

  it("decompress() stops a bomb at the limit", async () => {
    const bomb = await compress(Buffer.alloc(DECOMPRESSED_BYTES_MAX + 1), "gzip");
    expect(bomb.body.byteLength).toBeLessThan(100_000);
    expect(codeOf(() => decompress(bomb.body, "gzip"))).toBe("too_large");
    const largest = await compress(Buffer.alloc(DECOMPRESSED_BYTES_MAX), "gzip");
    expect(decompress(largest.body, "gzip").byteLength).toBe(DECOMPRESSED_BYTES_MAX);
  });
});

describe("CompressionRegistry", () => {
  const doubled = {
    contentType: "application/x-double",
    aliases: ["double"],
    compress: (bytes: Uint8Array) => Buffer.concat([bytes, bytes]),
    decompress: (bytes: Uint8Array) => bytes.subarray(0, bytes.byteLength / 2),
  };

  it("register() adds a compression, encoders() lists what can be written, unregister() takes it away", async () => {
    const registry = new CompressionRegistry();
    registry.register(doubled);
    expect(registry.encoders()).toEqual(
      expect.arrayContaining(["application/x-gzip", "application/x-brotli", "application/x-double"]),
    );
    expect(registry.encoders()).not.toContain("application/x-bz2");
    const { body: twice, contentType } = await registry.compress(body, "double");
    expect(contentType).toBe("application/x-double");
    expect(Buffer.from(registry.decompress(twice, contentType))).toEqual(body);
    expect(codeOf(() => new CompressionRegistry().decompress(twice, contentType))).toBe("not_supported");
    registry.unregister("double");
    registry.unregister("double");
    expect(codeOf(() => registry.decompress(twice, contentType))).toBe("not_supported");
  });

  it("register() replaces a compression of ours, and takes one side alone", async () => {
    const registry = new CompressionRegistry();
    registry.register({ ...doubled, contentType: "application/x-gzip", aliases: ["gzip"] });
    expect(Buffer.from((await registry.compress(Buffer.from("a"), "gzip")).body).toString()).toBe("aa");
    const { decompress: _, ...writer } = doubled;
    registry.register(writer);
    expect(codeOf(() => registry.decompress(body, "double"))).toBe("not_supported");
  });

  it("decompressedBytesMax is the limit of a registry", async () => {
    const registry = new CompressionRegistry({ decompressedBytesMax: 10_000 });
    for (const name of ["gzip", "brotli"]) {
      const { body: bomb } = await compress(Buffer.alloc(10_001), name);
      expect(bomb.byteLength).toBeLessThan(100);
      expect(codeOf(() => registry.decompress(bomb, name))).toBe("too_large");
      expect(() => registry.decompress(bomb, name)).toThrow("unpacks to over 10000 bytes");
      const largest = await compress(Buffer.alloc(10_000), name);
      expect(registry.decompress(largest.body, name).byteLength).toBe(10_000);
    }
    expect(codeOf(() => new CompressionRegistry({ decompressedBytesMax: 0 }))).toBe("invalid_argument");
  });
});
