import { readFileSync } from "node:fs";
import { gzipSync } from "node:zlib";
import { describe, expect, it } from "vitest";
import { compress, decompress } from "../src/compression.js";
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

  it("compress() refuses what Node has no library for, and suggests for a typing error", async () => {
    await expect(compress(body, "bzip2")).rejects.toThrow(
      "compression bzip2 needs a library that Node does not have; there are gzip, zlib, brotli",
    );
    await expect(compress(body, "gzipp")).rejects.toThrow("did you mean gzip?");
  });
});

describe("decompress()", () => {
  it.each(["compression/gzip", "compression/brotli"])("decompress() reads what kombu wrote: %s", (name) => {
    const content = stored(name);
    const text = Buffer.from(decompress(content.body, String(content.headers.compression))).toString();
    expect(JSON.parse(text)).toEqual({ hello: "world", n: 1, u: "Thé 董 😀" });
  });

  it.each(["compression/bzip2", "compression/lzma", "compression/zstd@5.2.4"])(
    "decompress() says that it cannot read %s",
    (name) => {
      const content = stored(name);
      expect(codeOf(() => decompress(content.body, String(content.headers.compression)))).toBe(
        "not_supported",
      );
    },
  );

  it("decompress() reads real gzip under its name too, which kombu cannot", () => {
    expect(Buffer.from(decompress(gzipSync(body), "application/x-gzip"))).toEqual(body);
  });

  it("decompress() refuses a body that is not what its header says", () => {
    expect(codeOf(() => decompress(Buffer.from("{}"), "gzip"))).toBe("decode_failed");
    expect(codeOf(() => decompress(Buffer.from("{}"), "brotli"))).toBe("decode_failed");
  });

  it.each(["gzip", "brotli"])("decompress() stops a bomb of %s at the limit", async (name) => {
    const bomb = await compress(Buffer.alloc(DECOMPRESSED_BYTES_MAX + 1), name);
    expect(bomb.body.byteLength).toBeLessThan(100_000);
    expect(codeOf(() => decompress(bomb.body, name))).toBe("too_large");
    const largest = await compress(Buffer.alloc(DECOMPRESSED_BYTES_MAX), name);
    expect(decompress(largest.body, name).byteLength).toBe(DECOMPRESSED_BYTES_MAX);
  });
});
