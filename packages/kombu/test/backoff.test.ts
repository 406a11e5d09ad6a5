import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { backoffMs } from "../src/backoff.js";

const policy = { initialMs: 100, maxMs: 5000, factor: 2, jitter: 0.5 };

describe("backoffMs()", () => {
  it("backoffMs() doubles until the cap when chance says nothing", () => {
    expect([1, 2, 3, 4, 7, 1000].map((n) => backoffMs(n, policy, 0))).toEqual([
      100, 200, 400, 800, 5000, 5000,
    ]);
  });

  it("backoffMs() is never longer than the full pause nor shorter than the jitter allows", () => {
    fc.assert(
      fc.property(
        fc.nat(10_000),
        fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }),
        (n, random) => {
          const full = backoffMs(n, policy, 0);
          const pause = backoffMs(n, policy, random);
          expect(pause).toBeLessThanOrEqual(full);
          expect(pause).toBeGreaterThanOrEqual(Math.floor(full / 2));
        },
      ),
    );
  });
});
