import { getEventListeners } from "node:events";
import { manualClock, systemClock } from "@pullqueue/core";
import { isRecoverable, KombuError, type RetryOptions } from "@pullqueue/kombu";
import { describe, expect, it } from "vitest";
import { backoffOf, retrying } from "../src/retry.js";

const away = () => new KombuError("unavailable", "the broker is away");

/** Runs work that fails a number of times, on a clock that jumps over each wait, and tells the waits. */
async function run(failures: number, options: RetryOptions, attemptsPerRound = 1) {
  const clock = manualClock();
  const waits: number[] = [];
  let attempts = 0;
  const work = async () => {
    attempts += 1;
    if (attempts <= failures) throw away();
    return attempts;
  };
  const errback = (error: unknown, waitMs: number) => {
    options.errback?.(error, waitMs);
    waits.push(waitMs);
    setImmediate(() => clock.advance(waitMs));
  };
  const context = { clock, random: () => 0, isRetryable: isRecoverable, attemptsPerRound };
  const outcome = await retrying(work, { ...options, errback }, context).catch((error: unknown) => error);
  return { outcome, waits, attempts };
}

describe("retrying()", () => {
  it("waits double up to the longest, and have their jitter", async () => {
    const { outcome, waits } = await run(8, {});
    expect(outcome).toBe(9);
    expect(waits).toEqual([100, 200, 400, 800, 1000, 1000, 1000, 1000]);
    expect(backoffOf({})).toMatchObject({ jitter: 0.5 });
  });

  it("with intervalStepMs waits grow as kombu's, but never beyond intervalMaxMs", async () => {
    const options = { intervalStartMs: 2000, intervalStepMs: 2000, intervalMaxMs: 5000 };
    expect((await run(4, options)).waits).toEqual([2000, 4000, 5000, 5000]);
    expect((await run(3, { ...options, intervalFactor: 2, intervalMaxMs: 60_000 })).waits).toEqual([
      ...[2000, 6000, 12_000],
    ]);
  });

  it("there is a wait after each round, however short the policy wants it", async () => {
    expect((await run(4, { intervalStartMs: 0 }, 2)).waits).toEqual([0, 1, 0, 1]);
  });

  it("leaves no timer and no listener behind", async () => {
    const clock = manualClock();
    let timers = 0;
    const timer: typeof clock.timer = (...given) => {
      timers += 1;
      const cancel = clock.timer(...given);
      return () => {
        timers -= 1;
        cancel();
      };
    };
    const context = { clock: { ...clock, timer }, random: () => 0, isRetryable: isRecoverable };
    const { signal } = new AbortController();
    await retrying(async () => {}, { signal }, context);
    expect([timers, getEventListeners(signal, "abort").length]).toEqual([0, 0]);
  });

  it("there is no wait inside a round", async () => {
    expect((await run(7, {}, 3)).waits).toEqual([0, 0, 100, 0, 0, 200, 0]);
  });

  it("maxRetries counts rounds, and its end is the last attempt's error", async () => {
    const { outcome, attempts } = await run(99, { maxRetries: 2 }, 3);
    expect(outcome).toMatchObject({ code: "unavailable", message: "the broker is away" });
    expect(attempts).toBe(9);
    expect((await run(99, { maxRetries: 0 })).attempts).toBe(1);
  });

  it("by default it ends after a minute, with the last attempt's error", async () => {
    const { outcome, waits } = await run(9999, {});
    expect(outcome).toMatchObject({ code: "unavailable" });
    const waited = waits.reduce((sum, wait) => sum + wait, 0);
    expect(waited).toBeGreaterThan(50_000);
    expect(waited).toBeLessThanOrEqual(60_000);
  });

  it("a deadline during an attempt is a timeout that tells the last failure, and the attempt's signal fires", async () => {
    const clock = manualClock();
    const context = { clock, random: () => 0, isRetryable: isRecoverable };
    let signal: AbortSignal | undefined;
    let attempts = 0;
    const running = retrying(
      async (given) => {
        attempts += 1;
        signal = given;
        if (attempts === 1) throw away();
        setImmediate(() => clock.advance(900));
        return new Promise(() => {});
      },
      { timeoutMs: 1000, intervalStartMs: 100, errback: () => setImmediate(() => clock.advance(100)) },
      context,
    );
    await expect(running).rejects.toMatchObject({
      code: "timeout",
      message: expect.stringContaining("the broker is away"),
      cause: { code: "unavailable" },
    });
    expect(signal?.aborted).toBe(true);
  });

  it("what will not pass is thrown at once, unless retryErrors says otherwise", async () => {
    const context = { clock: systemClock(), random: () => 0, isRetryable: isRecoverable };
    let attempts = 0;
    const work = async () => {
      attempts += 1;
      if (attempts < 3) throw new TypeError("a mistake");
      return attempts;
    };
    await expect(retrying(work, {}, context)).rejects.toThrow("a mistake");
    attempts = 0;
    const retryErrors = (error: unknown) => error instanceof TypeError;
    expect(await retrying(work, { intervalStartMs: 0, retryErrors }, context)).toBe(3);
  });

  it("waits at least as long as the broker asked for", async () => {
    const clock = manualClock();
    const waits: number[] = [];
    let isFirst = true;
    const work = async () => {
      if (!isFirst) return "done";
      isFirst = false;
      throw new KombuError("resource_exhausted", "slower, please", { retryAfterMs: 7000 });
    };
    const errback = (_: unknown, waitMs: number) => {
      waits.push(waitMs);
      setImmediate(() => clock.advance(waitMs));
    };
    const context = { clock, random: () => 0, isRetryable: isRecoverable };
    expect(await retrying(work, { errback }, context)).toBe("done");
    expect(waits).toEqual([7000]);
  });

  it("an abort ends a wait with its reason, and what errback throws ends everything", async () => {
    const stop = new AbortController();
    const reason = new Error("enough");
    const errback = () => setImmediate(() => stop.abort(reason));
    const aborted = await run(9, {
      signal: stop.signal,
      intervalStartMs: 1e9,
      intervalMaxMs: 1e9,
      timeoutMs: 2e9,
      errback,
    });
    expect(aborted.outcome).toBe(reason);
    const thrown = new Error("thrown by errback");
    const { outcome } = await run(9, {
      errback: () => {
        throw thrown;
      },
    });
    expect(outcome).toBe(thrown);
  });
});
