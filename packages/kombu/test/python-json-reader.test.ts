import fc from "fast-check";
import { afterEach, describe, expect, it, vi } from "vitest";
import { KombuError } from "../src/errors.js";
import { JSON_DEPTH_MAX } from "../src/limits.js";
import { writePythonJson } from "../src/python-json.js";
import { readPythonJson } from "../src/python-json-reader.js";

/** JSON values, and what Python's dialect has beside them. */
const valueArbitrary = fc.letrec((tie) => ({
  value: fc.oneof(
    { maxDepth: 4 },
    fc.string({ unit: "binary" }),
    fc.double({ noNaN: true, noDefaultInfinity: true }),
    fc.integer(),
    fc.bigInt().filter((n) => n > BigInt(Number.MAX_SAFE_INTEGER) || n < BigInt(Number.MIN_SAFE_INTEGER)),
    fc.boolean(),
    fc.constant(null),
    fc.array(tie("value")),
    fc.dictionary(fc.string(), tie("value"), { noNullPrototype: true }),
  ),
})).value;

describe("readPythonJson()", () => {
  it("readPythonJson() gives back exactly what writePythonJson was given", () => {
    fc.assert(
      fc.property(valueArbitrary, (value) => {
        expect(readPythonJson(writePythonJson(value))).toStrictEqual(value);
      }),
      { numRuns: 1000 },
    );
  });

  it("readPythonJson() agrees with JSON.parse beside an integer that JSON.parse would round", () => {
    fc.assert(
      fc.property(fc.jsonValue(), fc.constantFrom(" ", "", "\n\t"), (value, space) => {
        const text = writePythonJson(value);
        const slow = readPythonJson(`[${space}12345678901234567890,${space}${text}${space}]`);
        expect(slow).toStrictEqual([12345678901234567890n, JSON.parse(text)]);
      }),
      { numRuns: 500 },
    );
  });

  it("readPythonJson() takes Python's constants where a value may stand, and nowhere else", () => {
    expect(readPythonJson('{"a": NaN, "b": [Infinity, -Infinity], "NaN": "NaN"}')).toStrictEqual({
      a: Number.NaN,
      b: [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY],
      NaN: "NaN",
    });
    expect(() => readPythonJson("{NaN: 1}")).toThrow("expected a name in quotes at character 1");
    expect(() => readPythonJson("[-NaN]")).toThrow("expected a value");
    expect(() => readPythonJson("nan")).toThrow("expected a value");
  });

  it("readPythonJson() keeps integers of any size, and numbers that are none as numbers", () => {
    const text =
      "[9007199254740991, 9007199254740993, -9007199254740993, 12345678901234567890.0, 1e+22, 1E400]";
    expect(readPythonJson(text)).toStrictEqual([
      9007199254740991,
      9007199254740993n,
      -9007199254740993n,
      12345678901234567000,
      1e22,
      Number.POSITIVE_INFINITY,
    ]);
    expect(readPythonJson('"1234567890123456789"')).toBe("1234567890123456789");
    expect(() => readPythonJson("9".repeat(4301))).toThrow("an integer of at most 4300 digits");
  });

  it.each([
    ["", "expected a value at character 0, got the end"],
    ["{", "expected a name in quotes at character 1, got the end"],
    ['{"a" 1}', 'expected ":" at character 5, got "1}"'],
    ['{"a": 1 "b"}', 'expected "," or "}" at character 8'],
    ["[1 2]", 'expected "," or "]" at character 3'],
    ["[1,]", "expected a value at character 3"],
    ["[1] x", 'expected the end of the text at character 4, got "x"'],
    ['"abc', "expected a string with an end at character 0"],
    ['"a\nb"', "expected a string without control characters and unknown escapes at character 0"],
    [String.raw`"a\x"`, "expected a string without control characters and unknown escapes at character 0"],
    ["01", "expected the end of the text at character 1"],
    ["+1", "expected a value at character 0"],
    ["undefined", "expected a value at character 0"],
  ])("readPythonJson() refuses %j and says where", (text, message) => {
    expect(() => readPythonJson(text)).toThrow(message);
    expect(() => readPythonJson(text)).toThrow(KombuError);
  });

  it("readPythonJson() finds the end of a string behind any number of backslashes", () => {
    const strings = ["\\", "\\\\", 'a"b', '\\"', '\\\\"', '"'];
    expect(readPythonJson(`[NaN, ${strings.map((s) => JSON.stringify(s)).join(", ")}]`)).toStrictEqual([
      Number.NaN,
      ...strings,
    ]);
  });

  it("readPythonJson() never recurses without end", () => {
    const deep = JSON_DEPTH_MAX + 10;
    expect(() => readPythonJson(`${"[".repeat(100_000)}NaN`)).toThrow("at most 500 levels");
    expect(() => readPythonJson(`${"[".repeat(deep)}{"__type__": 1}${"]".repeat(deep)}`)).toThrow(
      "nested deeper than 500 levels",
    );
  });

  it("readPythonJson() makes members called __proto__ members", () => {
    for (const text of ['{"__proto__": {"x": 1}}', '{"__proto__": {"x": 1}, "n": NaN}']) {
      const value = readPythonJson(text) as Record<string, unknown>;
      expect(Object.keys(value)[0]).toBe("__proto__");
      expect(Object.getPrototypeOf(value)).toBe(Object.prototype);
    }
  });
});

describe("readMarkers()", () => {
  const wrapped = (type: string, value: unknown) => ({ __type__: type, __value__: value });
  const read = (value: unknown) => readPythonJson(JSON.stringify(value));

  afterEach(() => vi.unstubAllEnvs());

  it("readMarkers() takes a datetime without a zone as UTC, wherever this machine is", () => {
    vi.stubEnv("TZ", "America/New_York");
    expect(read(wrapped("datetime", "2024-01-02T03:04:05"))).toStrictEqual(new Date("2024-01-02T03:04:05Z"));
  });

  it("readMarkers() makes of a wrapped value what JavaScript has for it, at any depth", () => {
    const value = {
      utf8: wrapped("bytes", "abc é"),
      binary: wrapped("base64", "/wA="),
      naive: wrapped("datetime", "2024-01-02T03:04:05.678901"),
      zoned: [wrapped("datetime", "2024-01-02T03:04:05+02:00")],
      date: wrapped("date", "2024-01-02"),
      time: wrapped("time", "03:04:05.000006"),
      decimal: wrapped("decimal", "1.10"),
      uuid: { deep: { deeper: wrapped("uuid", { hex: "12345678123456781234567812345678" }) } },
    };
    expect(read(value)).toStrictEqual({
      utf8: new TextEncoder().encode("abc é"),
      binary: new Uint8Array([255, 0]),
      naive: new Date("2024-01-02T03:04:05.678Z"),
      zoned: [new Date("2024-01-02T01:04:05Z")],
      date: "2024-01-02",
      time: "03:04:05.000006",
      decimal: "1.10",
      uuid: { deep: { deeper: "12345678-1234-5678-1234-567812345678" } },
    });
  });

  it.each([
    wrapped("mine", 1),
    wrapped("datetime", "yesterday"),
    wrapped("datetime", 5),
    wrapped("uuid", "12345678"),
    { ...wrapped("date", "2024-01-02"), more: 1 },
    { __type__: "date" },
  ])("readMarkers() leaves what it does not know as it is: case %#", (value) => {
    expect(read(value)).toStrictEqual(value);
  });

  it("readMarkers() replaces a wrapped value called __proto__ without touching the prototype", () => {
    const text = '{"__proto__": {"__type__": "decimal", "__value__": "1"}}';
    const value = readPythonJson(text) as object;
    expect(Object.entries(value)).toStrictEqual([["__proto__", "1"]]);
    expect(Object.getPrototypeOf(value)).toBe(Object.prototype);
  });
});
