/** The scopes of Google's task-queue API, kept as plain text by servers that have nothing to do with Google; and what a scope is. */

/** What `pullqueue auth login` asks for: everything that the API can do. Source: the API's discovery document. */
export const TASKQUEUE_SCOPE = "https://www.googleapis.com/auth/taskqueue";

/** Asked for beside it where a provider knows them, so that a stored sign-in can say whose it is. */
export const IDENTITY_SCOPES: readonly string[] = Object.freeze(["openid", "email"]);

/** RFC 6749, 3.3: visible characters without quotes and backslashes. */
const SCOPE = /^[\x21\x23-\x5b\x5d-\x7e]+$/;

/** Whether scopes can be asked for by it: a list with at least one. */
export function isScopeList(value: unknown): boolean {
  return (
    Array.isArray(value) &&
    value.length > 0 &&
    value.every((scope) => typeof scope === "string" && SCOPE.test(scope))
  );
}
