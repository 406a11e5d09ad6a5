import { describe, expect, test } from "vitest";
import { mapConcurrently } from "../src/map-concurrently.js";

describe("mapConcurrently()", () => {
  test("mapConcurrently() keeps the order of the items and at most so many calls at once", async () => {
    let running = 0;
    let most = 0;
    const results = await mapConcurrently([5, 1, 4, 2, 3], 2, async (item) => {
      running += 1;
      most = Math.max(most, running);
      for (let turn = 0; turn < item; turn++) await new Promise((resolve) => setImmediate(resolve));
      running -= 1;
      return item * 2;
    });
    expect([results, most]).toEqual([[10, 2, 8, 4, 6], 2]);
    expect(await mapConcurrently([], 2, async () => 1)).toEqual([]);
  });

  test("mapConcurrently() rejects with the first failure and takes no further items", async () => {
    const seen: number[] = [];
    const failing = mapConcurrently([1, 2, 3, 4, 5, 6], 2, async (item) => {
      seen.push(item);
      await new Promise((resolve) => setImmediate(resolve));
      if (item === 1) throw new Error("broken");
    });
    await expect(failing).rejects.toThrow("broken");
    await new Promise((resolve) => setImmediate(resolve));
    expect(seen.length).toBeLessThanOrEqual(3);
  });
});
