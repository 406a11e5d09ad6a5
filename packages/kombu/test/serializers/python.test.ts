import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { isMissing } from "@pullqueue/testing";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { writePythonJson } from "../../src/python-json.js";
import { SerializerRegistry } from "../../src/serialization.js";

const script = fileURLToPath(new URL("../python/serializers.py", import.meta.url));
const registry = new SerializerRegistry();
registry.enableInsecureSerializers();

/** What real kombu answers to each job. */
function ask<T>(jobs: readonly object[]): readonly T[] {
  const { status, stdout, stderr } = spawnSync("/usr/bin/python3", [script], {
    input: JSON.stringify(jobs),
    encoding: "utf8",
    maxBuffer: 64 * 1024 * 1024,
  });
  if (status !== 0) throw new Error(`serializers.py ended with ${status}: ${stderr}`);
  return JSON.parse(stdout);
}

/** Texts that YAML could take for something else, and pieces of them. */
const piece = fc.oneof(
  fc.constantFrom("yes", "y", "1", "1.5", "1e5", "0x1f", "1:30", "2024-01-02", "~", "null", "=", "<<", "..."),
  fc.constantFrom("- a", "a: b", "a #b", "'", '"', "\\", "---", "?", ":", "[", "{", "%", "@", "|", ">", "!"),
  fc.constantFrom(" ", "  ", "\n", "\n\n", "\t", "\r", "\u0085", "\u2028", "\ufeff", "\x07", "é", "😀"),
  fc.constantFrom("word", "some longer words in a row", "x".repeat(90)),
  fc.string({ unit: "binary", maxLength: 6 }),
);
const text = fc.array(piece, { maxLength: 12 }).map((pieces) => pieces.join(""));
const key = text.filter((name) => name !== "__proto__");
const number = fc.oneof(fc.double({ noNaN: true, noDefaultInfinity: true }), fc.maxSafeInteger());
const leaf = fc.oneof(text, number, fc.boolean(), fc.constant(null), fc.bigInt(-(2n ** 63n), 2n ** 64n - 1n));
const { value } = fc.letrec((tie) => ({
  value: fc.oneof(
    { maxDepth: 4 },
    leaf,
    fc.array(tie("value"), { maxLength: 4 }),
    fc.dictionary(key, tie("value"), { maxKeys: 4 }),
  ),
}));

/** As readers give it: integers that are exact as numbers are numbers. */
function read(json: string): unknown {
  return registry.loads(Buffer.from(json), "application/json", "utf-8");
}

const SERIALIZERS = ["json", "msgpack", "yaml"] as const;

describe.skipIf(isMissing("python3-kombu") || isMissing("python3-msgpack") || isMissing("python3-yaml"))(
  "serializers and real kombu",
  () => {
    it.each(SERIALIZERS)(
      "%s: kombu writes what we write, byte for byte, and each reads the other",
      (serializer) => {
        const values = fc.sample(value, { numRuns: 400, seed: 42 }).map((v) => writePythonJson(v));
        const ours = values.map((json) => registry.dumps(read(json), { serializer }));
        const theirs = ask<[string, string, string]>(
          values.map((json) => ({ verb: "dump", serializer, json })),
        );
        for (const [index, { body, contentType, contentEncoding }] of ours.entries()) {
          const json = values[index]!;
          expect([json, contentType, contentEncoding, Buffer.from(body).toString("base64")]).toEqual([
            json,
            ...theirs[index]!,
          ]);
          expect(registry.loads(body, contentType, contentEncoding)).toEqual(read(json));
        }
        const answers = ask<string>(
          ours.map(({ body, contentType, contentEncoding }) => ({
            ...{ verb: "load", body: Buffer.from(body).toString("base64") },
            ...{ content_type: contentType, content_encoding: contentEncoding },
          })),
        );
        for (const [index, answer] of answers.entries()) expect(read(answer)).toEqual(read(values[index]!));
      },
    );

    it("kombu reads our dates and bytes: as its own in YAML, as bytes and a timestamp in MessagePack", () => {
      const at = new Date(1_704_164_645_678);
      const jobs = (["yaml", "msgpack"] as const).map((serializer) => {
        const dumped = registry.dumps({ at, bytes: new Uint8Array(60).fill(255) }, { serializer });
        return {
          ...{ verb: "load", body: Buffer.from(dumped.body).toString("base64") },
          ...{ content_type: dumped.contentType, content_encoding: dumped.contentEncoding },
        };
      });
      const [yaml, msgpack] = ask<string>(jobs).map((answer) => JSON.parse(answer));
      const bytes = `b'${"\\xff".repeat(60)}'`;
      expect(yaml).toEqual({
        at: "datetime.datetime(2024, 1, 2, 3, 4, 5, 678000, tzinfo=datetime.timezone.utc)",
        bytes,
      });
      expect(msgpack).toEqual({ at: "Timestamp(seconds=1704164645, nanoseconds=678000000)", bytes });
    });
  },
);
