import { describe, expect, test } from "vitest";
import { fileLengths, functionLengths } from "../../src/tidy/sizes.js";
import { report } from "../../src/tidy/workspace.js";

const PATH = "packages/core/src/sample.ts";
const lines = (count: number) => Array.from({ length: count }, (_, index) => `  f(${index});`).join("\n");
const sample = (text: string) => new Map([[PATH, text]]);

describe("sizes", () => {
  test("fileLengths() allows 400 lines and refuses 401", () => {
    expect(fileLengths(sample(`${lines(400)}\n`))).toEqual([]);
    expect(report(fileLengths(sample(lines(401))))).toMatch(/sample\.ts:1 has 401 lines/);
  });

  test("functionLengths() allows 70 lines and refuses 71, naming the function", () => {
    expect(functionLengths(sample(`function fits() {\n${lines(68)}\n}`))).toEqual([]);
    const violations = functionLengths(sample(`const x = 1;\nfunction tooLong() {\n${lines(69)}\n}`));
    expect(report(violations)).toBe(`${PATH}:2 tooLong has 71 lines, at most 70`);
  });

  test("functionLengths() measures methods, arrow functions and callbacks of tests", () => {
    const body = `{\n${lines(80)}\n}`;
    const text = `class A { m() ${body} }\nconst arrow = () => ${body};\ntest("x", () => ${body});`;
    expect(functionLengths(sample(text)).map(({ message }) => message.split(" has")[0])).toEqual([
      "m",
      "arrow",
      "argument of test",
    ]);
  });

  test("functionLengths() takes a group of tests for a table of contents", () => {
    expect(functionLengths(sample(`describe("x", () => {\n${lines(200)}\n});`))).toEqual([]);
    expect(functionLengths(sample(`describe.each([])("x", () => {\n${lines(200)}\n});`))).toEqual([]);
  });

  test("functionLengths() knows its exceptions, and complains about one that is not needed", () => {
    const exceptions = { [`${PATH}#tooLong`]: "a table of states" };
    expect(functionLengths(sample(`function tooLong() {\n${lines(80)}\n}`), exceptions)).toEqual([]);
    expect(report(functionLengths(sample("f();"), exceptions))).toMatch(/remove the exception/);
  });

  test("functionLengths() refuses a sixth exception", () => {
    const names = ["a", "b", "c", "d", "e", "f"];
    const text = names.map((name) => `function ${name}() {\n${lines(80)}\n}`).join("\n");
    const exceptions = Object.fromEntries(names.map((name) => [`${PATH}#${name}`, "because"]));
    expect(report(functionLengths(sample(text), exceptions))).toMatch(/too many exceptions/);
  });
});
