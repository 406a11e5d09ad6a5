import { limits } from "@pullqueue/core";
import { InvalidArgumentError } from "commander";
import { describe, expect, test } from "vitest";
import { durationBetween, parseCount, parseDuration, parseGiven, parseTag } from "../src/argument-parsers.js";

describe("parseDuration()", () => {
  test.each([
    ["500ms", 500],
    ["30s", 30_000],
    ["30", 30_000],
    ["1.5s", 1_500],
    ["2m", 120_000],
    ["1h", 3_600_000],
    ["30d", limits.DELAY_MS_MAX],
    ["0", 0],
  ])("parseDuration() reads %s", (text, durationMs) => {
    expect(parseDuration(text)).toBe(durationMs);
  });

  test.each(["", "s", "-1s", "1 s", "1w", "1e3", "31d", "0x10", "1s1s"])(
    "parseDuration() refuses %j and says what it expects",
    (text) => {
      expect(() => parseDuration(text)).toThrow(InvalidArgumentError);
      expect(() => parseDuration(text)).toThrow(/^Expected .*got /);
    },
  );
});

test("parseGiven() refuses an empty text, and blanks, and guesses why", () => {
  expect(parseGiven("file.json")).toBe("file.json");
  expect(() => parseGiven("")).toThrow(/is a variable of the shell not set/);
  expect(() => parseGiven(" ")).toThrow(InvalidArgumentError);
});

test("durationBetween() takes its bounds and nothing beyond them", () => {
  const parse = durationBetween(2_000, 10_000);
  expect(parse("2s")).toBe(2_000);
  expect(parse("10s")).toBe(10_000);
  expect(() => parse("1999ms")).toThrow("Expected from 2s to 10s");
  expect(() => parse("11s")).toThrow("Expected from 2s to 10s");
});

test("parseCount() takes whole numbers from 1 up", () => {
  expect(parseCount("1")).toBe(1);
  expect(parseCount("100000")).toBe(100_000);
  for (const text of ["0", "-1", "1.5", "", "many", "1e3"]) {
    expect(() => parseCount(text)).toThrow(InvalidArgumentError);
  }
});

test("parseTag() counts bytes, not characters", () => {
  expect(parseTag("é".repeat(250))).toHaveLength(250);
  expect(() => parseTag("é".repeat(251))).toThrow("at most 500 bytes, got 502");
});
