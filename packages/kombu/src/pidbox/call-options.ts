import { type Check, functionCheck, integerCheck, keyCheck, signalCheck, timeoutCheck } from "../check.js";
import { REPLIES_MAX } from "../limits.js";
import type { PidboxReply } from "./layout.js";

/** Which nodes are meant, if not all. */
export interface ChoiceOptions {
  /** What their names must fit. */
  readonly pattern?: string;
  /** How the pattern is meant: `glob`, `pcre`, or one that the nodes and the mailbox have registered. Default `glob`. */
  readonly matcher?: string;
}

/** How replies are waited for. */
export interface CallOptions {
  /** Ends after this long with the replies that came, in milliseconds. */
  readonly timeoutMs?: number | undefined;
  /** Ends after so many replies. Default: of `call`, as many as nodes; never more than 10,000. */
  readonly limit?: number | undefined;
  /** Called for each reply when it comes. What it throws ends the call. */
  readonly onReply?: (reply: PidboxReply) => void;
  readonly signal?: AbortSignal | undefined;
}

/** How many nodes are asked. Default of `timeoutMs`: a second. */
export interface MultiCallOptions extends CallOptions, ChoiceOptions {}

/** What the options of a call must be. */
export const CALL_CHECKS: Readonly<Record<keyof CallOptions, Check>> = {
  timeoutMs: timeoutCheck,
  limit: integerCheck(1, REPLIES_MAX, "replies"),
  onReply: functionCheck,
  signal: signalCheck,
};

const CHOICE_CHECKS: Readonly<Record<keyof ChoiceOptions, Check>> = { pattern: keyCheck, matcher: keyCheck };

/** What the options of a call of many must be. */
export const MULTI_CALL_CHECKS: Readonly<Record<keyof MultiCallOptions, Check>> = {
  ...CALL_CHECKS,
  ...CHOICE_CHECKS,
};

/** What the options of a cast to many must be. */
export const ABCAST_CHECKS = { ...CHOICE_CHECKS, signal: signalCheck };
