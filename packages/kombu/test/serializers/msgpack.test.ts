import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { decodeEnvelope } from "../../src/envelope.js";
import { isKombuError } from "../../src/errors.js";
import { SerializerRegistry } from "../../src/serialization.js";

const registry = new SerializerRegistry();

function stored(name: string): string {
  const url = new URL("../fixtures/envelopes.json", import.meta.url);
  const found = JSON.parse(readFileSync(url, "utf8")).find((c: { case: string }) => c.case === name);
  return hex(decodeEnvelope(Buffer.from(found.envelope))!.content.body);
}

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString("hex");
}

function dump(value: unknown): string {
  return hex(registry.dumps(value, { serializer: "msgpack" }).body);
}

function load(bytes: string): unknown {
  return registry.loads(Buffer.from(bytes, "hex"), "application/x-msgpack", "binary", {
    accept: ["msgpack"],
  });
}

function codeOf(action: () => unknown): string | undefined {
  try {
    action();
  } catch (error) {
    return isKombuError(error) ? error.code : String(error);
  }
  return undefined;
}

describe("the msgpack serializer", () => {
  it("msgpack writes byte for byte what kombu stored", () => {
    expect(dump({ hello: "world", n: 1, u: "Thé 董 😀" })).toBe(stored("serializer/msgpack"));
    const bytes = { b: new Uint8Array([0, 255]), i: 2 ** 40, f: 1.5, l: [null, true] };
    expect(dump(bytes)).toBe(stored("serializer/msgpack-bytes"));
    expect(dump({ ...bytes, i: 2n ** 40n })).toBe(stored("serializer/msgpack-bytes"));
    expect(registry.dumps(1, { serializer: "msgpack" })).toMatchObject({
      contentType: "application/x-msgpack",
      contentEncoding: "binary",
    });
  });

  it("msgpack reads what it wrote: bytes, text, integers up to 64 bits, dates, and numbers where they are exact", () => {
    const value = {
      bytes: new Uint8Array([1, 2]),
      text: "é",
      integers: [0, -1, 2 ** 40, Number.MAX_SAFE_INTEGER, 2n ** 63n, -(2n ** 63n), 2n ** 64n - 1n],
      floats: [0.1, 1e300, Number.NaN, Number.NEGATIVE_INFINITY],
      at: new Date(1_704_164_645_678),
      nested: [[{}], null, false],
    };
    expect(load(dump(value))).toEqual(value);
  });

  it.each([
    [{ a: [undefined] }, "MessagePack cannot hold undefined, at $.a[0]"],
    [{ a: 2n ** 64n }, "an integer of over 64 bits, at $.a"],
    [{ a: -(2n ** 63n) - 1n }, "an integer of over 64 bits, at $.a"],
    [{ a: new Map() }, "a Map (use Object.fromEntries), at $.a"],
    [{ a: "\ud800" }, "a lone surrogate, at $.a"],
    [{ a: () => 1 }, "a function, at $.a"],
    [{ a: new Date(Number.NaN) }, "an invalid Date, at $.a"],
  ])("msgpack refuses what would be lost without a word: %o", (value, message) => {
    expect(codeOf(() => dump(value))).toBe("not_serializable");
    expect(() => dump(value)).toThrow(message);
  });

  it("msgpack refuses an object that contains itself, and what is nested without end", () => {
    const loop: unknown[] = [];
    loop.push({ loop });
    expect(() => dump(loop)).toThrow("an object that contains itself, at $[0].loop");
    expect(codeOf(() => load("91".repeat(100_000)))).toBe("decode_failed");
    expect(codeOf(() => load(`${"91".repeat(600)}01`))).toBe("decode_failed");
    expect(codeOf(() => load(`${"91".repeat(400)}01`))).toBeUndefined();
  });

  it("msgpack reserves nothing for a length that lies", () => {
    expect(() => load("dd00ffffff")).toThrow("Max length exceeded");
    expect(() => load("df00ffffff")).toThrow("Max length exceeded");
  });

  it.each([
    ["ddffffffff", "an array that says it has four billion items"],
    ["dfffffffff", "a map that says so"],
    ["0101", "two values"],
    ["a5616263", "a text that ends too soon"],
    ["c1", "the byte that means nothing"],
    ["81c4016101", "a map whose key is bytes"],
    ["81a95f5f70726f746f5f5f01", "a key that would set a prototype"],
  ])("msgpack refuses %s: %s", (bytes) => {
    expect(codeOf(() => load(bytes))).toBe("decode_failed");
  });
});
