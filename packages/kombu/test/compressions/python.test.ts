import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { isMissing } from "@pullqueue/testing";
import { describe, expect, it } from "vitest";
import { CompressionRegistry, compress, decompress } from "../../src/compression.js";
import { isKombuError } from "../../src/errors.js";

const script = fileURLToPath(new URL("../python/compressions.py", import.meta.url));

const kombuScript = fileURLToPath(new URL("../python/serializers.py", import.meta.url));

/** A small limit, because what is tested is the same with a large one. */
const BYTES_MAX = 2 ** 20;

function ask(...parameters: string[]): readonly (readonly [string, string, string])[] {
  const { status, stdout, stderr } = spawnSync("/usr/bin/python3", [script, ...parameters], {
    encoding: "utf8",
    maxBuffer: 256 * 1024 * 1024,
  });
  expect([status, stderr]).toEqual([0, ""]);
  return JSON.parse(stdout);
}

describe.skipIf(isMissing("python3-zstandard"))("decompress() and Python", () => {
  it("decompress() gives back whatever Python compressed, in all formats, levels and checksums", {
    timeout: 120_000,
  }, () => {
    const answers = ask();
    const wrong = answers.filter(([name, compressed, body]) => {
      const read = decompress(Buffer.from(compressed, "base64"), name);
      return Buffer.from(read).toString("base64") !== body;
    });
    expect(wrong.map(([name, compressed]) => `${name} ${compressed.slice(0, 80)}`)).toEqual([]);
    expect(answers.length).toBe(4 * 6 * 14);
  });

  it("decompress() stops a bomb of each format at the limit, and takes what is just as large", {
    timeout: 120_000,
  }, () => {
    const registry = new CompressionRegistry({ decompressedBytesMax: BYTES_MAX });
    const outcomes = ask(String(BYTES_MAX + 1)).map(([name, bomb]) => {
      expect(bomb.length).toBeLessThan(BYTES_MAX / 500);
      return [name, codeOf(() => registry.decompress(Buffer.from(bomb, "base64"), name))];
    });
    expect(outcomes.filter(([, code]) => code !== "too_large")).toEqual([]);
    const largest = ask(String(BYTES_MAX)).map(([name, compressed]) => [
      name,
      registry.decompress(Buffer.from(compressed, "base64"), name).byteLength,
    ]);
    expect(largest.filter(([, length]) => length !== BYTES_MAX)).toEqual([]);
  });
});

describe.skipIf(isMissing("python3-kombu") || isMissing("python3-zstandard") || isMissing("python3-brotli"))(
  "compressions and real kombu",
  () => {
    const body = Buffer.from("hello world ".repeat(100));
    const kombu = (jobs: readonly object[]) => {
      const { status, stdout, stderr } = spawnSync("/usr/bin/python3", [kombuScript], {
        encoding: "utf8",
        input: JSON.stringify(jobs),
      });
      expect([status, stderr]).toEqual([0, ""]);
      return JSON.parse(stdout);
    };

    it("decompress() reads what kombu compresses under each of its names, and compress() names it alike", async () => {
      const names = ["gzip", "zlib", "bzip2", "bzip", "xz", "lzma", "brotli", "zstd", "zstandard"];
      const answers: [string, string][] = kombu(
        names.map((name) => ({ verb: "compress", name, body: body.toString("base64") })),
      );
      for (const [index, [compressed, contentType]] of answers.entries()) {
        for (const name of [names[index]!, contentType]) {
          expect(Buffer.from(decompress(Buffer.from(compressed, "base64"), name)).toString()).toBe(
            String(body),
          );
        }
      }
      expect((await compress(body, "zlib")).contentType).toBe(answers[0]?.[1]);
      expect((await compress(body, "brotli")).contentType).toBe(answers[6]?.[1]);
    });

    it("kombu reads what compress() writes", async () => {
      const jobs = await Promise.all(
        new CompressionRegistry().encoders().map(async (name) => {
          const compressed = await compress(body, name);
          const base64 = Buffer.from(compressed.body).toString("base64");
          return { verb: "decompress", name: compressed.contentType, body: base64 };
        }),
      );
      expect(jobs.length).toBeGreaterThanOrEqual(2);
      expect(kombu(jobs)).toEqual(jobs.map(() => body.toString("base64")));
    });
  },
);

function codeOf(action: () => unknown): string | undefined {
  try {
    action();
  } catch (error) {
    return isKombuError(error) ? error.code : String(error);
  }
  return undefined;
}
