import { compareTimetuples, LamportClock, type Timetuple } from "@pullqueue/kombu";
import { describe, expect, it } from "vitest";

describe("LamportClock", () => {
  it("forward() adds one, adjust() goes beyond both", () => {
    const clock = new LamportClock();
    expect([clock.forward(), clock.forward(), clock.adjust(1), clock.adjust(10)]).toEqual([1, 2, 3, 11]);
    expect([clock.value, String(clock), new LamportClock(7).value]).toEqual([11, "11", 7]);
  });

  it("adjust() is not led astray by what is no clock", () => {
    const clock = new LamportClock(3);
    for (const other of [undefined, null, "9", 1.5, Number.NaN, Number.POSITIVE_INFINITY, 2 ** 53]) {
      const before = clock.value;
      expect(clock.adjust(other)).toBe(before + 1);
    }
  });

  it("adjust() believes no number so great that ours would lose its last digit beyond it", () => {
    const most = 2 ** 52 - 1;
    expect(new LamportClock().adjust(most)).toBe(most + 1);
    expect(new LamportClock().adjust(most + 1)).toBe(1);
  });

  it("sortHeap() gives the latest event, and of several the one with the lowest process id", () => {
    const clock = new LamportClock();
    const [a, b, c] = [[5, "b:1"] as const, [5, "a:1", "more"] as const, [4, "0:1"] as const];
    expect(clock.sortHeap([a, c])).toBe(a);
    expect(clock.sortHeap([a, b, c])).toBe(b);
    expect(clock.sortHeap([a, b])).toBe(b);
    expect(clock.sortHeap([a])).toBe(a);
    expect(clock.sortHeap([])).toBeUndefined();
  });
});

describe("compareTimetuples()", () => {
  const at = (clock: number, timestamp: number, id: string): Timetuple => ({ clock, timestamp, id });
  it.each([
    ["the logical clock decides where both have one", at(1, 20, "b"), at(2, 10, "a")],
    ["equal clocks leave it to the process id", at(1, 20, "a"), at(1, 10, "b")],
    ["without a clock time decides", at(0, 10, "b"), at(1, 20, "a")],
  ])("%s", (_title, first, second) => {
    expect([first, second].sort(compareTimetuples)).toEqual([first, second]);
    expect([second, first].sort(compareTimetuples)).toEqual([first, second]);
    expect(compareTimetuples(first, { ...first })).toBe(0);
  });
});
