/** What a token is good for, apart from whose it is. The names are Google's, kept as plain text. */

const BASE = "https://www.googleapis.com/auth/";

/** Opens every method. */
export const FULL_SCOPE = `${BASE}taskqueue`;

/** Opens every method of v1beta2 and what reads or writes tasks, but no management. */
export const CONSUMER_SCOPE = `${BASE}taskqueue.consumer`;

/** Scopes that open every method. Google documented the `cloud-` forms for Compute Engine; cloud-platform contains every other. */
const FULL_SCOPES = new Set([FULL_SCOPE, `${BASE}cloud-taskqueue`, `${BASE}cloud-platform`]);

const CONSUMER_SCOPES = new Set([CONSUMER_SCOPE, `${BASE}cloud-taskqueue.consumer`]);

/** Short names for people, and the scopes they stand for. */
export const SHORT_SCOPES: Readonly<Record<string, string>> = {
  taskqueue: FULL_SCOPE,
  "taskqueue.consumer": CONSUMER_SCOPE,
};

/** How far the scopes of a token reach: the farthest counts, others than ours do not. */
export function reachOf(scopes: readonly string[]): "full" | "consumer" | "none" {
  if (scopes.some((scope) => FULL_SCOPES.has(scope))) return "full";
  return scopes.some((scope) => CONSUMER_SCOPES.has(scope)) ? "consumer" : "none";
}
