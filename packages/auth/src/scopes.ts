/** The scopes of Google's task-queue API, kept as plain text by servers that have nothing to do with Google. */

/** What `pullqueue auth login` asks for: everything that the API can do. Source: the API's discovery document. */
export const TASKQUEUE_SCOPE = "https://www.googleapis.com/auth/taskqueue";

/** Asked for beside it where a provider knows them, so that a stored sign-in can say whose it is. */
export const IDENTITY_SCOPES: readonly string[] = Object.freeze(["openid", "email"]);
