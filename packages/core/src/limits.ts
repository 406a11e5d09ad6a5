/**
 * Every number of the pull-queue protocol and of this package, with unit, source and reason.
 * "Google" below is the published limit of App Engine's pull queues.
 */

const KIB = 1024;
const MIB = 1024 * KIB;

/** Largest payload of one task, in bytes. Google: 1 MiB per pull task. */
export const PAYLOAD_BYTES_MAX = 1 * MIB;

/** Payload bytes in one lease answer unless the caller asks for more. Google: 1 MB through REST. At least one task is always returned. */
export const LEASE_PAYLOAD_BYTES_DEFAULT = 1 * MIB;

/** Most payload bytes a caller may ask for in one lease answer. Google: 32 MB inside App Engine. */
export const LEASE_PAYLOAD_BYTES_MAX = 32 * MIB;

/** Most tasks in one lease. Google: 1000. */
export const LEASE_TASKS_MAX = 1000;

/** Longest lease, in milliseconds. Google: one week (604800 s). */
export const LEASE_MS_MAX = 604_800_000;

/** Farthest first availability of a new task, in milliseconds from now. Google: 30 days. */
export const DELAY_MS_MAX = 30 * 24 * 3600 * 1000;

/** Longest tag, in bytes of UTF-8. Google: 500. */
export const TAG_BYTES_MAX = 500;

/** Longest task id, in characters. Google: 500, of the form in `TASK_ID_PATTERN`. */
export const TASK_ID_LENGTH_MAX = 500;

/** Task ids that a caller may choose. Google's pattern for task names. */
export const TASK_ID_PATTERN = /^[a-zA-Z0-9_-]{1,500}$/;

/** The form of generated ids, as Google's were. Callers may not choose an id of this form. */
export const GENERATED_ID_PATTERN = /^[0-9a-f]{16}$/;

/** Longest queue name of the store contract, in bytes of UTF-8: kombu's own names need more than Google's 100 characters. */
export const QUEUE_NAME_BYTES_MAX = 255;

/** Queue names that a plain App Engine server takes. */
export const PLAIN_QUEUE_NAME_PATTERN = /^[a-zA-Z0-9-]{1,100}$/;

/** Longest project id, in characters. Google's are at most 30; legacy ones carry a domain. */
export const PROJECT_LENGTH_MAX = 255;

/** Project ids without their `x~` prefix: App Engine's, with the legacy `example.com:app` form. */
export const PROJECT_PATTERN = /^[a-zA-Z0-9_](?:[a-zA-Z0-9._:-]*[a-zA-Z0-9_])?$/;

/** Most tasks in one insert, extend or delete. As many as one lease can hand out. */
export const BATCH_ITEMS_MAX = 1000;

/** Most payload bytes in one batch insert. Bounded like the largest lease answer. */
export const BATCH_PAYLOAD_BYTES_MAX = 32 * MIB;

/** Longest wait of one lease call, in milliseconds: below the minute after which proxies cut idle requests. */
export const WAIT_MS_MAX = 55_000;

/** Most queues in one waiting lease. */
export const LEASE_QUEUES_MAX = 100;

/** Longest idempotency key, in characters. A UUID has 36. */
export const IDEMPOTENCY_KEY_LENGTH_MAX = 128;

/** Longest name of a waiting lease (`callId`), in characters. A UUID has 36. */
export const CALL_ID_LENGTH_MAX = 128;

/** How long an idempotency key is remembered at least, in milliseconds. */
export const IDEMPOTENCY_MS = 10 * 60 * 1000;

/** How long the id of a finished task stays taken when its caller chose it, in milliseconds. Google: up to 7 days. */
export const TOMBSTONE_MS_DEFAULT = 7 * 24 * 3600 * 1000;

/** Most tasks on one page of a list. Google: 100, without further pages. */
export const LIST_TASKS_MAX = 100;

/** Most queues on one page. */
export const LIST_QUEUES_MAX = 1000;

/** Most projects that are listed: as many as there are queues in a store of the usual limit. */
export const LIST_PROJECTS_MAX = 10_000;

/** Most queues of one store, so that names on first use cannot fill it. Google: 100 active ones. */
export const QUEUES_MAX_DEFAULT = 10_000;

/** Largest `task_retry_limit` (`maxLeases`), and so the largest count of leases: a 32-bit integer on the wire and in PostgreSQL. */
export const MAX_LEASES_MAX = 2_147_483_647;

/** Most leases a second that a queue can be limited to: above what one process answers, so that a larger number is a mistake. */
export const LEASES_PER_SECOND_MAX = 1_000_000;

/** Least leases a second that a queue can be limited to: one an hour. */
export const LEASES_PER_SECOND_MIN = 1 / 3600;

/** Queues whose leases a process counts for their rate; past it the oldest count begins anew. As many as a store holds. */
export const LEASE_BUDGETS_MAX = 10_000;

/** Longest retention, and longest memory of ids, that a queue can have, in milliseconds: ten years, so that times stay exact. */
export const QUEUE_AGE_MS_MAX = 10 * 366 * 24 * 3600 * 1000;

/** Longest `traceparent`, in characters: version 00 has 55; later ones may append fields. */
export const TRACEPARENT_LENGTH_MAX = 128;

/** Longest `tracestate`, in characters. W3C Trace Context 3.3.1.5: at least 512 should be passed on. */
export const TRACESTATE_LENGTH_MAX = 512;

/** Most tags on one page of counts. */
export const TAG_STATS_MAX = 1000;

/** Tasks that are counted by tag before others have a turn: about a millisecond's work. */
export const TAG_STATS_CHUNK_TASKS = 2_000;

/** How often a server sweeps its store, in milliseconds; nothing is wrong meanwhile, only not yet gone. */
export const SWEEP_INTERVAL_MS = 60_000;

/** Rows that a sweep removes before it lets others have a turn. */
export const SWEEP_CHUNK_ROWS = 1000;

/** Most e-mail addresses in one list of a queue's `acl`. */
export const ACL_EMAILS_MAX = 1000;

/** Payload bytes a memory store holds unless told otherwise; an insert past it is refused as `resource_exhausted`. */
export const MEMORY_PAYLOAD_BYTES_DEFAULT = 1024 * MIB;

/** Tasks a memory store holds unless told otherwise: empty payloads take memory too, about half a kilobyte a task. */
export const MEMORY_TASKS_DEFAULT = 2_000_000;

/** Most idempotency keys, and most ids of finished tasks, that a memory store remembers; past it the oldest go early. */
export const MEMORY_REMEMBERED_MAX = 500_000;

/** Tasks past their retry limit that one lease drops on its way; the next goes on, so that no lease takes long. */
export const EXHAUSTED_PER_LEASE_MAX = 10_000;

/** Tasks that a purge removes, or a redrive moves, before it lets others have a turn. */
export const PURGE_CHUNK_TASKS = 1000;

/** Longest e-mail address in an `acl`, in characters: RFC 5321's path without its brackets. */
export const EMAIL_LENGTH_MAX = 254;

/** Longest page token, in characters: the longest position (an id or a queue name of control-free UTF-8) in JSON and base64. */
export const PAGE_TOKEN_LENGTH_MAX = 1024;

/** Largest HTTP answer the client reads, in bytes: the largest lease answer in base64 and its JSON. */
export const RESPONSE_BYTES_MAX = 64 * MIB;

/** Largest body of one batch call that the client builds, in bytes of payload; more is sent in several calls. */
export const CLIENT_BATCH_PAYLOAD_BYTES = 8 * MIB;

/** How long a server may take to answer one HTTP request, in milliseconds: far above a healthy answer, below a user's patience. */
export const CLIENT_TIMEOUT_MS = 10_000;

/** How long one operation over HTTP may take with all its repetitions, in milliseconds: a server's restart takes a few seconds. */
export const CLIENT_DEADLINE_MS = 15_000;

/** What a waiting lease may take longer than its wait, in milliseconds: the lease itself, and the way of a large answer. */
export const CLIENT_WAIT_MARGIN_MS = 10_000;

/** How long beyond its wait a lease goes on trying while the server is away, in milliseconds: enough for one more try. */
export const CLIENT_LEASE_PATIENCE_MS = 1_000;

/** How long the client waits for a TCP or TLS connection, in milliseconds: three lost packets at most. */
export const CLIENT_CONNECT_TIMEOUT_MS = 5_000;

/** Connections of one HTTP client for calls that do not wait. Batches carry the load; more would only queue in the server. */
export const CLIENT_CONNECTIONS = 8;

/** Connections of one HTTP client for calls that wait: one for each waiting lease; further ones queue until one is free. */
export const CLIENT_WAITING_CONNECTIONS = 256;

/** Batch calls of one kind and queue under way at once: one is answered while the next is made; with more of them each would carry less. */
export const CLIENT_BATCHES_IN_FLIGHT = 2;

/** First pause before a call is repeated, in milliseconds; each further one is twice as long. */
export const CLIENT_BACKOFF_MS_MIN = 50;

/** Longest such pause, in milliseconds, unless the server asks for a longer one: two seconds after its return a consumer must have found it. */
export const CLIENT_BACKOFF_MS_MAX = 500;

/** How long an aborted lease may still be answered, in milliseconds, so that its tasks can be given back; then it is cut. */
export const CLIENT_ABORT_GRACE_MS = 1_000;

/** How long a closing client waits for requests that are under way, in milliseconds: their callers have gone. */
export const CLIENT_CLOSE_MS = 1_000;

/** Pause before an aborted lease that has not reached its server yet is cancelled again, in milliseconds. */
export const CLIENT_CANCEL_PAUSE_MS = 20;

/** How often a plain server is asked for tasks while a lease waits, in milliseconds. Python's transport: one second. */
export const POLLING_INTERVAL_MS_DEFAULT = 1_000;

/** Calls on a plain server under way at once for one operation on many tasks: half of the connections. */
export const PLAIN_CALLS_IN_FLIGHT = 4;

/** How soon an SQLite store notices tasks that another process wrote into its file, in milliseconds. */
export const FOREIGN_WRITE_POLL_MS = 50;

/** How long one transaction of an SQLite store gathers work before it commits, in milliseconds: nobody else runs meanwhile. */
export const TRANSACTION_MS_MAX = 20;

/** How long SQLite itself waits for another process's transaction, in milliseconds: most are shorter, and this blocks ours. */
export const SQLITE_BUSY_TIMEOUT_MS = 5;

/**
 * How long a call waits for other processes to let go of an SQLite file before it is `unavailable`, in milliseconds: a
 * client of a server is told in time, and a server that is stopped meanwhile ends within its grace (5 s).
 */
export const SQLITE_BUSY_DEADLINE_MS = 4_000;

/** Longest pause between two tries on a busy SQLite file, in milliseconds; the first is one millisecond. */
export const SQLITE_BUSY_PAUSE_MS_MAX = 32;

/** Largest payload that an SQLite store reads together with its task, in bytes: a lease looks at a thousand tasks and may take few of them. */
export const SQLITE_PAYLOAD_AHEAD_BYTES = 4096;

/** Pages an SQLite store's log gathers before they are copied into the file (16 MiB): hot pages are then copied once, not often. */
export const SQLITE_CHECKPOINT_PAGES = 4000;

/** Memory for pages of an SQLite store, in KiB: enough for the indexes of about half a million tasks. */
export const SQLITE_CACHE_KIB = 64 * 1024;

/** Most tasks in one step of an export or an import. */
export const TRANSFER_TASKS_MAX = 1000;

/** Largest counts of leases that an imported task can bring: half of what PostgreSQL counts to, so that no lease of it goes past that. */
export const LEASES_IMPORTED_MAX = 2 ** 30;

/** Tasks that a refused import names besides the first: enough to find them, few enough to be read. */
export const REFUSED_TASKS_NAMED = 10;

/** Payload bytes after which a step of an export ends; one task is always in it. */
export const TRANSFER_PAYLOAD_BYTES = 8 * MIB;

/** Pages of an SQLite store that a backup copies before it looks up: 4 MiB, a few milliseconds. */
export const BACKUP_STEP_PAGES = 1024;

/** Rows looked at ahead where an SQLite lease does not yet know how many it needs of a queue. */
export const SQLITE_LOOKAHEAD_ROWS = 16;

/** Connections of one PostgreSQL store unless told otherwise, besides the one that listens: transactions share them, and a server has 100. */
export const POSTGRES_CONNECTIONS_DEFAULT = 10;

/** Least connections of one PostgreSQL store: one for each kind of call, so that renewals never wait for leases, and one for looks. */
export const POSTGRES_CONNECTIONS_MIN = 5;

/** Kinds of calls on a PostgreSQL store that have connections of their own: insert, lease, extend, delete. */
export const POSTGRES_LANES = 4;

/** How long a PostgreSQL store waits for a connection, new or lent, in milliseconds. A client is told in time. */
export const POSTGRES_CONNECT_TIMEOUT_MS = 3_000;

/** How long a connection to PostgreSQL does nothing before it is closed, in milliseconds: an idle server has none after a minute. */
export const POSTGRES_IDLE_CONNECTION_MS = 60_000;

/** How long PostgreSQL works on one statement before it gives up, in milliseconds: any is done in a fraction of this. */
export const POSTGRES_STATEMENT_TIMEOUT_MS = 5_000;

/** How long PostgreSQL waits for rows that others have locked, in milliseconds. Transactions of ours take a few. */
export const POSTGRES_LOCK_TIMEOUT_MS = 2_000;

/** How long a process may stand still within a transaction before PostgreSQL ends it, in milliseconds, so that its locks go. */
export const POSTGRES_IDLE_TRANSACTION_MS = 5_000;

/**
 * How long a PostgreSQL store waits for an answer, in milliseconds, before it takes the connection for dead: longer than a statement takes.
 * Where several are sent together, each waits longer by what those before it may take.
 */
export const POSTGRES_QUERY_TIMEOUT_MS = 7_000;

/** How long a server that starts waits for another that brings the schema up to date, in milliseconds: an index over many tasks. */
export const POSTGRES_MIGRATION_TIMEOUT_MS = 600_000;

/** How often a transaction is tried that PostgreSQL undoes because of others. */
export const POSTGRES_TRIES = 6;

/** Longest pause before the second try, in milliseconds, and what each further one adds; chance takes a part of it. */
export const POSTGRES_RETRY_PAUSE_MS = 10;

/** Slots of a queue's counters in PostgreSQL: connections that count at once rarely meet. */
export const POSTGRES_COUNTER_SLOTS = 16;

/** Most items in one PostgreSQL transaction: enough to share its costs, few enough to be done in tens of milliseconds. */
export const POSTGRES_TRANSACTION_ITEMS = 2000;

/** Payload bytes that count as one item there, so that one transaction brings 32 MiB at most, unless one call alone has more. */
export const POSTGRES_ITEM_BYTES = 16 * KIB;

/** Available tasks among which a PostgreSQL lease looks for those without a tag. At least one is found, and fewer than asked is allowed. */
export const POSTGRES_UNTAGGED_LOOK = 10_000;

/** Rows that one PostgreSQL lease of several queues locks at most, of all queues together; a lease of fewer tasks is allowed. */
export const POSTGRES_LEASE_ROWS = 4000;

/** Looks of one PostgreSQL lease for tasks: the payloads of many callers do not fit into one, or all it found was past its time. */
export const POSTGRES_LEASE_LOOKS = 1000;

/** Rows that a PostgreSQL lease looks at ahead for the tag of the oldest task: those past their retry limit may stand before it. */
export const POSTGRES_TAG_LOOK = 16;

/** How long a deleted queue is looked after in PostgreSQL, in milliseconds: longer than a transaction that had seen it can last. */
export const POSTGRES_REMOVED_QUEUE_MS = 600_000;

/** How often a process that waits looks for tasks in PostgreSQL that nobody told it of, in milliseconds: those whose holder died. */
export const POSTGRES_POLL_MS = 1_000;

/** How long a process is taken to wait for a queue after it last said so, in milliseconds. It says so every third of that. */
export const POSTGRES_AWAIT_MS = 30_000;

/** How long a process goes on listening when nobody waits any more, in milliseconds: consumers come again soon. */
export const POSTGRES_LISTEN_LINGER_MS = 60_000;

/** Longest pause before a lost connection that listens is tried again, in milliseconds; the first is a tenth of a second. Consumers go on within two. */
export const POSTGRES_LISTEN_PAUSE_MS_MAX = 1_000;

assertOrder("one payload must fit into a lease answer", PAYLOAD_BYTES_MAX, LEASE_PAYLOAD_BYTES_DEFAULT);
assertOrder(
  "the default lease answer is not above its maximum",
  LEASE_PAYLOAD_BYTES_DEFAULT,
  LEASE_PAYLOAD_BYTES_MAX,
);
assertOrder("one step of an export must fit into one batch", TRANSFER_TASKS_MAX, BATCH_ITEMS_MAX);
assertOrder("an imported task can still be leased", LEASES_IMPORTED_MAX, MAX_LEASES_MAX - 1);
assertOrder("one lease must fit into one batch", LEASE_TASKS_MAX, BATCH_ITEMS_MAX);
assertOrder(
  "a lease answer in base64 must fit into what the client reads",
  (LEASE_PAYLOAD_BYTES_MAX * 4) / 3,
  RESPONSE_BYTES_MAX,
);
assertOrder(
  "a client's batch must fit into the server's",
  CLIENT_BATCH_PAYLOAD_BYTES,
  BATCH_PAYLOAD_BYTES_MAX,
);

assertOrder(
  "who waits for a busy file is told before its client gives up",
  SQLITE_BUSY_DEADLINE_MS,
  CLIENT_TIMEOUT_MS / 2,
);
assertOrder(
  "a statement that takes too long is ended by the database, not by its client",
  POSTGRES_STATEMENT_TIMEOUT_MS,
  POSTGRES_QUERY_TIMEOUT_MS,
);
assertOrder(
  "who waits for a database is told before its client gives up",
  POSTGRES_QUERY_TIMEOUT_MS,
  CLIENT_TIMEOUT_MS,
);
assertOrder("each kind of call has a connection", POSTGRES_LANES + 1, POSTGRES_CONNECTIONS_MIN);
assertOrder("an operation has time for one answer", CLIENT_TIMEOUT_MS, CLIENT_DEADLINE_MS);
assertOrder("one operation leaves connections for others", PLAIN_CALLS_IN_FLIGHT, CLIENT_CONNECTIONS - 1);

function assertOrder(why: string, smaller: number, larger: number): void {
  if (smaller > larger) throw new Error(`limits.ts: ${why} (${smaller} > ${larger})`);
}
