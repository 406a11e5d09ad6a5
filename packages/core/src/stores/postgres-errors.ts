import { QueueError } from "../errors.js";

/** How soon trying again makes sense, in milliseconds: a restart takes seconds, a failover a few more. */
const RETRY_AFTER_MS = 1000;

const AGAIN = "try again, and look at the database if it lasts";

const NO_WRITES =
  "the database takes no writes (a standby, or a failover under way); connect to the primary, or try again";

/** What PostgreSQL's states mean for a caller. https://www.postgresql.org/docs/current/errcodes-appendix.html */
const SENTENCES: Readonly<Record<string, string>> = {
  // What a standby says to a transaction that is to write, and to a look at a table without a log.
  "0A000": NO_WRITES,
  "25006": NO_WRITES,
  "28000": "the database refused to let us in; check user and password of its address, and pg_hba.conf",
  "28P01": "the database refused the password; check user and password of its address",
  "3D000": "the database does not exist; create it, or name another in the address",
  "40001": `the database could not order concurrent transactions; ${AGAIN}`,
  "40P01": `the database found transactions waiting for each other; ${AGAIN}`,
  "42501": "the database user may not do this; let it own the schema",
  "53100": "the disk of the database is full; free some space and try again",
  "53200": `the database is out of memory; ${AGAIN}`,
  "53300": "the database has as many connections as it may; raise max_connections, or lower connectionsMax",
  "55P03": `another transaction keeps rows of the database locked; ${AGAIN}`,
  "57014": `the database took too long to answer; ${AGAIN}`,
  "57P01": `the database ended the connection; ${AGAIN}`,
  "57P02": `the database has crashed and recovers; ${AGAIN}`,
  "57P03": `the database is starting up, shutting down or in recovery; ${AGAIN}`,
  "57P05": `the database ended the connection because it was idle; ${AGAIN}`,
  // Of sockets and names: what is to be looked at, without the address.
  ECONNREFUSED:
    "the database does not answer: nothing listens at its address; check that it runs, and host and port",
  ENOTFOUND: "the database does not answer: the host of its address is not known; check its name",
};

/** Codes of sockets and of names that do not resolve: nobody has answered. */
const SOCKET_CODES = /^(?:ECONN|EPIPE|ETIMEDOUT|EHOST|ENET|ENOTFOUND|EAI_|ENOENT|EACCES|EADDRNOTAVAIL)/;

/** What pg itself says of a connection that is gone or never came, having no code for it. */
const LOST =
  /connection (?:terminated|timeout|ended)|timeout (?:exceeded|expired)|not queryable|read timeout|closed/i;

/** Whether a transaction that failed so may be tried again at once: nothing of it was done. */
export function isTransient(error: unknown): boolean {
  const code = codeOf(error);
  // A unique violation: two transactions moved tasks of one id into one queue.
  return code === "40001" || code === "40P01" || code === "23505";
}

/** Whether the connection is gone, and what was under way on it unknown. */
export function isConnectionLost(error: unknown): boolean {
  const code = codeOf(error);
  if (code === undefined) return LOST.test(messageOf(error));
  return SOCKET_CODES.test(code) || code.startsWith("08") || /^57P0[1235]$/.test(code);
}

/**
 * Whether the database itself refused a statement, so that its transaction is undone. Class 08 is what a pooler says whose
 * connection to the database broke, to whichever statement has no answer yet; codes of Node (EPIPE) begin with E, states do not.
 */
export function isRefusal(error: unknown): boolean {
  return /^(?!08|E)[0-9A-Z]{5}$/.test(codeOf(error) ?? "");
}

/** States that an address is to blame for; trying again changes nothing. */
const WRONG_ADDRESS = new Set(["28000", "28P01", "3D000", "42501"]);

/** The same while a store is opened: what is wrong with its address is then its caller's mistake, `invalid_argument`. */
export function translateOpeningError(error: unknown): QueueError {
  const translated = translatePostgresError(error);
  if (!WRONG_ADDRESS.has(codeOf(error) ?? "")) return translated;
  return new QueueError("invalid_argument", translated.message, { cause: error, location: "store" });
}

/** An error of PostgreSQL or of its client as ours: without SQL, addresses or passwords. */
export function translatePostgresError(error: unknown): QueueError {
  const code = codeOf(error);
  const sentence = code === undefined ? undefined : SENTENCES[code];
  if (sentence !== undefined) return unavailable(sentence, error);
  if (isConnectionLost(error)) {
    return unavailable(
      `the database does not answer; check that it runs and that its host and port are right, or ${AGAIN}`,
      error,
    );
  }
  if (/certificate|SSL|TLS/i.test(messageOf(error))) {
    return unavailable(
      "no TLS connection to the database came about; check sslmode and its certificates",
      error,
    );
  }
  return QueueError.from(error);
}

function unavailable(sentence: string, cause: unknown): QueueError {
  return new QueueError("unavailable", sentence, { cause, retryAfterMs: RETRY_AFTER_MS });
}

function codeOf(error: unknown): string | undefined {
  const { code } = (error ?? {}) as { readonly code?: unknown };
  return typeof code === "string" ? code : undefined;
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : "";
}
