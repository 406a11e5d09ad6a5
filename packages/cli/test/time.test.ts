import { describe, expect, test } from "vitest";
import { durationText } from "../src/time.js";

describe("durationText()", () => {
  test.each([
    [0, "0 s"],
    [-5, "0 s"],
    [59_999, "59 s"],
    [60_000, "1 min"],
    [43 * 60_000 + 59_000, "43 min"],
    [7_199_999, "119 min"],
    [7_200_000, "2 h"],
    [172_799_999, "47 h"],
    [172_800_000, "2 days"],
  ])("durationText(%i) is %s, never more than there is", (ms, text) => {
    expect(durationText(ms)).toBe(text);
  });
});
