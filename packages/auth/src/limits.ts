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

/** Largest share of a token's life that EXPIRY_MARGIN_MS takes away: one that lives for seconds only would never be given otherwise. */
export const EXPIRY_MARGIN_SHARE = 0.1;

/** Largest share of a token's life that REFRESH_AHEAD_MS takes away. */
export const REFRESH_AHEAD_SHARE = 0.25;

/**
 * How long after a renewal in the background the next one is begun, in milliseconds: where it failed, or brought the same token (Google's
 * metadata server gives one until shortly before its end), the next is not due with the next call.
 */
export const REFRESH_RETRY_MS = 10_000;

/** Longest life that a token is believed to have, in milliseconds: ten years. Beyond that are no times of a calendar. */
export const TOKEN_LIFE_MS_MAX = 315_360_000_000;

/** How long a life is assumed for a token whose issuer does not say, in milliseconds: Google's hour. */
export const TOKEN_LIFE_MS_DEFAULT = 3_600_000;

/** How long the request of a service account for an access token holds, in milliseconds: as long as Google allows. */
export const ASSERTION_LIFE_MS = 3_600_000;

/** How far such a request is dated back, in milliseconds: a server whose clock is a moment behind would refuse one of the future. */
export const ASSERTION_BACKDATE_MS = 10_000;

/**
 * How long a token that a service account signed for its server holds, in milliseconds. Servers allow an hour from now on by their clock, so
 * half of that lets ours be half an hour wrong in either direction.
 */
export const SIGNED_TOKEN_LIFE_MS = 1_800_000;

/** A server's clock that differs from ours by more than this is believed instead, in milliseconds. A Date header counts whole seconds. */
export const CLOCK_DIFFERENCE_MS = 60_000;

/** How long a server may take to tell its time, in milliseconds: without an answer we go on with our own. */
export const SERVER_TIME_TIMEOUT_MS = 5_000;

/** How long google-auth-library may take for one token, in milliseconds. It makes up to three calls, and repeats them. */
export const GOOGLE_TIMEOUT_MS = 60_000;

/** How long Google's metadata server may take to say whose the machine's account is, in milliseconds. It is next door. */
export const METADATA_TIMEOUT_MS = 5_000;

/** How long a sign-in waits for the browser to come back, in milliseconds. */
export const SIGN_IN_TIMEOUT_MS = 300_000;

/** Longest wait for the browser that may be asked for, in milliseconds: a day. Node's timers end at 24. */
export const SIGN_IN_TIMEOUT_MS_MAX = 86_400_000;

/** How long a provider's description of itself, and a person's address, are waited for, in milliseconds: the sign-in works without. */
export const DISCOVERY_TIMEOUT_MS = 4_000;

/** How many folders of an authorization address may be an issuer's. Keycloak's has two in front of three. */
export const ISSUER_DEPTH_MAX = 8;

/** Connections that the page of a sign-in holds at once; one more ends the oldest. Browsers open six for one site. */
export const LOOPBACK_CONNECTIONS_MAX = 32;

/** Largest head of a request to that page, in bytes. Codes of some providers have 2 kB, and other programs' cookies for localhost come along. */
export const LOOPBACK_HEAD_BYTES_MAX = 32 * 1024;

/** How long such a request may take to arrive, in milliseconds. */
export const LOOPBACK_REQUEST_MS = 10_000;

/** How long the end of a sign-in waits for its last page to leave, in milliseconds. */
export const LOOPBACK_CLOSE_MS = 1_000;

/** How many free ports are tried until one is free on both addresses of `localhost`. */
export const LOOPBACK_PORTS_TRIED = 8;

/** Longest text that is taken as a pasted address, in characters. */
export const PASTED_LENGTH_MAX = 16 * 1024;

/** Shorter texts are not taken for a pasted code: a word, or a key that was hit. No provider's codes have fewer characters. */
export const CODE_LENGTH_MIN = 16;

/** How often a pasted text that is no answer is asked for, in all. */
export const PASTES_MAX = 3;

/** A lock older than this is of a process that died or stands still, in milliseconds: no holder needs half of it. */
export const LOCK_STALE_MS = 60_000;

/** How often a lock that somebody else holds is tried again, in milliseconds. */
export const LOCK_RETRY_MS = 50;

/** Longest piece of somebody else's text that an error quotes, in characters. */
export const QUOTE_LENGTH_MAX = 200;

if (ENDPOINT_TIMEOUT_MS * 2 >= LOCK_STALE_MS)
  throw new Error("limits.ts: a holder may need two answers of a token endpoint before its lock is stale");
