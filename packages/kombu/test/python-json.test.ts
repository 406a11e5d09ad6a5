import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { KombuError } from "../src/errors.js";
import { JSON_DEPTH_MAX } from "../src/limits.js";
import { writePythonJson } from "../src/python-json.js";

/** The message of what `writePythonJson` throws. */
function refusalOf(value: unknown): string {
  try {
    writePythonJson(value);
  } catch (error) {
    if (error instanceof KombuError) return `${error.code}: ${error.message}`;
    throw error;
  }
  return "nothing was refused";
}

describe("writePythonJson()", () => {
  it("writePythonJson() separates with a comma and a space, and with a colon and a space", () => {
    expect(writePythonJson({ a: [1, { b: null }], c: true, d: false, e: [], f: {} })).toBe(
      '{"a": [1, {"b": null}], "c": true, "d": false, "e": [], "f": {}}',
    );
  });

  it("writePythonJson() escapes everything that is not printable ASCII", () => {
    expect(writePythonJson('é 董 😀 "\\/\b\f\n\r\t\u0000\u007f\ud800')).toBe(
      String.raw`"\u00e9 \u8463 \ud83d\ude00 \"\\/\b\f\n\r\t\u0000\u007f\ud800"`,
    );
  });

  it.each([
    [0, "0"],
    [-0, "-0.0"],
    [-17, "-17"],
    [9007199254740991, "9007199254740991"],
    [9007199254740992, "9007199254740992.0"],
    [1e16, "1e+16"],
    [2 ** 60, "1.152921504606847e+18"],
    [1e22, "1e+22"],
    [0.1, "0.1"],
    [123456789.125, "123456789.125"],
    [0.0001, "0.0001"],
    [0.00001, "1e-05"],
    [1.5e-7, "1.5e-07"],
    [-2.5e-10, "-2.5e-10"],
    [5e-324, "5e-324"],
    [Number.MAX_VALUE, "1.7976931348623157e+308"],
    [1180591620717411303424n, "1180591620717411303424"],
    [10n ** 4299n, `1${"0".repeat(4299)}`],
  ])("writePythonJson() writes the number %s as Python does: %s", (value, text) => {
    expect(writePythonJson(value)).toBe(text);
  });

  it("writePythonJson() honours toJSON once, so that a Date is its ISO text", () => {
    const inner = { toJSON: () => "not asked" };
    const value = { at: new Date(0), point: { toJSON: (key: string) => ({ key, x: 1 }) } };
    expect(writePythonJson(value)).toBe(
      '{"at": "1970-01-01T00:00:00.000Z", "point": {"key": "point", "x": 1}}',
    );
    expect(refusalOf({ toJSON: () => inner })).toContain("a function, at $.toJSON");
  });

  it("writePythonJson() is read by JSON.parse as what it was given", () => {
    fc.assert(
      fc.property(fc.jsonValue({ stringUnit: "binary", maxDepth: 6 }), (value) => {
        expect(JSON.parse(writePythonJson(value))).toStrictEqual(value);
      }),
      { numRuns: 500 },
    );
  });

  it.each([
    [{ a: { b: undefined } }, "undefined, at $.a.b"],
    [[1, Number.NaN], "NaN, at $[1]"],
    [{ "odd name": [{ x: Number.POSITIVE_INFINITY }] }, 'Infinity, at $["odd name"][0].x'],
    [() => 1, "a function, at $"],
    [{ big: 10n ** 4300n }, "an integer of over 4300 digits, which Python does not read, at $.big"],
    [Symbol("s"), "a symbol, at $"],
    [{ m: new Map() }, "a Map (use Object.fromEntries), at $.m"],
    [[new Set()], "a Set (use Array.from), at $[0]"],
    [{ b: new Uint8Array(2) }, "bytes (publish them as the whole body, or as base64 text), at $.b"],
    [{ b: new Float64Array(2) }, "bytes (publish them as the whole body, or as base64 text), at $.b"],
    [{ p: Promise.resolve() }, "a promise (await it first), at $.p"],
    [{ e: new RangeError("x") }, "an error (write its name and message), at $.e"],
    [{ at: new Date(Number.NaN) }, "an invalid Date, at $.at"],
    // biome-ignore lint/suspicious/noSparseArray: a hole is undefined too.
    [[1, , 3], "undefined, at $[1]"],
  ])("writePythonJson() refuses what JSON cannot hold and says where: case %#", (value, message) => {
    expect(refusalOf(value)).toBe(`not_serializable: JSON cannot hold ${message}`);
  });

  it("writePythonJson() refuses a cycle but not one object in two places", () => {
    const shared = { x: 1 };
    const cyclic: Record<string, unknown> = { list: [{}] };
    (cyclic.list as object[]).push(cyclic);
    expect(writePythonJson([shared, shared])).toBe('[{"x": 1}, {"x": 1}]');
    expect(refusalOf(cyclic)).toBe(
      "not_serializable: JSON cannot hold an object that contains itself, at $.list[1]",
    );
  });

  it("writePythonJson() writes as many levels as Python can read, and refuses one more", () => {
    const nest = (levels: number) => {
      let value: unknown = 1;
      for (let level = 0; level < levels; level++) value = [value];
      return value;
    };
    expect(writePythonJson(nest(JSON_DEPTH_MAX))).toHaveLength(2 * JSON_DEPTH_MAX + 1);
    expect(refusalOf(nest(JSON_DEPTH_MAX + 1))).toMatch(
      /nested deeper than 500 levels, at \$(\[0\]){10}…(\[0\]){10}$/,
    );
    expect(refusalOf(nest(100_000))).toContain("nested deeper");
  });

  it("writePythonJson() writes a member called __proto__ as any other", () => {
    expect(writePythonJson(JSON.parse('{"__proto__": {"x": 1}}'))).toBe('{"__proto__": {"x": 1}}');
  });
});
