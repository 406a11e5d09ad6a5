import { afterEach, describe, expect, test, vi } from "vitest";
import { clockNotBefore, manualClock, systemClock } from "../src/clock.js";

/** Makes the wall clock and the monotonic clock show what the test says, in milliseconds. */
function fakeSystem(wallMs: number) {
  const shown = { wallMs, monotonicMs: 5_000 };
  vi.spyOn(Date, "now").mockImplementation(() => shown.wallMs);
  vi.spyOn(performance, "now").mockImplementation(() => shown.monotonicMs);
  return shown;
}

afterEach(() => {
  vi.restoreAllMocks();
});

describe("systemClock()", () => {
  test("nowUs() advances with the monotonic clock, in whole microseconds", () => {
    const shown = fakeSystem(1_000_000);
    const clock = systemClock();
    expect(clock.nowUs()).toBe(1_000_000_000);
    shown.monotonicMs += 1.2344;
    expect(clock.nowUs()).toBe(1_000_001_234);
  });

  test("nowUs() ignores a wall clock that is set back", () => {
    const shown = fakeSystem(1_000_000);
    const clock = systemClock();
    const before = clock.nowUs();
    shown.wallMs -= 3_600_000;
    shown.monotonicMs += 1;
    expect(clock.nowUs()).toBe(before + 1_000);
  });

  test("nowUs() follows a wall clock that jumps ahead, as after a suspension, and runs on from there", () => {
    const shown = fakeSystem(1_000_000);
    const clock = systemClock();
    shown.wallMs += 60_000;
    expect(clock.nowUs()).toBe(1_060_000_000);
    shown.monotonicMs += 2;
    expect(clock.nowUs()).toBe(1_060_002_000);
  });

  test("nowUs() leaves small differences between the two clocks alone", () => {
    const shown = fakeSystem(1_000_000);
    const clock = systemClock();
    shown.wallMs += 900;
    expect(clock.nowUs()).toBe(1_000_000_000);
  });

  test("timer() calls back once, and not at all when cancelled", async () => {
    const clock = systemClock();
    const fired: string[] = [];
    const cancel = clock.timer(0, () => fired.push("cancelled"));
    cancel();
    await new Promise<void>((resolve) => {
      clock.timer(
        1,
        () => {
          fired.push("kept");
          resolve();
        },
        { keepAlive: true },
      );
    });
    expect(fired).toEqual(["kept"]);
  });

  test("timer() takes negative delays as none, and delays beyond Node's own limit without firing early", async () => {
    const clock = systemClock();
    let early = false;
    const cancel = clock.timer(2 ** 40, () => {
      early = true;
    });
    await new Promise<void>((resolve) => {
      clock.timer(-5, resolve, { keepAlive: true });
    });
    cancel();
    expect(early).toBe(false);
  });
});

describe("clockNotBefore()", () => {
  test("shows at least the floor and runs on from there", () => {
    const base = manualClock(1_000);
    const clock = clockNotBefore(base, 5_000);
    expect(clock.nowUs()).toBe(5_000);
    base.advance(1);
    expect(clock.nowUs()).toBe(6_000);
  });

  test("is the clock itself when that is not behind", () => {
    const base = manualClock(5_000);
    expect(clockNotBefore(base, 5_000)).toBe(base);
  });

  test("keeps timers in the pace of the clock below", () => {
    const base = manualClock(0);
    const clock = clockNotBefore(base, 1_000_000);
    let fired = 0;
    clock.timer(10, () => fired++);
    base.advance(9);
    expect(fired).toBe(0);
    base.advance(1);
    expect(fired).toBe(1);
  });
});

describe("manualClock()", () => {
  test("moves only when told", () => {
    const clock = manualClock(7);
    expect(clock.nowUs()).toBe(7);
    clock.advance(1.5);
    expect(clock.nowUs()).toBe(1_507);
  });

  test("advance() fires timers in the order of their due times, each at its time", () => {
    const clock = manualClock(0);
    const fired: string[] = [];
    const note = (name: string) => () => void fired.push(`${name} at ${clock.nowUs()}`);
    clock.timer(20, note("late"));
    clock.timer(10, note("first"));
    clock.timer(10, note("second"));
    clock.timer(31, note("never"));
    clock.advance(30);
    expect(fired).toEqual(["first at 10000", "second at 10000", "late at 20000"]);
    expect(clock.nowUs()).toBe(30_000);
  });

  test("advance() fires timers that a timer sets, when they are due by then", () => {
    const clock = manualClock(0);
    const fired: number[] = [];
    const again = () => {
      fired.push(clock.nowUs());
      clock.timer(4, again);
    };
    clock.timer(4, again);
    clock.advance(13);
    expect(fired).toEqual([4_000, 8_000, 12_000]);
  });

  test("timer() fires no earlier than its delay, however small the fraction", () => {
    const clock = manualClock(0);
    let fired = 0;
    clock.timer(0.0001, () => fired++);
    clock.advance(0);
    expect(fired).toBe(0);
    clock.advance(0.001);
    expect(fired).toBe(1);
  });

  test("timer() is cancelled by what it returns, also from another timer", () => {
    const clock = manualClock(0);
    let fired = false;
    const cancel = clock.timer(2, () => {
      fired = true;
    });
    clock.timer(1, cancel);
    clock.advance(5);
    expect(fired).toBe(false);
  });

  test("advance() never runs backwards, not by a negative step and not after a timer that advanced further", () => {
    const clock = manualClock(1_000);
    clock.timer(1, () => clock.advance(10));
    clock.advance(2);
    expect(clock.nowUs()).toBe(12_000);
    clock.advance(-5);
    expect(clock.nowUs()).toBe(12_000);
  });
});
