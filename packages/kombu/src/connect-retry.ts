import { integerCheck, numberCheck } from "./check.js";
import { RETRIES_MAX, TIMEOUT_MS_MAX } from "./limits.js";
import type { RetryPolicy } from "./retry.js";

/** How opening a connection is tried again, as options of every transport: kombu's `transport_options` for it. */

/** Options of opening a connection, of every transport. With one of them, or with several URLs, it is tried again by this policy. */
export interface ConnectRetryOptions {
  /** How often opening is tried again after all URLs failed. Default: as often as the time allows. */
  readonly maxRetries?: number;
  readonly max_retries?: number;
  /** The first wait between two rounds, in milliseconds. Default 100. */
  readonly intervalStartMs?: number;
  readonly interval_start?: number;
  /** How much longer each wait is than the one before, in milliseconds. Default: waits double instead. */
  readonly intervalStepMs?: number;
  readonly interval_step?: number;
  /** The longest wait, in milliseconds. Default 1000. */
  readonly intervalMaxMs?: number;
  readonly interval_max?: number;
  /** All attempts together, in milliseconds. Default 60,000. */
  readonly connectRetriesTimeoutMs?: number;
  readonly connect_retries_timeout?: number;
}

const SECONDS = 1000;

const waitCheck = numberCheck(0, TIMEOUT_MS_MAX, "milliseconds");
const wait = {
  scale: SECONDS,
  pythonExpected: `a number of seconds from 0 to ${TIMEOUT_MS_MAX / SECONDS}`,
  check: waitCheck,
  inUrl: "number",
} as const;

/** The table of these options; `OptionSpec` says what its columns mean. */
export const CONNECT_RETRY_SPECS = [
  {
    name: "maxRetries",
    python: "max_retries",
    check: integerCheck(0, RETRIES_MAX, "retries"),
    inUrl: "number",
  },
  { name: "intervalStartMs", python: "interval_start", ...wait },
  { name: "intervalStepMs", python: "interval_step", ...wait },
  { name: "intervalMaxMs", python: "interval_max", ...wait },
  { name: "connectRetriesTimeoutMs", python: "connect_retries_timeout", ...wait },
] as const;

/** The policy in options that were checked; undefined when they say nothing of it. */
export function connectRetryOf(values: Readonly<Record<string, unknown>>): RetryPolicy | undefined {
  const { maxRetries, intervalStartMs, intervalStepMs, intervalMaxMs, connectRetriesTimeoutMs } =
    values as ConnectRetryOptions;
  const policy = {
    ...{ maxRetries, intervalStartMs, intervalStepMs, intervalMaxMs },
    timeoutMs: connectRetriesTimeoutMs,
  };
  return Object.values(policy).every((value) => value === undefined) ? undefined : Object.freeze(policy);
}

/** The same as the pairs of a URL's query, under kombu's names and in its units. */
export function connectRetryQuery(policy: RetryPolicy = {}): Readonly<Record<string, number | undefined>> {
  const seconds = (ms: number | undefined) => (ms === undefined ? undefined : ms / SECONDS);
  return {
    max_retries: policy.maxRetries,
    interval_start: seconds(policy.intervalStartMs),
    interval_step: seconds(policy.intervalStepMs),
    interval_max: seconds(policy.intervalMaxMs),
    connect_retries_timeout: seconds(policy.timeoutMs),
  };
}
