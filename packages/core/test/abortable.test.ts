import { getEventListeners } from "node:events";
import { describe, expect, test } from "vitest";
import { abortable, followSignals, pause } from "../src/abortable.js";
import { manualClock } from "../src/clock.js";
import { deferred } from "./support/deferred.js";

const reason = { not: "an error" };
const listenersOf = (signal: AbortSignal) => getEventListeners(signal, "abort").length;

describe("abortable()", () => {
  test("abortable() rejects one caller with the reason, and the promise goes on for others", async () => {
    const shared = deferred<number>();
    const controller = new AbortController();
    const aborted = abortable(shared.promise, controller.signal);
    controller.abort(reason);
    await expect(aborted).rejects.toBe(reason);
    shared.resolve(1);
    expect(await abortable(shared.promise, undefined)).toBe(1);
    await expect(abortable(shared.promise, controller.signal)).rejects.toBe(reason);
  });

  test("abortable() leaves no listener behind", async () => {
    const { signal } = new AbortController();
    expect(await abortable(Promise.resolve(1), signal)).toBe(1);
    await expect(abortable(Promise.reject(reason), signal)).rejects.toBe(reason);
    expect(listenersOf(signal)).toBe(0);
  });
});

describe("pause()", () => {
  test("pause() ends when its time is over, or when one of the signals fires, and leaves no listener behind", async () => {
    const clock = manualClock();
    const [first, second] = [new AbortController(), new AbortController()];
    const long = pause(clock, 1_000, first.signal, undefined, second.signal);
    clock.advance(1_000);
    await long;
    expect(listenersOf(first.signal) + listenersOf(second.signal)).toBe(0);
    const cut = pause(clock, 1_000, first.signal, second.signal);
    second.abort();
    await cut;
    expect(listenersOf(first.signal)).toBe(0);
    await pause(clock, 1_000, second.signal);
  });
});

describe("followSignals()", () => {
  test("followSignals() fires with the reason of the first that fires, before and after", () => {
    const [first, second] = [new AbortController(), new AbortController()];
    const both = followSignals(first.signal, undefined, second.signal);
    second.abort(reason);
    expect(both.signal.reason).toBe(reason);
    expect(followSignals(first.signal, second.signal).signal.reason).toBe(reason);
  });

  test("followSignals() lets go of its signals when it is released", () => {
    const { signal } = new AbortController();
    const { release } = followSignals(signal);
    expect(listenersOf(signal)).toBe(1);
    release();
    expect(listenersOf(signal)).toBe(0);
  });
});
