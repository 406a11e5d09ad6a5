import { limits as core } from "@pullqueue/core";

/** Every number of this package, with unit and reason. The protocol's own limits are core's. */

const KIB = 1024;
const MIB = 1024 * KIB;

/** Body of an insert, update or patch, in bytes: 1 MiB of payload in base64 (1.34 MiB), the other fields, and room for indentation. */
export const TASK_BODY_BYTES_MAX = 2 * MIB;

/** Body of `tasks.batchInsert`, in bytes: the largest batch in base64 (42.7 MiB) and about 5 KiB of other fields a task. */
export const BATCH_INSERT_BODY_BYTES_MAX = 48 * MIB;

/** Body of `tasks.batchUpdate` and `tasks.batchDelete`, in bytes: 1000 items of the longest ids and fences, indented. */
export const BATCH_FENCES_BODY_BYTES_MAX = 2 * MIB;

/** Body of `taskqueues.insert` and `taskqueues.update`, in bytes: two lists of 1000 e-mail addresses of 254 characters, and room. */
export const QUEUE_BODY_BYTES_MAX = 1 * MIB;

/** Body of a method that takes none, in bytes. Some clients send `{}`; it is read and ignored, so that a closed socket is noticed. */
export const IGNORED_BODY_BYTES_MAX = 64 * KIB;

/** Most calls in one batch request. Google's, and what its Python client sends at most. */
export const BATCH_CALLS_MAX = 1000;

/** Body of a batch request, in bytes: as large as that of the largest single call. */
export const BATCH_BODY_BYTES_MAX = 48 * MIB;

/** Calls of a batch that are run at once: enough for inserts to share commits, few enough that others are heard in between. */
export const BATCH_CALLS_AT_ONCE = 64;

/**
 * Bytes of answers after which no further call of a batch is made: as many as the largest single answer. What the last group
 * adds is bounded, because leases in a batch hand out `LEASE_PAYLOAD_BYTES_DEFAULT` at most.
 */
export const BATCH_ANSWER_BYTES_MAX = core.RESPONSE_BYTES_MAX / 2;

/** Deepest nesting of JSON in a body. Ours needs four levels; what is nested in unknown fields is ignored, but must be read. */
export const JSON_DEPTH_MAX = 32;

/** Most values in a JSON body: a batch of 1000 tasks with 100 fields each. A value can cost 50 times the bytes that it is written in. */
export const JSON_VALUES_MAX = 100_000;

/** Most parameters in a query: the queues of the largest lease, and as many others. */
export const QUERY_PARAMETERS_MAX = 2 * core.LEASE_QUEUES_MAX;

/** What a compressed body is unpacked into at a time, in bytes: fewer turns than Node's 16 KiB. */
export const DECOMPRESSION_CHUNK_BYTES = 128 * KIB;

/** Smallest answer that is compressed, in bytes: less fits into one packet anyway. */
export const COMPRESSION_BYTES_MIN = 1400;

/** Zlib's level for answers: above 1 the answers of large leases take twice as long and shrink by 6 % more. */
export const COMPRESSION_LEVEL = 1;

/** How long a browser may remember what a page is allowed, in seconds: a changed configuration is seen within minutes. */
export const CORS_MAX_AGE_SECONDS = 600;

/**
 * Bytes of all bodies of requests under way, packed and unpacked, together: five of the largest. Reading one takes about
 * twice as much again, and the whole stays below the memory of a small machine.
 */
export const BODIES_BYTES_MAX = 256 * MIB;

/** Largest body that is not counted in `BODIES_BYTES_MAX`, in bytes: most are small, and are read the fastest way. */
export const UNCOUNTED_BODY_BYTES_MAX = 64 * KIB;

/** Most header lines of one part of a batch. Browsers and clients send about twenty. */
export const BATCH_HEADERS_MAX = 100;

/** Most lines in a batch that only begin as its boundary does: each costs a look, and none is in a body by chance. */
export const BATCH_FALSE_BOUNDARIES_MAX = 10_000;

/** Longest `fields` selector, in characters: all fields of all resources by name are below 500. */
export const FIELDS_LENGTH_MAX = 2000;

/** Longest `quotaUser`, in characters. Google's. */
export const QUOTA_USER_LENGTH_MAX = 40;

/** Longest access token, in characters. JWTs with many claims have about 2000; the header that carries one has `HEADER_BYTES_MAX`. */
export const TOKEN_LENGTH_MAX = 8 * KIB;

/** Most tokens of `pullqueue token create`. Each is a few hundred bytes in memory and in their file. */
export const OWN_TOKENS_MAX = 10_000;

/** Largest file of tokens, in bytes: `OWN_TOKENS_MAX` with long addresses and many projects. */
export const TOKEN_FILE_BYTES_MAX = 16 * MIB;

/** How often the file of tokens is looked at, in milliseconds, while tokens come: a revoked one counts for this long at most. */
export const TOKENS_LOOK_MS = 1_000;

/** How long a command waits for another that changes the tokens, in milliseconds. */
export const LOCK_PATIENCE_MS = 5_000;

/** How often it looks, in milliseconds: a change takes about one. */
export const LOCK_LOOK_MS = 20;

/** After what time a lock is one of a command that was killed, in milliseconds. */
export const LOCK_STALE_MS = 60_000;

/** How much of a wrong address is quoted, in characters. */
export const EMAIL_SHOWN_LENGTH_MAX = 100;

/** How long another server may take to answer about a token, in milliseconds: a caller waits for it. */
export const AUTH_TIMEOUT_MS = 5_000;

/** Largest answer of another server about a token or with keys, in bytes. Google's keys have about 3 KiB. */
export const AUTH_ANSWER_BYTES_MAX = 1 * MIB;

/** How far the clocks of issuers may differ from ours, in milliseconds. Machines with NTP are within a second. */
export const CLOCK_TOLERANCE_MS = 30_000;

/** Longest difference of clocks that can be configured, in milliseconds: more would keep dead tokens alive. */
export const CLOCK_TOLERANCE_MS_MAX = 600_000;

/** After what time the keys of an issuer are fetched again, in milliseconds: one that was withdrawn counts for as long. */
export const KEYS_AGE_MS = 600_000;

/** Shortest time between two attempts to fetch keys, in milliseconds. */
export const KEYS_COOL_DOWN_MS = 30_000;

/** How long keys count while their issuer cannot be reached, in milliseconds: a bad night. */
export const KEYS_STALE_MS = 43_200_000;

/** Longest life of a token that a service account signs for itself, in milliseconds. Google's rule. */
export const SERVICE_ACCOUNT_TOKEN_MS = 3_600_000;

/** How long a verified signature counts, in milliseconds: a key that was withdrawn at its issuer counts for as much longer. */
export const VERIFIED_CACHE_MS = 60_000;

/** Most signed tokens that are kept. One takes a few hundred bytes. */
export const VERIFIED_CACHE_TOKENS_MAX = 10_000;

/** How long the answer about an opaque token counts, in milliseconds: one that was revoked at its issuer counts for as long. */
export const ONLINE_CACHE_MS = 60_000;

/** How long a refusal counts, in milliseconds: short, because a token may be new. */
export const ONLINE_REFUSALS_MS = 10_000;

/** Most tokens whose answers are kept, of good ones and of refused ones each. One takes a few hundred bytes. */
export const ONLINE_CACHE_TOKENS_MAX = 10_000;

/** Most questions to an issuer at once; past it callers are told to try again. */
export const ONLINE_QUESTIONS_MAX = 64;

/** How long the `acl` of a queue is kept, in milliseconds: what another process changes is seen after it. */
export const ACL_CACHE_MS = 1_000;

/** Most queues whose `acl` is kept. One takes a few hundred bytes, mostly. */
export const ACL_CACHE_QUEUES_MAX = 10_000;

/** Request line and headers, in bytes; Node answers 431 past it. A lease may name 100 queues of 255 bytes, percent-encoded. */
export const HEADER_BYTES_MAX = 96 * KIB;

/** Time to receive all headers, in milliseconds: they fit into a few packets. */
export const HEADERS_TIMEOUT_MS = 20_000;

/** Time to receive a whole request, in milliseconds: the largest body at 3.2 Mbit/s. */
export const REQUEST_TIMEOUT_MS = 120_000;

/**
 * How long nothing may move on a connection with a request under way, in milliseconds: twice the longest wait. A client that
 * does not read its answer would keep up to `LEASE_PAYLOAD_BYTES_MAX` of it in our memory for as long as it lives.
 */
export const SILENCE_MS = 2 * core.WAIT_MS_MAX;

/** How often slow senders are looked for, in milliseconds. */
export const TIMEOUT_CHECK_MS = 1_000;

/** How long an idle connection stays open, in milliseconds: longer than a proxy's minute, so that the proxy is the one that closes. */
export const KEEP_ALIVE_MS = 75_000;

/** Most connections at once. A waiting lease holds one, and each costs about 10 KiB. */
export const CONNECTIONS_MAX = 10_000;

/** How long a closing server lets running requests finish, in milliseconds. Service managers kill after 10 s. */
export const CLOSE_GRACE_MS = 5_000;

/**
 * How long a connection with something unreadable on it still gets the answers to the requests before that, in milliseconds:
 * a commit on a slow disk, and too short for anybody to gather such connections.
 */
export const BROKEN_GRACE_MS = 1_000;

/** How long `/readyz` waits for the store, in milliseconds: below the usual second of a probe, rounded up for a busy disk. */
export const READY_TIMEOUT_MS = 2_000;

/** How long a starting server waits for a database that is away, in milliseconds: both may start at once, and a recovery takes time. */
export const STORE_PATIENCE_MS = 60_000;

/** How often it tries meanwhile, in milliseconds; each time is a line in the log. */
export const STORE_RETRY_MS = 1_000;

/** Queues that have series of their own in `/metrics`; what the rest do is summed. Each has about 20 series, and a Prometheus server likes thousands. */
export const METRIC_QUEUES_MAX = 200;

/** How old the counts of tasks in `/metrics` are before they are taken anew, in milliseconds: the shortest usual scrape interval. */
export const QUEUE_GAUGES_AGE_MS_MIN = 10_000;

/** And how many times as long as taking them took, so that looking never takes more than a tenth of the store's time. */
export const QUEUE_GAUGES_REST_FACTOR = 9;

/** How long a scrape waits for the counts before it shows the old ones, in milliseconds: a tenth of Prometheus's time limit. */
export const QUEUE_GAUGES_WAIT_MS = 1_000;

/** Queues counted at once, so that others are served in between. */
export const QUEUE_GAUGES_CHUNK = 10;

/** Upper bounds of the times of requests and commits, in seconds: from a read in memory to a client's time limit (10 s). */
export const DURATION_BUCKETS = [
  0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10,
];

/** Upper bounds of the times of calls that wait on purpose, in seconds: to a little above the longest wait (55 s). */
export const WAIT_BUCKETS = [0.01, 0.1, 0.5, 1, 2.5, 5, 10, 20, 30, 45, 60];

/** Upper bounds of tasks in one call and of calls in one commit: to the largest batch (1000). */
export const BATCH_BUCKETS = [0, 1, 2, 5, 10, 20, 50, 100, 200, 500, 1000];

/** What a client that is told 503 or 429 should wait at least, in seconds, when the store does not say. */
export const RETRY_AFTER_SECONDS = 1;

/** Largest configuration file or queue.yaml, in bytes. A queue takes about 200. */
export const CONFIG_FILE_BYTES_MAX = 4 * MIB;

/** Most aliases (`*name`) followed in a queue.yaml, so that nested ones cannot grow without bound. */
export const YAML_ALIASES_MAX = 1000;

/** Most complaints about one file; the rest are counted. */
export const COMPLAINTS_MAX = 50;

const base64Bytes = (bytes: number) => Math.ceil(bytes / 3) * 4;

if (base64Bytes(core.PAYLOAD_BYTES_MAX) > TASK_BODY_BYTES_MAX) {
  throw new Error("limits.ts: the largest payload must fit into the body of an insert");
}
if (base64Bytes(core.BATCH_PAYLOAD_BYTES_MAX) > BATCH_INSERT_BODY_BYTES_MAX) {
  throw new Error("limits.ts: the largest batch must fit into the body of a batch insert");
}
if (
  core.LEASE_QUEUES_MAX * ("&taskqueue=".length + 3 * core.QUEUE_NAME_BYTES_MAX) >
  HEADER_BYTES_MAX - 16 * KIB
) {
  throw new Error("limits.ts: the names of all queues of a lease must fit into a request's headers");
}
