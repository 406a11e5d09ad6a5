import { describe, expect, test } from "vitest";
import { QUOTE_LENGTH_MAX } from "../src/limits.js";
import { oneLine } from "../src/one-line.js";

describe("oneLine()", () => {
  test("oneLine() makes one visible line of somebody else's text", () => {
    expect(oneLine("  a\r\n\x1b[31mb\u202ec\u2028d é\u0000 ")).toBe("a [31mb c d é");
    expect(oneLine("x".repeat(QUOTE_LENGTH_MAX + 1))).toHaveLength(QUOTE_LENGTH_MAX);
  });
});
