import type { Clock } from "@pullqueue/core";
import { type BackoffPolicy, backoffMs } from "./backoff.js";
import { type Check, checkOptions, functionCheck, integerCheck, numberCheck } from "./check.js";
import { becauseOf, isKombuError, KombuError } from "./errors.js";
import {
  RECONNECT_BACKOFF,
  RECONNECT_MS,
  RETRIES_MAX,
  RETRY_FACTOR_MAX,
  RETRY_WAIT_MS_MIN,
  TIMEOUT_MS_MAX,
} from "./limits.js";
import { linkSignals, orAbort, pause } from "./waiting.js";

/**
 * How something is tried again: one policy for connecting, declaring and sending together, and one deadline. Waits grow
 * exponentially unless `intervalStepMs` says otherwise. Nothing of it outlives the call that it is given to.
 */
export interface RetryPolicy {
  /** How often it is tried again; with several URLs, how often all of them are. Default: as often as the time allows. */
  readonly maxRetries?: number | undefined;
  /** The first wait, in milliseconds. Default 100; what is less than 1 is 1. */
  readonly intervalStartMs?: number | undefined;
  /** How much longer each wait is than the one before, in milliseconds: kombu's way. Default: waits double instead. */
  readonly intervalStepMs?: number | undefined;
  /** The longest wait, in milliseconds. Default 1000. */
  readonly intervalMaxMs?: number | undefined;
  /** How many times longer each wait is than the one before. Default 2, or 1 with `intervalStepMs`. */
  readonly intervalFactor?: number | undefined;
  /** The part of a wait that is left to chance, 0 to 1, so that many clients do not come back at once. Default 0.5; kombu has 0. */
  readonly jitter?: number | undefined;
  /** All attempts and waits together, in milliseconds. Default 60,000. */
  readonly timeoutMs?: number | undefined;
  /** Told of each failure, and how long the wait is before the next attempt. What it throws ends the attempts. */
  readonly errback?: ((error: unknown, waitMs: number) => void) | undefined;
  /** Further errors after which it is tried again. Default: those that `isRecoverable` says. */
  readonly retryErrors?: ((error: unknown) => boolean) | undefined;
}

/** A policy of one call. */
export interface RetryOptions extends RetryPolicy {
  readonly signal?: AbortSignal | undefined;
}

const waitCheck = numberCheck(0, TIMEOUT_MS_MAX, "milliseconds");

const POLICY_CHECKS: Readonly<Record<keyof RetryOptions, Check>> = {
  maxRetries: integerCheck(0, RETRIES_MAX, "retries"),
  intervalStartMs: waitCheck,
  intervalStepMs: waitCheck,
  intervalMaxMs: waitCheck,
  intervalFactor: numberCheck(1, RETRY_FACTOR_MAX, "times"),
  jitter: { expected: "a part of each wait, a number from 0 to 1", holds: numberCheck(0, 1, "").holds },
  timeoutMs: waitCheck,
  errback: functionCheck,
  retryErrors: functionCheck,
  signal: { expected: "an AbortSignal", holds: (v) => v instanceof AbortSignal },
};

/** Throws `invalid_argument` with every complaint. */
export function checkRetryOptions(what: string, options: RetryOptions): void {
  checkOptions(what, options, POLICY_CHECKS);
}

/** The waits of a policy. */
export function backoffOf(policy: RetryPolicy): BackoffPolicy {
  const { initialMs, maxMs, factor, jitter } = RECONNECT_BACKOFF;
  const { intervalStepMs: stepMs } = policy;
  return {
    initialMs: policy.intervalStartMs ?? initialMs,
    maxMs: policy.intervalMaxMs ?? maxMs,
    factor: policy.intervalFactor ?? (stepMs === undefined ? factor : 1),
    jitter: policy.jitter ?? jitter,
    ...(stepMs === undefined ? {} : { stepMs }),
  };
}

/** What trying again depends on. */
export interface RetryContext {
  readonly clock: Clock;
  /** Chance from 0 to below 1. */
  readonly random: () => number;
  readonly isRetryable: (error: unknown) => boolean;
  /** How many attempts there are before the first wait, and between waits: one for each URL. Default 1. */
  readonly attemptsPerRound?: number | undefined;
  /** What is wrong while an attempt waits. Default: nobody knows. */
  readonly failure?: () => unknown;
}

/**
 * Does the work, and does it again after errors that may pass. It is given a signal that fires at the deadline. Errors: the last
 * attempt's when there is no retry or no time left, `timeout` when the deadline came during an attempt, the signal's reason.
 */
export async function retrying<T>(
  work: (signal: AbortSignal) => Promise<T>,
  options: RetryOptions,
  { clock, random, isRetryable, attemptsPerRound = 1, failure: waitsFor = () => undefined }: RetryContext,
): Promise<T> {
  const { timeoutMs = RECONNECT_MS, errback, retryErrors } = options;
  const untilUs = clock.nowUs() + timeoutMs * 1000;
  let failure: unknown;
  const late = () => deadlinePassed(timeoutMs, waitsFor() ?? failure);
  const link = linkSignals(options.signal);
  const { signal } = link;
  const cancel = clock.timer(timeoutMs, () => link.abort(late()), { keepAlive: true });
  try {
    for (let attempt = 1; ; attempt++) {
      signal.throwIfAborted();
      try {
        return await orAbort(work(signal), signal);
      } catch (error) {
        signal.throwIfAborted();
        failure = error;
        if (!isRetryable(error) && retryErrors?.(error) !== true) throw error;
        const waitMs = waitAfter(error, attempt, options, { random, attemptsPerRound });
        if (waitMs === undefined || clock.nowUs() + waitMs * 1000 > untilUs) throw error;
        errback?.(error, waitMs);
        if (waitMs > 0) await pause(clock, waitMs, signal);
      }
    }
  } finally {
    cancel();
    link.end();
  }
}

/**
 * How long to wait after so many attempts, in milliseconds, of which the last failed with `error`: between rounds alone. Undefined when
 * those were enough.
 */
export function waitAfter(
  error: unknown,
  attempts: number,
  policy: RetryPolicy,
  { random, attemptsPerRound = 1 }: Pick<RetryContext, "random" | "attemptsPerRound">,
): number | undefined {
  const rounds = attempts / attemptsPerRound;
  if (!Number.isInteger(rounds)) return 0;
  if (rounds > (policy.maxRetries ?? Number.POSITIVE_INFINITY)) return undefined;
  const askedMs = isKombuError(error) ? (error.retryAfterMs ?? 0) : 0;
  return Math.max(RETRY_WAIT_MS_MIN, backoffMs(rounds, backoffOf(policy), random()), askedMs);
}

function deadlinePassed(timeoutMs: number, cause: unknown): KombuError {
  const text = `it was not done within ${timeoutMs} ms (timeoutMs)${becauseOf(cause)}`;
  return new KombuError("timeout", text, { cause });
}
