import type { Clock } from "@pullqueue/core";
import { becauseOf, KombuError } from "./errors.js";
import { ANSWER_LATE_MS, ANSWER_MS_MIN, LEAVE_MS } from "./limits.js";
import { inTime } from "./waiting.js";

/** Who asks a broker for messages, and for how long. */
export interface Asking {
  readonly clock: Clock;
  /** How long its caller wants to wait, in milliseconds. Undefined: nobody has said, so that it takes as long as it takes. */
  readonly waitMs: number | undefined;
  readonly signal: AbortSignal | undefined;
  /** What keeps calls from the broker, as far as anybody knows. */
  readonly failure: () => unknown;
}

/** How long a call may take in all, in milliseconds, whose caller waits that long for a message. */
export function answerMs(waitMs: number): number {
  return Math.max(waitMs + ANSWER_LATE_MS, ANSWER_MS_MIN) + LEAVE_MS;
}

/**
 * Receives, but no longer than somebody waits who said for how long: `unavailable` when the broker has said neither yes nor no by then.
 * Receiving is told to end, and left soon after. What it brings nevertheless is its own affair: it gives that back.
 */
export function answered(
  { clock, waitMs, signal, failure }: Asking,
  receive: (signal: AbortSignal | undefined) => Promise<void>,
): Promise<void> {
  const timeoutMs = waitMs === undefined ? undefined : answerMs(waitMs) - LEAVE_MS;
  const late = (ms: number) => noAnswer(ms, failure());
  return inTime(clock, { timeoutMs, signal, late }, (either) => orLeave(clock, receive(either), either));
}

/** The promise's outcome, or the signal's reason when there is none soon after it fired; the work itself goes on. */
function orLeave<T>(clock: Clock, promise: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (signal === undefined) return promise;
  return new Promise((resolve, reject) => {
    let cancel = () => {};
    const leave = () => {
      cancel = clock.timer(LEAVE_MS, () => finish(() => reject(signal.reason)), { keepAlive: true });
    };
    const finish = (settle: () => void) => {
      cancel();
      signal.removeEventListener("abort", leave);
      settle();
    };
    if (signal.aborted) leave();
    else signal.addEventListener("abort", leave);
    promise.then(
      (value) => finish(() => resolve(value)),
      (error: unknown) => finish(() => reject(error)),
    );
  });
}

function noAnswer(ms: number, cause: unknown): KombuError {
  const why = becauseOf(cause) || "; it is overloaded, hangs, or cannot be reached any more";
  return new KombuError("unavailable", `the broker did not answer within ${Math.ceil(ms)} ms${why}`, {
    cause,
  });
}
