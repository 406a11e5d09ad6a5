import { getEventListeners } from "node:events";
import { manualClock } from "@pullqueue/core";
import { describe, expect, test } from "vitest";
import { GracefulStop } from "../src/graceful-stop.js";

/** A stop with a grace of ten seconds and two more to end, and which of its steps have come. */
function stopWith() {
  const clock = manualClock();
  const stop = new GracefulStop(clock, { graceMs: 10_000, endMs: 2_000 });
  const steps = () =>
    [stop.stopping, stop.interrupting, stop.abandoning].map(({ aborted }) => aborted).lastIndexOf(true) + 1;
  return { clock, stop, steps };
}

describe("GracefulStop", () => {
  test("begin() interrupts after the grace, and waits for nobody after the end", () => {
    const { clock, stop, steps } = stopWith();
    expect(steps()).toBe(0);
    stop.begin();
    clock.advance(9_999);
    expect(steps()).toBe(1);
    clock.advance(1);
    expect(steps()).toBe(2);
    clock.advance(1_999);
    expect(steps()).toBe(2);
    clock.advance(1);
    expect(steps()).toBe(3);
  });

  test("begin() again makes it sooner, never later", () => {
    const { clock, stop, steps } = stopWith();
    stop.begin({ graceMs: 5_000 });
    clock.advance(4_000);
    stop.begin({ graceMs: 5_000 });
    clock.advance(1_000);
    expect(steps()).toBe(2);
    const sooner = stopWith();
    sooner.stop.begin();
    sooner.stop.begin({ graceMs: 1_000 });
    sooner.clock.advance(1_000);
    expect(sooner.steps()).toBe(2);
  });

  test("a signal ends the grace, also one that fired before", () => {
    const { stop, steps } = stopWith();
    const hurry = new AbortController();
    stop.begin({ signal: hurry.signal });
    expect(steps()).toBe(1);
    hurry.abort();
    expect(steps()).toBe(2);
    const late = stopWith();
    late.stop.begin({ signal: hurry.signal });
    expect(late.steps()).toBe(2);
  });

  test("abandon() takes every step at once", () => {
    const { stop, steps } = stopWith();
    stop.abandon();
    expect([steps(), stop.stopping.aborted, stop.interrupting.aborted]).toEqual([3, true, true]);
  });

  test("end() leaves no timer and no listener behind", () => {
    const { clock, stop, steps } = stopWith();
    const hurry = new AbortController();
    stop.begin({ signal: hurry.signal });
    stop.end();
    expect(getEventListeners(hurry.signal, "abort")).toHaveLength(0);
    clock.advance(60_000);
    hurry.abort();
    expect(steps()).toBe(1);
  });
});
