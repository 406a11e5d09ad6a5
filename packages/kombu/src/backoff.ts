/** Growing pauses between attempts, as a pure function: chance comes in as an argument. */

/** How pauses grow. */
export interface BackoffPolicy {
  /** Before the second attempt, in milliseconds. */
  readonly initialMs: number;
  /** Longest pause, in milliseconds. */
  readonly maxMs: number;
  /** How many times longer each pause is than the one before. */
  readonly factor: number;
  /** How much longer each pause is than the one before, beside that, in milliseconds. Default 0. */
  readonly stepMs?: number;
  /** The part of a pause that is left to chance, 0 to 1, so that many clients do not come back at once. */
  readonly jitter: number;
}

/**
 * The pause after the given number of failed attempts (1 or more), in milliseconds: exponential or linear, capped, and shortened by
 * at most the jitter. `random` is at least 0 and below 1.
 */
export function backoffMs(attempts: number, policy: BackoffPolicy, random: number): number {
  const { initialMs, maxMs, factor, jitter, stepMs = 0 } = policy;
  const earlier = Math.max(0, attempts - 1);
  const fullMs = Math.min(maxMs, initialMs * factor ** earlier + stepMs * earlier);
  return Math.round(fullMs * (1 - jitter * random));
}
