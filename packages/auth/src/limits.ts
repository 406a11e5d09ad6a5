/** Every number of this package, with its unit, and its source or reason. */

/** Largest file that is read, in bytes. A service account's key has 2.4 kB, an oauth2client file with its ID token 5 kB. */
export const FILE_BYTES_MAX = 256 * 1024;

/** Largest answer of a token endpoint that is read, in bytes. Google's with an ID token have 2 kB. */
export const ANSWER_BYTES_MAX = 256 * 1024;

/** How often a file that ends in the middle is read before it counts as damaged: others write in place. */
export const READ_ATTEMPTS_MAX = 4;

/** How long such a writer is given between two readings, in milliseconds. Python writes 5 kB in less than one. */
export const READ_RETRY_MS = 25;

/** A temporary file older than this is nobody's work in progress, in milliseconds: a write takes less than a second. */
export const LEFTOVER_MS = 3_600_000;

/** How long an authorization server may take to answer, in milliseconds. */
export const ENDPOINT_TIMEOUT_MS = 20_000;

/** A token that ends sooner than this is not given any more: it would end on its way, or the server's clock is ahead. In milliseconds. */
export const EXPIRY_MARGIN_MS = 30_000;

/**
 * A token that ends sooner than this is renewed in the background while it is still given, in milliseconds. Google's libraries use
 * 225 s (Python) and 300 s (Node). Of a short-lived token at most a quarter of its life.
 */
export const REFRESH_AHEAD_MS = 300_000;

/** How long a life is assumed for a token whose issuer does not say, in milliseconds: Google's hour. */
export const TOKEN_LIFE_MS_DEFAULT = 3_600_000;

/** How long a sign-in waits for the browser to come back, in milliseconds. */
export const SIGN_IN_TIMEOUT_MS = 300_000;

/** A lock older than this is of a process that died or stands still, in milliseconds: no holder needs half of it. */
export const LOCK_STALE_MS = 60_000;

/** How often a lock that somebody else holds is tried again, in milliseconds. */
export const LOCK_RETRY_MS = 50;

/** Longest piece of somebody else's text that an error quotes, in characters. */
export const QUOTE_LENGTH_MAX = 200;

if (ENDPOINT_TIMEOUT_MS * 2 >= LOCK_STALE_MS)
  throw new Error("limits.ts: a holder may need two answers of a token endpoint before its lock is stale");
