import { limits } from "@pullqueue/core";
import type { BackoffPolicy } from "./backoff.js";
import type { Channel } from "./channel.js";
import { channelCheck } from "./channel-check.js";
import {
  acceptCheck,
  booleanCheck,
  type Check,
  checkOptions,
  checkValue,
  functionCheck,
  integerCheck,
  nameCheck,
  numberCheck,
  optional,
  signalCheck,
  stringCheck,
} from "./check.js";
import { type DeadLetterPolicy, deadLetterCheck } from "./dead-letter-policy.js";
import { CONCURRENCY_MAX, PREFETCH_MAX, TIMEOUT_MS_MAX } from "./limits.js";
import type { Message } from "./message.js";
import { Queue } from "./queue.js";
import { type Schema, schemaCheck } from "./schema.js";
import type { SerializerRegistry } from "./serialization.js";

/** Handles a message; called with its decoded body. What it throws leaves `drainEvents`, and the message stays held. */
export type MessageCallback<T = unknown> = (body: T, message: Message<T>) => unknown;

/** What a consumer gets of a queue, or of one of several: what its schema says. */
export type PayloadOf<Q extends Queue> = Q extends Queue<unknown, infer Out> ? Out : never;

/** How a consumer behaves. */
export interface ConsumerOptions<T = unknown> {
  /** Called in order for each message, each awaited. */
  readonly callbacks?: readonly MessageCallback<NoInfer<T>>[];
  /** Called instead of `callbacks`, without decoding the body. */
  readonly onMessage?: (message: Message<NoInfer<T>>) => unknown;
  /** Called when a body cannot be decoded or may not be, or does not fit its schema. Without it the error surfaces, and the message stays held. */
  readonly onDecodeError?: (message: Message, error: unknown) => unknown;
  /** Messages are acknowledged before they are handed over. Default: each queue's own. */
  readonly noAck?: boolean;
  /** Most messages held at the same time. Default 0: no limit, and one lease takes what the transport was configured with. */
  readonly prefetchCount?: number;
  /**
   * What becomes of messages that it rejects, that `run` gives up at `attemptsMax`, and whose bodies cannot be read or do not fit their
   * schema: with a policy these are never handed out. Default: as `reject`; unreadable ones are handed out and throw where they are read.
   */
  readonly deadLetter?: DeadLetterPolicy;
  /** Serializer names or content types that may be decoded; raw data and text always may. Default: all that are enabled. */
  readonly accept?: readonly string[];
  /** Declare the queues at the start. Default true. */
  readonly autoDeclare?: boolean;
  /** Before the number in a consumer tag. Default `consumer-`. */
  readonly tagPrefix?: string;
  /** What payloads must be, instead of each queue's own schema. */
  readonly schema?: Schema<unknown, T> | undefined;
}

/**
 * What is to be accepted and is not there would keep every message from being read, so that it is said before the first one comes, as
 * kombu does. A content type may be one that only the program itself can read. Throws `serializer_unknown`, `content_disallowed`.
 */
export function checkAccept(accept: readonly string[] | undefined, serializers: SerializerRegistry): void {
  for (const nameOrType of accept ?? []) serializers.typeOf(nameOrType);
}

/** One queue of a consumer. */
export const queueCheck: Check = {
  expected: 'a Queue, such as new Queue("jobs")',
  holds: (v) => v instanceof Queue,
};

const queuesCheck: Check = {
  expected: "at least one Queue",
  holds: (v) => Array.isArray(v) && v.length > 0,
};

/** A queue, or the name of one. */
export const queueOrNameCheck: Check = {
  expected: "a Queue or the name of one",
  holds: (v) => v instanceof Queue || (v !== "" && nameCheck.holds(v)),
};

/** How many messages may be held. */
const prefetchCheck: Check = integerCheck(0, PREFETCH_MAX, "messages");

/** What `consume` may be told. */
export const CONSUME_CHECKS = { noAck: booleanCheck, signal: signalCheck };

/** What `qos` may be told. */
export const QOS_CHECKS = { prefetchCount: prefetchCheck };

/** What a consumer's options must be. */
export const CONSUMER_CHECKS: Readonly<Record<keyof ConsumerOptions, Check>> = {
  callbacks: {
    expected: "an array of functions",
    holds: (v) => Array.isArray(v) && v.every((item) => typeof item === "function"),
  },
  onMessage: functionCheck,
  onDecodeError: functionCheck,
  noAck: booleanCheck,
  prefetchCount: prefetchCheck,
  deadLetter: deadLetterCheck,
  accept: acceptCheck,
  autoDeclare: booleanCheck,
  tagPrefix: stringCheck,
  schema: schemaCheck,
};

/** Throws one `invalid_argument` with every complaint about the options, and what `accept` names may say. */
export function checkConsumer(
  channel: Channel,
  queues: Queue | readonly Queue[],
  options: Pick<ConsumerOptions, "accept">,
): void {
  checkValue("the channel of a consumer", channel, channelCheck);
  const list = checkValue("the queues of a consumer", [queues].flat(), queuesCheck);
  for (const one of list) checkValue("a consumer's queue", one, queueCheck);
  checkOptions("a consumer", options, CONSUMER_CHECKS);
  checkAccept(options.accept, channel.serializers);
}

/** How `run` works. */
export interface RunOptions {
  /** Most handlers at the same time. Default 1. */
  readonly concurrency?: number;
  /** Ends `run`: nothing more is received, running handlers are told by `message.signal` and finished, the rest is given back. */
  readonly signal?: AbortSignal | undefined;
  /**
   * Tells running handlers to stop, by `message.signal`, instead of `signal`: so that they may finish in peace after nothing more
   * is received. What a handler throws after it is no failure: its message goes back at once, uncounted.
   */
  readonly interruptSignal?: AbortSignal | undefined;
  /** A message is rejected when its handler was started this often without success. Default: it comes back for ever. */
  readonly attemptsMax?: number;
  /** How long a message waits after its handler threw. Default: 1 second, doubled each time, at most 5 minutes. */
  readonly backoff?: BackoffPolicy;
  /** After this long a handler is told by `message.signal` to stop, in milliseconds. Default: never. */
  readonly timeoutMs?: number | undefined;
  /**
   * Told of every failure: of handlers, of acknowledgements, of the broker. `message` is undefined for the broker's; `againInMs` is how long
   * the message waits before it comes again, where it does. Default: a process warning, once for each queue and text.
   */
  readonly onError?: (error: unknown, message: Message | undefined, againInMs: number | undefined) => void;
}

/** Parts of a whole policy; a pause is a lease that nobody holds, so that the longest lease is the longest pause. */
const BACKOFF_CHECKS: Readonly<Record<keyof BackoffPolicy, Check>> = {
  initialMs: numberCheck(0, limits.LEASE_MS_MAX, "milliseconds"),
  maxMs: numberCheck(0, limits.LEASE_MS_MAX, "milliseconds"),
  factor: numberCheck(1, Number.MAX_SAFE_INTEGER, "times"),
  jitter: numberCheck(0, 1, "share"),
  stepMs: optional(numberCheck(0, limits.LEASE_MS_MAX, "milliseconds")),
};

const backoffCheck: Check = {
  expected: `an object of ${Object.entries(BACKOFF_CHECKS)
    .map(([name, { expected }]) => `${name} (${expected})`)
    .join(", ")}`,
  holds: (v) =>
    typeof v === "object" &&
    v !== null &&
    Object.entries(BACKOFF_CHECKS).every(([name, check]) =>
      check.holds((v as Record<string, unknown>)[name]),
    ),
};

/** What the options of `run` must be. */
export const RUN_CHECKS: Readonly<Record<keyof RunOptions, Check>> = {
  concurrency: integerCheck(1, CONCURRENCY_MAX, "handlers"),
  signal: signalCheck,
  interruptSignal: signalCheck,
  attemptsMax: integerCheck(1, Number.MAX_SAFE_INTEGER, "attempts"),
  backoff: backoffCheck,
  timeoutMs: numberCheck(1, TIMEOUT_MS_MAX, "milliseconds"),
  onError: functionCheck,
};
