import { describe, expect, test } from "vitest";
import { LEASE_STEP_US, LeaseRate } from "../../src/stores/lease-rate.js";

describe("LeaseRate", () => {
  test("lastMinute() and lastHour() count in steps of ten seconds", () => {
    const rate = new LeaseRate();
    rate.add(0, 3);
    rate.add(LEASE_STEP_US - 1, 4);
    expect([rate.lastMinute(59_999_999), rate.lastHour(59_999_999)]).toEqual([7, 7]);
    expect([rate.lastMinute(60_000_000), rate.lastHour(60_000_000)]).toEqual([0, 7]);
    expect(rate.lastHour(3_600_000_000)).toBe(0);
  });

  test("add() forgets what is older than an hour, and nothing younger", () => {
    const rate = new LeaseRate();
    for (let step = 0; step <= 1000; step++) rate.add(step * LEASE_STEP_US, 1);
    expect(rate.lastHour(1000 * LEASE_STEP_US)).toBe(360);
  });
});
