import { type Check, keyCheck, numberCheck } from "./check.js";
import { REDIS_SOCKETS, TIMEOUT_MS_MAX } from "./limits.js";

/**
 * Options of kombu's Redis transport that decide nothing here: taken where what they ask for holds anyway, so that a configuration of
 * Python's can be used as it is, and refused with the reason where it does not.
 */

/** Options of the transport `redis` that are there for configurations of Python's, and only say what holds anyway. */
export interface RedisFixedOptions {
  /** Most sockets. A connection has two, so that 2 or more is right. */
  readonly maxConnections?: number;
  readonly max_connections?: number;
  /** TCP's keep-alive is on. */
  readonly socketKeepalive?: true;
  readonly socket_keepalive?: true;
  /** What a lost answer leaves unclear is found out and repeated. */
  readonly retryOnTimeout?: true;
  readonly retry_on_timeout?: true;
  /** Queues have turns. */
  readonly queueOrderStrategy?: "round_robin";
  readonly queue_order_strategy?: "round_robin";
  /** Messages are recorded as held. */
  readonly ackEmulation?: true;
  readonly ack_emulation?: true;
  /** Kombu's lock for restoring, which is not needed here: nothing is locked. */
  readonly unackedMutexKey?: string;
  readonly unacked_mutex_key?: string;
  readonly unackedMutexExpireMs?: number;
  readonly unacked_mutex_expire?: number;
  /** How bodies stand in envelopes. */
  readonly bodyEncoding?: "base64";
  readonly body_encoding?: "base64";
}

/** Only this value, because of how things are. */
function only(value: unknown, why: string): Check {
  return { expected: `${JSON.stringify(value)} or left out (${why})`, holds: (v) => v === value };
}

/** See above; `OptionSpec` says what the columns mean. */
export const REDIS_FIXED_SPECS = [
  {
    name: "maxConnections",
    python: "max_connections",
    check: {
      expected: `a whole number from ${REDIS_SOCKETS} (a connection has ${REDIS_SOCKETS} sockets, whatever goes over them)`,
      holds: (v: unknown) => Number.isInteger(v) && (v as number) >= REDIS_SOCKETS,
    },
    inUrl: "number",
  },
  {
    name: "socketKeepalive",
    python: "socket_keepalive",
    check: only(true, "TCP's keep-alive is always on, after healthCheckIntervalMs"),
    inUrl: "boolean",
  },
  {
    name: "socketKeepaliveOptions",
    python: "socket_keepalive_options",
    check: {
      expected: "left out (Node cannot set TCP's intervals; healthCheckIntervalMs notices silent sockets)",
      holds: () => false,
    },
  },
  {
    name: "retryOnTimeout",
    python: "retry_on_timeout",
    check: only(
      true,
      "what an answer that did not come leaves unclear is found out, and repeated if need be",
    ),
    inUrl: "boolean",
  },
  {
    name: "queueOrderStrategy",
    python: "queue_order_strategy",
    check: only("round_robin", "queues have turns; for an order of queues use a consumer for each"),
    inUrl: "string",
  },
  {
    name: "ackEmulation",
    python: "ack_emulation",
    check: only(true, "a message is always recorded as held; noAck of a queue or consumer takes it at once"),
    inUrl: "boolean",
  },
  {
    // Each message is restored in one step that fails if somebody was quicker, so that there is nothing to lock.
    name: "unackedMutexKey",
    python: "unacked_mutex_key",
    check: keyCheck,
    inUrl: "string",
  },
  {
    name: "unackedMutexExpireMs",
    python: "unacked_mutex_expire",
    scale: 1000,
    check: numberCheck(1, TIMEOUT_MS_MAX, "milliseconds"),
    inUrl: "number",
  },
  {
    name: "bodyEncoding",
    python: "body_encoding",
    check: only("base64", "bodies are written as every kombu reads them; any other is read"),
    inUrl: "string",
  },
] as const;
