import type { BackoffPolicy } from "./backoff.js";

/** Every number of this package, with unit, source and reason. Those of tasks and leases are core's `limits`. */

const MIB = 1024 * 1024;

/** Deepest nesting of a JSON value, in levels. Python's reader gives up at about 990, so a consumer in Python could not read more. */
export const JSON_DEPTH_MAX = 500;

/** Largest body after decompression, in bytes. A stored message has at most 1 MiB, which zlib can make from 1 GiB of zeros. */
export const DECOMPRESSED_BYTES_MAX = 32 * MIB;

/** How many complaints of a schema an error's message shows; all of them are in its `issues`. */
export const SCHEMA_ISSUES_SHOWN = 5;

/** Highest priority. Kombu's virtual transports clamp to 0–9. */
export const PRIORITY_MAX = 9;

/** Longest name of an exchange or queue, and longest routing key, in bytes of UTF-8. AMQP: a short string. */
export const NAME_BYTES_MAX = 255;

/** Longest connection URL, in characters: longer ones are not written by hand, and error messages quote parts of it. */
export const URL_LENGTH_MAX = 4096;

/** Shortest lease, in milliseconds: the wire counts whole seconds. The longest is core's `LEASE_MS_MAX`. */
export const LEASE_MS_MIN = 1000;

/** Shortest and longest pause between two looks at a queue whose server cannot wait, in milliseconds. */
export const POLLING_INTERVAL_MS_MIN = 10;
/** An hour: anything longer is a mistake of units. */
export const POLLING_INTERVAL_MS_MAX = 3_600_000;

/** Longest time one message may be held by renewals, in milliseconds: what a timer can measure, about 24 days. */
export const HOLD_MS_MAX = 2_147_483_647;

/** Longest integer of a JSON text, in digits. Python's `int()` refuses more, because the conversion takes quadratic time. */
export const INTEGER_DIGITS_MAX = 4300;

/** How often a publish that reached only some of its queues tries the others. */
export const PUBLISH_ATTEMPTS = 3;

/** Pauses between those attempts: short, because the caller waits. */
export const PUBLISH_BACKOFF: BackoffPolicy = { initialMs: 100, maxMs: 1000, factor: 2, jitter: 0.5 };

/** How long a waiting receive goes on trying an unreachable broker before it fails, in milliseconds: a restart takes less. */
export const RECONNECT_MS = 60_000;

/** Pauses between those tries: short, because two seconds after its return the broker must have been found. */
export const RECONNECT_BACKOFF: BackoffPolicy = { initialMs: 100, maxMs: 1_000, factor: 2, jitter: 0.5 };

/** Most retries that a policy may ask for, and most times longer that a wait may be than the one before: beyond are mistakes. */
export const RETRIES_MAX = 1_000_000;
export const RETRY_FACTOR_MAX = 100;

/** Shortest wait after all places failed: kombu's `interval_start` may be 0, and a loop that never waits keeps others from working. */
export const RETRY_WAIT_MS_MIN = 1;

/** Most URLs of one connection. */
export const ALTERNATES_MAX = 64;

/** Before a message whose handler threw is delivered again; grows with its attempts. */
export const REQUEUE_BACKOFF: BackoffPolicy = { initialMs: 1_000, maxMs: 300_000, factor: 2, jitter: 0.2 };

/** A lease is due for renewal when half of it is over. */
export const RENEW_DUE_SHARE = 1 / 2;

/** Those that are due within this share of their lease are renewed along with it, in one batch. */
export const RENEW_EARLIER_SHARE = 1 / 6;

/** What the event loop has not renewed when this share of a lease is over, is renewed by the thread that stands by. */
export const RENEW_STANDBY_SHARE = 2 / 3;

/** How many leases long a thread renews for an event loop that says nothing: one that is blocked for longer will never go on. */
export const RENEW_BLOCKED_LEASES = 10;

/** How often in a row a thread for renewals may fail to start, or die young, before the event loop is left alone with them. */
export const RENEW_THREAD_STARTS = 5;

/** How long such a thread must have had its broker, in milliseconds, so that its death is the first again: as long as the longest pause. */
export const RENEW_THREAD_STEADY_MS = 10_000;

/** How long such a thread may take to close its handle on the broker, in milliseconds, before it is ended. */
export const RENEW_THREAD_CLOSE_MS = 5_000;

/** How long of that it may go on opening its handle, in milliseconds: a thread that ends while it reads a module leaves that file open for ever. */
export const RENEW_THREAD_OPENING_MS = 2_000;

/** Pauses between those starts. */
export const RENEW_THREAD_BACKOFF: BackoffPolicy = { initialMs: 100, maxMs: 10_000, factor: 3, jitter: 0.5 };

/** The share of a lease after which an unclear renewal is tried again. */
export const RENEW_RETRY_SHARE = 1 / 12;

/** Most handlers of one `run` at the same time. As many as one lease can feed. */
export const CONCURRENCY_MAX = 1000;

/** Most messages that a consumer may hold (`prefetchCount`): kombu's, a 16-bit number on AMQP's wire. */
export const PREFETCH_MAX = 65_535;

/** Longest time that can be waited for, in milliseconds: what a timer can measure, about 24 days. */
export const TIMEOUT_MS_MAX = 2_147_483_647;

/** How long one receive waits at most when its caller waits without end, in milliseconds. It is begun again after that. */
export const RECEIVE_MS_MAX = 60_000;

/** Handlers that `run` has done and whose acknowledgements are on their way, before the next handler waits for one of them. */
export const ACKNOWLEDGING_MAX = 100;

/** Most definitions that a connection remembers to have declared; the oldest is declared again. */
export const DECLARED_MAX = 10_000;

/**
 * How long beyond its caller's wait a broker may take to say that there is no message, in milliseconds, before receiving is told to end; and how
 * long that may take, before it is left. Together a second: who gives a deadline plans with it.
 */
export const ANSWER_LATE_MS = 500;
export const LEAVE_MS = 500;

/**
 * The least time that it has to answer, in milliseconds, however short the wait: enough for a name, TLS, and a token. With less a busy machine
 * calls a broker away that only has not answered yet.
 */
export const ANSWER_MS_MIN = 1_500;

/** How long a pool's user waits for a resource, and a closing pool for its users, in milliseconds: longer than a broker's restart takes. */
export const POOL_TIMEOUT_MS = 30_000;

/** Resources of each pool in a group of pools. Kombu's. */
export const POOLS_LIMIT = 10;

/** Most resources of a pool: more connections than a broker takes from one process. */
export const POOL_LIMIT_MAX = 65_535;

/** How long a remote call waits for its reply unless told otherwise, in milliseconds: long for a service, short for somebody who waits. */
export const RPC_TIMEOUT_MS = 30_000;

/** How long an unused reply queue of remote calls stays when its program was killed, in milliseconds: longer than a reconnection takes. */
export const RPC_REPLY_EXPIRES_MS = 2 * RECONNECT_MS;

/** The same of a mailbox, in milliseconds: kombu's `reply_queue_expires`. */
export const MAILBOX_REPLY_EXPIRES_MS = 10_000;

/** How long a request by remote control is good for when nobody waits for replies, in milliseconds: kombu's. */
export const CAST_EXPIRES_MS = 1_000;

/** How long `multiCall` waits for replies unless told otherwise, in milliseconds: kombu's. */
export const MULTI_CALL_MS = 1_000;

/**
 * How far the clocks of two machines may be apart, in milliseconds, before a request is taken for expired. Requests that nobody waits for are
 * good for a second, so that without this a machine without NTP would hear nothing.
 */
export const CLOCK_SKEW_MS = 10_000;

/** Most replies of one call: what comes beyond is not kept. Far more nodes than anybody has. */
export const REPLIES_MAX = 10_000;

/** Replies that are received in one go. */
export const REPLIES_AHEAD = 100;

/** How long removing a reply queue may take, in milliseconds. What is left then expires. */
export const REPLY_QUEUE_REMOVE_MS = 5_000;

/** Longest pattern that chooses nodes, in characters. Their names have 255 bytes. */
export const PATTERN_LENGTH_MAX = 1_000;

/**
 * Longest time that a regular expression from elsewhere may take, in milliseconds. Nothing else runs meanwhile; but it is real time, and
 * a busy machine must not take a harmless one for a trap.
 */
export const PATTERN_MS_MAX = 1_000;

/** Highest number of a Redis database that is asked for. Servers have 16 unless configured; the rest is a mistake. */
export const REDIS_DATABASE_MAX = 65_535;

/** Sockets of one connection to Redis: one for commands, one that listens. */
export const REDIS_SOCKETS = 2;

/** Largest message that Redis holds in one item, in bytes as stored: its `proto-max-bulk-len`, less what text in Node can be. */
export const REDIS_MESSAGE_BYTES_MAX = 500 * MIB;

/** Most bytes of messages that one receive takes from Redis; the last may go beyond. As in a lease of the server. */
export const REDIS_RECEIVE_BYTES = 32 * MIB;

/** Most expired leases restored by one look, and most delayed messages made available by it: what blocks Redis for about a millisecond. */
export const REDIS_SWEEP_ITEMS = 100;

/** How long a waiting receive relies on Redis to tell it of changes before it looks again, in milliseconds: half a health check. */
export const REDIS_RECHECK_MS = 10_000;

/** Most items and bytes of one script, unless one item alone has more: Redis does nothing else while it runs. */
export const REDIS_BATCH_ITEMS = 200;
export const REDIS_BATCH_BYTES = MIB;

/** How long a call waits for the connection to come back before it fails, in milliseconds: a restart takes less. */
export const REDIS_PATIENCE_MS = 60_000;

/** The same for acknowledging, giving back and renewing, as over HTTP: their callers can try again, and leases end. */
export const REDIS_SETTLE_PATIENCE_MS = 15_000;

/** Pauses between two attempts to connect. Two seconds after its return the server must have been found, so that they stay short. */
export const REDIS_CONNECT_BACKOFF: BackoffPolicy = { initialMs: 50, maxMs: 800, factor: 2, jitter: 0.5 };

/** How long Redis remembers a publish under a key that its caller chose, in milliseconds: ten minutes, as `idempotencyKey` says. */
export const REDIS_REMEMBER_MS = 600_000;

/** The same under a key of ours, which only our own repetition uses. */
export const REDIS_REMEMBER_OWN_MS = 2 * REDIS_PATIENCE_MS;

/** Most fanout messages that wait in a connection for their consumer, per queue. The oldest go first: nothing was promised for them. */
export const REDIS_FANOUT_BUFFERED = 10_000;

/** Most messages whose attempts one connection remembers without `deliveryCount`. */
export const REDIS_ATTEMPTS_REMEMBERED = 10_000;

/** Pauses between attempts to connect to an AMQP broker: short, because a refused connection costs nothing, and consumers are to go on within two seconds. */
export const AMQP_CONNECT_BACKOFF: BackoffPolicy = { initialMs: 100, maxMs: 1_000, factor: 2, jitter: 0.5 };

/** How long an AMQP broker may take to answer a goodbye, in milliseconds, before the socket is closed without one. */
export const AMQP_CLOSE_MS = 5_000;

/** Most channels that are kept open without use, for the next declaration or look at a queue. RabbitMQ allows 2047 in all. */
export const AMQP_IDLE_CHANNELS_MAX = 8;

/** Largest message that RabbitMQ takes unless configured otherwise, in bytes (`max_message_size`). */
export const AMQP_MESSAGE_BYTES_MAX = 128 * MIB;

/** Largest frame, in bytes: py-amqp's and RabbitMQ's own proposal. */
export const AMQP_FRAME_BYTES_MAX = 131_072;

/** Messages that one subscription may push without a prefetch limit of their consumer: AMQP counts in 16 bits. */
export const AMQP_WINDOW_MAX = 65_535;

/** Most channels that are kept open for publishing, each for one exchange. */
export const AMQP_PUBLISH_CHANNELS_MAX = 64;

/** Longest interval of heartbeats, in milliseconds: AMQP counts seconds in 16 bits. */
export const HEARTBEAT_MS_MAX = 65_535_000;

/**
 * How long closing waits for running publishes and acknowledgements, and for what is given back, in milliseconds: a broker that is there
 * needs less, and with one that is away the messages return when their leases end.
 */
export const CLOSE_MS = 5_000;

/** The same for a broker that has not answered anything meanwhile: whoever closes wants to go. */
export const CLOSE_SILENT_MS = 2_000;

/** How long closing waits for an opening that was told to end, in milliseconds; what then becomes of it is closed as well. */
export const CLOSE_OPENING_MS = 500;

/** Highest port. */
export const PORT_MAX = 65_535;

/**
 * How long running handlers may go on after a worker was told to stop, in milliseconds, and how long they then have to end after
 * `message.signal` told them. Together less than the 30 seconds after which Kubernetes kills, with some left for closing.
 */
export const WORKER_GRACE_MS = 20_000;
export const WORKER_END_MS = 5_000;

/** How often a worker begins anew, in times per second: kombu's restart limit. */
export const WORKER_RESTARTS_PER_SECOND = 1;

/** Between two calls of `onIteration`, in milliseconds: kombu's `safety_interval`. */
export const WORKER_ITERATION_MS = 1_000;

/** Most different deaths that the header `x-death` tells of, the latest first: a queue and a reason each. */
export const DEATHS_MAX = 50;

/** Most different warnings that one connection shows by itself; who wants all gives `onWarning`. */
export const WARNINGS_REMEMBERED = 100;
