import assert from "node:assert/strict";
import { systemClock } from "../clock.js";
import type { StoreUnderTest } from "./store-under-test.js";

/** How long a call may take to come to an end, in milliseconds of real time, before its case fails. */
const PATIENCE_MS = 40_000;

/** One turn of waiting for something that gives no signal, in milliseconds of real time: a few hops over a socket. */
const MOMENT_MS = 5;

const clock = systemClock();

/**
 * Awaits a call while the store's clock moves on in steps. A call under way gives no signal when it has begun to wait, so
 * a case may only say what holds however much time has passed.
 */
export async function whileAdvancing<T>(sut: StoreUnderTest, stepMs: number, call: Promise<T>): Promise<T> {
  for (const started = performance.now(); performance.now() - started < PATIENCE_MS; ) {
    if (await settlesSoon(call)) return call;
    await sut.advance(stepMs);
  }
  assert.fail(`a call did not end within ${PATIENCE_MS} ms, while the store's clock moved on`);
}

/** Awaits a call while time stands still; it must end by itself. */
export async function inTime<T>(call: Promise<T>): Promise<T> {
  for (const started = performance.now(); performance.now() - started < PATIENCE_MS; ) {
    if (await settlesSoon(call)) return call;
  }
  assert.fail(`a call did not end within ${PATIENCE_MS} ms, although nothing was left to wait for`);
}

/** The call must still be waiting, after it had time to begin. */
export async function staysPending(call: Promise<unknown>): Promise<void> {
  for (let turn = 0; turn < 3; turn++) {
    assert.equal(await settlesSoon(call), false, "the call ended although nothing had happened yet");
  }
}

/** Whether a call is done, one way or the other, within a moment. */
async function settlesSoon(call: Promise<unknown>): Promise<boolean> {
  let settled = false;
  const done = () => {
    settled = true;
  };
  await Promise.race([call.then(done, done), aMoment()]);
  return settled;
}

function aMoment(): Promise<void> {
  return new Promise((resolve) => {
    clock.timer(MOMENT_MS, resolve, { keepAlive: true });
  });
}
