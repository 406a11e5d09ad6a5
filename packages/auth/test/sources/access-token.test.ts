import { describe, expect, test } from "vitest";
import { freshnessOf } from "../../src/sources/access-token.js";

const HOUR_MS = 3_600_000;

describe("freshnessOf()", () => {
  test.each([
    [300_001, HOUR_MS, "fresh"],
    [300_000, HOUR_MS, "ageing"],
    [30_001, HOUR_MS, "ageing"],
    [30_000, HOUR_MS, "spent"],
    [-HOUR_MS, HOUR_MS, "spent"],
    // Nobody said how long it lives: an hour.
    [300_000, undefined, "ageing"],
    [30_000, undefined, "spent"],
    // Of a short life a quarter, and a tenth.
    [15_001, 60_000, "fresh"],
    [15_000, 60_000, "ageing"],
    [6001, 60_000, "ageing"],
    [6000, 60_000, "spent"],
  ])("freshnessOf() of a token with %i ms left of %s ms is %s", (leftMs, lifeMs, freshness) => {
    const nowMs = 1_700_000_000_000;
    expect(freshnessOf({ token: "t", expiresAtMs: nowMs + leftMs, lifeMs }, nowMs)).toBe(freshness);
  });

  test("freshnessOf() of a token whose end nobody said is fresh", () => {
    expect(freshnessOf({ token: "t", expiresAtMs: undefined, lifeMs: undefined }, 0)).toBe("fresh");
  });
});
