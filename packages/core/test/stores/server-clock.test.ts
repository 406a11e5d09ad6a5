import { describe, expect, test } from "vitest";
import { manualClock } from "../../src/clock.js";
import { ServerClock } from "../../src/stores/server-clock.js";

const START_US = 1_767_225_600_000_000;
const SECOND_US = 1_000_000;

const dateAt = (us: number) => new Date(us / 1000).toUTCString();

/** How far a server's clock is believed to be ahead, in microseconds. */
function aheadUs(observations: readonly (readonly [shownUs: number, sentUs: number, receivedUs: number])[]) {
  const clock = new ServerClock(manualClock(START_US));
  for (const [shownUs, sentUs, receivedUs] of observations)
    clock.observe(dateAt(shownUs), sentUs, receivedUs);
  return clock.nowUs() - START_US;
}

describe("ServerClock", () => {
  test("nowUs() is the local time as long as the answers do not contradict it", () => {
    expect(aheadUs([])).toBe(0);
    expect(aheadUs([[START_US, START_US + 1, START_US + 900_000]])).toBe(0);
  });

  test("nowUs() is as far ahead, or behind, as the answers show for certain", () => {
    const sent = START_US;
    const received = START_US + 10_000;
    expect(aheadUs([[START_US + 60 * SECOND_US, sent, received]])).toBe(60 * SECOND_US - 10_000);
    expect(aheadUs([[START_US - 60 * SECOND_US, sent, received]])).toBe(-59 * SECOND_US);
  });

  test("observe() narrows the difference with each answer, and begins anew after a clock was set", () => {
    const early = [START_US + 60 * SECOND_US, START_US, START_US + 500_000] as const;
    const late = [START_US + 60 * SECOND_US, START_US, START_US + 1_000] as const;
    expect(aheadUs([early, late])).toBe(60 * SECOND_US - 1_000);
    expect(aheadUs([late, early])).toBe(60 * SECOND_US - 1_000);
    expect(aheadUs([late, [START_US - 60 * SECOND_US, START_US, START_US + 1_000]])).toBe(-59 * SECOND_US);
  });

  test("observe() ignores answers without a date, and dates that are none", () => {
    const clock = new ServerClock(manualClock(START_US));
    clock.observe(undefined, 0, 1);
    clock.observe("yesterday", 0, 1);
    expect(clock.nowUs()).toBe(START_US);
  });
});
