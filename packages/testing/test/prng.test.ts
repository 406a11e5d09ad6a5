import { describe, expect, test } from "vitest";
import { freshSeed, prng } from "../src/prng.js";

describe("prng()", () => {
  test("prng() repeats itself for the same seed, and not for another", () => {
    const numbers = (seed: number) =>
      Array.from(
        { length: 50 },
        (
          (chance) => () =>
            chance.integer(0, 999)
        )(prng(seed)),
      );
    expect(numbers(7)).toEqual(numbers(7));
    expect(numbers(7)).not.toEqual(numbers(8));
  });

  test("integer() reaches both ends and nothing else", () => {
    const chance = prng(1);
    const seen = new Set(Array.from({ length: 1000 }, () => chance.integer(3, 6)));
    expect([...seen].sort()).toEqual([3, 4, 5, 6]);
  });

  test("freshSeed() differs from call to call", () => {
    expect(freshSeed()).not.toBe(freshSeed());
  });
});
