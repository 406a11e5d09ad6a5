import { isMissing } from "@pullqueue/testing";
import { dropSchemas } from "@pullqueue/testing/postgres-under-test";
import { afterAll, describe, expect, test } from "vitest";
import { manualClock } from "../../src/clock.js";
import { storeSuite } from "../../src/conformance/index.js";
import { DatabaseClock } from "../../src/stores/postgres-clock.js";
import { postgresUnderTest } from "../support/postgres.js";

afterAll(dropSchemas);

describe.skipIf(isMissing("postgres"))("openPostgresStore() on the database's own clock", () => {
  // Time passes here as it does outside: cases wait for their leases side by side, each in a schema of its own.
  storeSuite({ describe, test: test.concurrent, factory: postgresUnderTest });
});

describe("DatabaseClock", () => {
  const setUp = () => {
    const base = manualClock(1_000_000);
    return { base, clock: new DatabaseClock(base) };
  };

  test("nowUs() shows what the database showed, and the time since", () => {
    const { base, clock } = setUp();
    clock.observe(5_000_000);
    base.advance(2);
    expect(clock.nowUs()).toBe(5_002_000);
  });

  test("nowUs() trusts the fastest answer, because a slow one is old when it comes", () => {
    const { base, clock } = setUp();
    clock.observe(5_000_000);
    base.advance(30);
    clock.observe(5_010_000);
    expect(clock.nowUs()).toBe(5_030_000);
    clock.observe(5_031_000);
    expect(clock.nowUs()).toBe(5_031_000);
  });

  test("nowUs() follows a database whose clock was set back, and never runs backwards", () => {
    const { base, clock } = setUp();
    clock.observe(5_000_000);
    expect(clock.nowUs()).toBe(5_000_000);
    clock.observe(2_000_000);
    expect(clock.nowUs()).toBe(5_000_000);
    base.advance(3_500);
    expect(clock.nowUs()).toBe(5_500_000);
  });

  test("timer() is the base clock's", () => {
    const { base, clock } = setUp();
    let fired = 0;
    clock.timer(10, () => {
      fired += 1;
    });
    base.advance(10);
    expect(fired).toBe(1);
  });
});
