import { describe, expect, test } from "vitest";
import { idSource, newIdempotencyKey, newRequestId, randomFraction } from "../src/ids.js";
import { GENERATED_ID_PATTERN, IDEMPOTENCY_KEY_LENGTH_MAX, TASK_ID_PATTERN } from "../src/limits.js";

const NOW_US = 1_767_225_600_000_000;

describe("idSource()", () => {
  test("next() gives ids of the reserved form, which are task ids too", () => {
    const id = idSource().next(NOW_US);
    expect(id).toMatch(GENERATED_ID_PATTERN);
    expect(id).toMatch(TASK_ID_PATTERN);
  });

  test("next() grows as text within one microsecond, over a whole batch and more", () => {
    const ids = idSource();
    const made = Array.from({ length: 10_000 }, () => ids.next(NOW_US));
    expect([...made].sort()).toEqual(made);
    expect(new Set(made).size).toBe(made.length);
  });

  test("next() grows with time, and goes on growing when time does not", () => {
    const ids = idSource();
    const first = ids.next(NOW_US);
    const second = ids.next(NOW_US + 1);
    const third = ids.next(NOW_US - 1_000_000);
    expect([first, second, third]).toEqual([first, second, third].sort());
    expect(new Set([first, second, third]).size).toBe(3);
  });

  test("next() holds the microseconds above the sequence, with leading zeros", () => {
    expect(idSource(() => 0).next(1)).toBe("0000000000001000");
    expect(idSource(() => 0xabc).next(NOW_US)).toBe(`${NOW_US.toString(16)}abc`.padStart(16, "0"));
  });

  test("next() goes on in the next microsecond when all ids of one are used up", () => {
    const ids = idSource(() => 0xfff);
    expect([ids.next(1), ids.next(1), ids.next(1), ids.next(2)]).toEqual([
      "0000000000001fff",
      "0000000000002000",
      "0000000000002001",
      "0000000000002002",
    ]);
  });

  test("next() takes no more chance than its bits hold", () => {
    expect(idSource(() => 0xffff).next(2)).toBe("0000000000002fff");
  });

  test("two sources rarely give the same id at the same time", () => {
    const seen = new Set(Array.from({ length: 20 }, () => idSource().next(NOW_US)));
    expect(seen.size).toBeGreaterThan(1);
  });
});

describe("newIdempotencyKey()", () => {
  test("is short enough, and never the same", () => {
    const keys = Array.from({ length: 100 }, newIdempotencyKey);
    expect(new Set(keys).size).toBe(100);
    for (const key of keys) expect(key.length).toBeLessThanOrEqual(IDEMPOTENCY_KEY_LENGTH_MAX);
  });
});

describe("newRequestId()", () => {
  test("is short, visible, and never the same", () => {
    const ids = Array.from({ length: 100 }, newRequestId);
    expect(new Set(ids).size).toBe(100);
    for (const id of ids) expect(id).toMatch(/^[0-9a-f]{16}-\d+$/);
  });
});

describe("randomFraction()", () => {
  test("is from 0 to below 1, and seldom the same", () => {
    const fractions = Array.from({ length: 1_000 }, randomFraction);
    expect(fractions.every((fraction) => fraction >= 0 && fraction < 1)).toBe(true);
    expect(new Set(fractions).size).toBeGreaterThan(990);
  });
});
