import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { decodeEnvelope } from "../src/envelope.js";
import { isKombuError } from "../src/errors.js";
import type { JsonType, JsonTypesName } from "../src/json-types.js";
import { SerializerRegistry } from "../src/serialization.js";

/** A number with its digits after the point, as programs in this language have one from some library. */
class Money {
  constructor(readonly text: string) {}
}

class Euro extends Money {}

const MONEY: JsonType<Money> = {
  type: Money,
  marker: "decimal",
  encode: ({ text }) => text,
  decode: (value) => new Money(String(value)),
};

function jsonOf(value: unknown, jsonTypes?: JsonTypesName): string {
  const registry = new SerializerRegistry(jsonTypes === undefined ? {} : { jsonTypes });
  return Buffer.from(registry.dumps(value, { serializer: "json" }).body).toString();
}

function codeOf(action: () => unknown): string | undefined {
  try {
    action();
  } catch (error) {
    return isKombuError(error) ? error.code : String(error);
  }
  return undefined;
}

describe("SerializerRegistry.jsonTypes", () => {
  it("jsonTypes plain writes what every kombu reads: dates as text, no bytes", () => {
    expect(jsonOf({ at: new Date(1_704_164_645_678) })).toBe('{"at": "2024-01-02T03:04:05.678Z"}');
    expect(codeOf(() => jsonOf({ b: new Uint8Array(1) }))).toBe("not_serializable");
    expect(codeOf(() => jsonOf({ b: Buffer.from("a Buffer has a toJSON of its own") }))).toBe(
      "not_serializable",
    );
  });

  it("jsonTypes kombu-5.3 writes dates and bytes as the objects that kombu 5.3 writes", () => {
    const fixtures = JSON.parse(readFileSync(new URL("./fixtures/envelopes.json", import.meta.url), "utf8"));
    const { envelope } = fixtures.find((c: { case: string }) => c.case === "json-types");
    const stored = Buffer.from(decodeEnvelope(Buffer.from(envelope))!.content.body).toString();
    const written = jsonOf(
      {
        bytes_utf8: Buffer.from("abc"),
        bytes_bin: new Uint8Array([255, 0]),
        dt_utc: new Date("2024-01-02T03:04:05Z"),
      },
      "kombu-5.3",
    );
    for (const member of written.slice(1, -1).split(/(?<=\}), /)) expect(stored).toContain(member);
    expect(written.match(/__type__/g)).toHaveLength(3);
  });

  it("jsonTypes kombu-5.3 writes milliseconds as Python writes microseconds, and no year that Python has not", () => {
    expect(jsonOf(new Date(1_704_164_645_070), "kombu-5.3")).toBe(
      '{"__type__": "datetime", "__value__": "2024-01-02T03:04:05.070000+00:00"}',
    );
    expect(codeOf(() => jsonOf(new Date(Date.UTC(10_000, 0)), "kombu-5.3"))).toBe("not_serializable");
    expect(codeOf(() => jsonOf(new Date(Number.NaN), "kombu-5.3"))).toBe("not_serializable");
  });

  it("jsonTypes must be one of the two", () => {
    expect(codeOf(() => new SerializerRegistry({ jsonTypes: "5.3" as JsonTypesName }))).toBe(
      "invalid_argument",
    );
  });
});

describe("SerializerRegistry.registerType()", () => {
  it("registerType() writes and reads a class by its marker, at any depth, also in place of a marker of kombu's", () => {
    const registry = new SerializerRegistry();
    registry.registerType(MONEY);
    const { body, contentType, contentEncoding } = registry.dumps({ prices: [new Money("1.10")] });
    expect(Buffer.from(body).toString()).toBe('{"prices": [{"__type__": "decimal", "__value__": "1.10"}]}');
    expect(registry.loads(body, contentType, contentEncoding)).toEqual({ prices: [new Money("1.10")] });
    expect(new SerializerRegistry().loads(body, contentType, contentEncoding)).toEqual({ prices: ["1.10"] });
  });

  it("registerType() writes a subclass as its class, and the latest type that fits", () => {
    const registry = new SerializerRegistry();
    registry.registerType(MONEY);
    expect(String(registry.dumps([new Euro("2")]).body)).toContain('"decimal"');
    registry.registerType({
      type: Euro,
      encode: (euro: Euro): unknown => ({ euro: euro.text, cents: null }),
    });
    expect(String(registry.dumps([new Euro("2")]).body)).toBe('[{"euro": "2", "cents": null}]');
    registry.registerType({ type: Euro, encode: (): unknown => null });
    expect(String(registry.dumps([new Euro("2"), new Money("3")]).body)).toBe(
      '[null, {"__type__": "decimal", "__value__": "3"}]',
    );
  });

  it("registerType() leaves other markers as they are, and makes a reader's error decode_failed", () => {
    const registry = new SerializerRegistry();
    const fail = () => {
      throw new RangeError("no money");
    };
    registry.registerType({ ...MONEY, decode: fail });
    const other = '{"__type__": "planet", "__value__": 1}';
    expect(registry.loads(Buffer.from(other), "application/json")).toEqual(JSON.parse(other));
    const money = Buffer.from('{"__type__": "decimal", "__value__": "1"}');
    expect(codeOf(() => registry.loads(money, "application/json"))).toBe("decode_failed");
    expect(() => registry.loads(money, "application/json")).toThrow("no money");
  });

  it.each<[object, string]>([
    [{ encode: () => 1 }, "a JSON type needs type"],
    [{ type: Money }, "a JSON type needs encode"],
    [{ type: Money, encode: () => 1, decode: () => 1 }, "a JSON type with decode needs a marker"],
    [{ type: Money, encode: () => 1, markr: "x" }, "did you mean marker?"],
  ])("registerType() refuses %o", (type, message) => {
    expect(() => new SerializerRegistry().registerType(type as JsonType<Money>)).toThrow(message);
  });

  it("registerType() refuses a value whose encode gives nothing", () => {
    const registry = new SerializerRegistry();
    registry.registerType({ type: Money, encode: () => undefined });
    expect(codeOf(() => registry.dumps([new Money("1")]))).toBe("not_serializable");
  });
});
