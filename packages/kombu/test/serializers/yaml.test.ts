import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { decodeEnvelope } from "../../src/envelope.js";
import { isKombuError } from "../../src/errors.js";
import { SerializerRegistry } from "../../src/serialization.js";

const registry = new SerializerRegistry();

function dump(value: unknown): string {
  return Buffer.from(registry.dumps(value, { serializer: "yaml" }).body).toString();
}

function load(text: string): unknown {
  return registry.loads(Buffer.from(text), "application/x-yaml", "utf-8", { accept: ["yaml"] });
}

function codeOf(action: () => unknown): string | undefined {
  try {
    action();
  } catch (error) {
    return isKombuError(error) ? error.code : String(error);
  }
  return undefined;
}

describe("the yaml serializer", () => {
  it("yaml writes byte for byte what kombu stored", () => {
    const url = new URL("../fixtures/envelopes.json", import.meta.url);
    const { envelope } = JSON.parse(readFileSync(url, "utf8")).find(
      (c: { case: string }) => c.case === "serializer/yaml",
    );
    const { body } = decodeEnvelope(Buffer.from(envelope))!.content;
    expect(dump({ u: "Thé 董 😀", hello: "world", n: 1 })).toBe(Buffer.from(body).toString());
  });

  it.each([
    [1, "1\n...\n"],
    ["", "''\n"],
    [[], "[]\n"],
    [{ a: [1, { b: [] }], c: {} }, "a:\n- 1\n- b: []\nc: {}\n"],
    [["yes", "1", "2024-01-02", "a: b"], "- 'yes'\n- '1'\n- '2024-01-02'\n- 'a: b'\n"],
    [[1e22, 0.1, -0, Number.NaN, Number.NEGATIVE_INFINITY], "- 1.0e+22\n- 0.1\n- -0.0\n- .nan\n- -.inf\n"],
    [{ b: new Uint8Array([0, 255]) }, "b: !!binary |\n  AP8=\n"],
    [{ b: new Uint8Array() }, 'b: !!binary ""\n'],
    [[new Date(1_704_164_645_000)], "- 2024-01-02 03:04:05+00:00\n"],
    [{ 董: 1, "😀": 2, a: 3 }, 'a: 3\n"\\u8463": 1\n"\\U0001F600": 2\n'],
  ])("yaml writes %o as PyYAML does", (value, text) => {
    expect(dump(value)).toBe(text);
  });

  it("yaml reads what it wrote, integers of any size included", () => {
    const value = {
      text: ["yes", "1_000", "0x1f", "1:30", " a\n b ", "é😀", "x ".repeat(80)],
      integers: [0, -1, Number.MAX_SAFE_INTEGER, 2n ** 70n],
      floats: [0.1, 1e300, Number.NaN, Number.NEGATIVE_INFINITY],
      at: new Date(1_704_164_645_678),
      bytes: new Uint8Array(100).fill(7),
      nested: [[{}], null, false],
    };
    expect(load(dump(value))).toEqual(value);
  });

  it("yaml reads version 1.1, as Python does", () => {
    expect(load("a: yes\nb: 0o17\nc: 017\nd: 1:30\ne: 2024-01-02\nf: ~\n")).toEqual({
      ...{ a: true, b: "0o17", c: 15, d: 90, f: null },
      e: new Date("2024-01-02"),
    });
    expect(load("a: &x [1]\nb: *x\n")).toEqual({ a: [1], b: [1] });
    expect(load("n: y\ne: 1e5\nd: 2024-1-2\no: 08\n")).toEqual({ n: "y", e: "1e5", d: "2024-1-2", o: "08" });
  });

  it.each([
    ["!!python/object/apply:os.system ['true']", "a class of Python's"],
    ["!!python/tuple [1, 2]", "a type of Python's"],
    ["!thing 1", "a tag of somebody's"],
    ["a: [1", "a text that ends too soon"],
    ["--- 1\n--- 2\n", "two documents"],
    [
      `a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n${Array.from({ length: 8 }, (_, i) => `a${i + 1}: &a${i + 1} [${`*a${i}, `.repeat(10)}]`).join("\n")}\n`,
      "aliases that multiply",
    ],
  ])("yaml refuses %s: %s", (text) => {
    expect(codeOf(() => load(text))).toBe("decode_failed");
  });

  it.each([
    [{ a: [undefined] }, "YAML cannot hold undefined, at $.a[0]"],
    [{ a: new Set([1]) }, "a Set (use Array.from), at $.a"],
    [{ a: "\ud800" }, "a lone surrogate, at $.a"],
  ])("yaml refuses what would be lost without a word: %o", (value, message) => {
    expect(codeOf(() => dump(value))).toBe("not_serializable");
    expect(() => dump(value)).toThrow(message);
  });
});
