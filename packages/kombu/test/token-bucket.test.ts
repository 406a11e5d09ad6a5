import { manualClock } from "@pullqueue/core";
import { isKombuError, TokenBucket } from "@pullqueue/kombu";
import { describe, expect, test } from "vitest";

describe("TokenBucket", () => {
  test("canConsume() takes what is there, all or none, and the bucket fills at its rate up to its capacity", () => {
    const clock = manualClock();
    const bucket = new TokenBucket(2, 3, clock);
    expect([bucket.canConsume(2), bucket.canConsume(2), bucket.canConsume()]).toEqual([true, false, true]);
    expect(bucket.expectedTimeMs(2)).toBe(1_000);
    clock.advance(500);
    expect(bucket.expectedTimeMs(2)).toBe(500);
    expect([bucket.canConsume(2), bucket.canConsume(1)]).toEqual([false, true]);
    clock.advance(60_000);
    expect([bucket.canConsume(4), bucket.canConsume(3), bucket.expectedTimeMs(0)]).toEqual([false, true, 0]);
  });

  test("expectedTimeMs() is rounded up, so that whoever waits for it waits once", () => {
    const clock = manualClock();
    const bucket = new TokenBucket(3, 1, clock);
    bucket.canConsume();
    expect(bucket.expectedTimeMs()).toBe(334);
    clock.advance(334);
    expect(bucket.canConsume()).toBe(true);
  });

  test("consume() waits until there are enough, or until its signal fires", async () => {
    const clock = manualClock();
    const bucket = new TokenBucket(1, 1, clock);
    await bucket.consume();
    const waiting = bucket.consume();
    clock.advance(1_000);
    await waiting;
    const stop = new AbortController();
    const aborted = bucket.consume(1, { signal: stop.signal });
    stop.abort("enough");
    await expect(aborted).rejects.toBe("enough");
  });

  test("refuses what could never be", async () => {
    expect(() => new TokenBucket(0)).toThrow(/fillRate must be a positive number, got 0/);
    const never = new TokenBucket(1).consume(2);
    await expect(never).rejects.toSatisfy((error) => isKombuError(error, "invalid_argument"));
  });
});
