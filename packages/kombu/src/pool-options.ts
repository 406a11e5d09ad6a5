import { booleanCheck, type Check, integerCheck, signalCheck, timeoutCheck } from "./check.js";
import { POOL_LIMIT_MAX, TIMEOUT_MS_MAX } from "./limits.js";

/** How many resources a pool may have, and how long its users wait. */
export interface PoolOptions {
  /** Most resources that are there at the same time. None, or 0 as in kombu: any number, and each is closed when it comes back. */
  readonly limit?: number | undefined;
  /** How long `acquire` waits unless it is told otherwise, in milliseconds. Default 30 000: what other pools wait, longer than a broker's restart takes. */
  readonly timeoutMs?: number | undefined;
}

/** How long `acquire` waits. */
export interface AcquireOptions {
  /** In milliseconds; 0 does not wait for other users. Default: the pool's. */
  readonly timeoutMs?: number | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** What a change of a pool's limit does to what is there. */
export interface ResizeOptions {
  /** Shrink though more are in use: the surplus is closed as it comes back. Default false: `precondition_failed`. */
  readonly force?: boolean | undefined;
  /** Close all that are there: idle ones now, those in use when they come back. Default false. */
  readonly reset?: boolean | undefined;
}

/** What a pool's options must be. */
export const POOL_CHECKS: Readonly<Record<keyof PoolOptions, Check>> = {
  limit: integerCheck(0, POOL_LIMIT_MAX, "resources"),
  timeoutMs: integerCheck(1, TIMEOUT_MS_MAX, "milliseconds"),
};

/** What `acquire` may be told. */
export const ACQUIRE_CHECKS: Readonly<Record<keyof AcquireOptions, Check>> = {
  timeoutMs: timeoutCheck,
  signal: signalCheck,
};

/** What a change of the limit may be told. */
export const RESIZE_CHECKS: Readonly<Record<keyof ResizeOptions, Check>> = {
  force: booleanCheck,
  reset: booleanCheck,
};

/** What closing may be told. */
export const CLOSE_CHECKS = { timeoutMs: timeoutCheck };
