import { describe, expect, test } from "vitest";
import { ExpiringMap } from "../../src/stores/expiring-map.js";

describe("ExpiringMap", () => {
  test("get() gives a value until its time is over", () => {
    const map = new ExpiringMap<number>(10);
    map.set("a", 1, 0, 5);
    expect(map.get("a", 4_999)).toBe(1);
    expect(map.get("a", 5_000)).toBeUndefined();
  });

  test("set() lets a key begin anew", () => {
    const map = new ExpiringMap<number>(10);
    map.set("a", 1, 0, 5);
    map.set("a", 2, 4_000, 5);
    expect(map.get("a", 8_999)).toBe(2);
  });

  test("set() forgets the oldest when there are too many", () => {
    const map = new ExpiringMap<number>(2);
    for (const [index, key] of ["a", "b", "c"].entries()) map.set(key, index, 0, 5);
    expect(["a", "b", "c"].map((key) => map.get(key, 1))).toEqual([undefined, 1, 2]);
  });
});
