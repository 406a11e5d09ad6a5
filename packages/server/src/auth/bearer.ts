import { QueueError } from "@pullqueue/core";
import type { ApiRequest } from "../api-request.js";
import { TOKEN_LENGTH_MAX } from "../limits.js";
import type { Query } from "../query.js";

/** Where a request carries its token. Nothing here quotes one: messages reach answers and logs. */

/** Query parameters that carry a token, as Google's APIs take them. */
const TOKEN_PARAMETERS = ["access_token", "oauth_token"] as const;

/** RFC 6750's `b64token`, and what else tokens in use are made of: no space, no comma, no control characters. */
const TOKEN_PATTERN = /^[\x21\x23-\x2b\x2d-\x7e]+$/;

/**
 * The token of a request, or undefined when it has none. Throws `unauthenticated` for one that cannot be a token, or that
 * stands in the query where that is switched off; `invalid_argument` for two that differ.
 */
export function tokenOf(
  headers: ApiRequest["headers"],
  query: Query,
  { fromQuery }: { readonly fromQuery: boolean },
): string | undefined {
  const tokens = new Set([...tokensInHeader(headers), ...tokensInQuery(query)]);
  if (!fromQuery && tokensInQuery(query).length > 0) {
    throw invalidCredentials(
      `tokens in the query (${TOKEN_PARAMETERS.join(", ")}) are switched off here; send the header Authorization: Bearer TOKEN`,
    );
  }
  if (tokens.size > 1) {
    throw new QueueError(
      "invalid_argument",
      "the request carries two tokens that differ; send one, best in the header Authorization: Bearer TOKEN",
      { location: "Authorization" },
    );
  }
  const [token] = tokens;
  if (token !== undefined) checkForm(token);
  return token;
}

/** 401 for a token that is not good, with Google's words before ours. */
export function invalidCredentials(why: string): QueueError {
  return new QueueError("unauthenticated", `Invalid Credentials: ${why}`, { location: "Authorization" });
}

function tokensInHeader(headers: ApiRequest["headers"]): readonly string[] {
  const header = headers.get("authorization");
  if (header === null) return [];
  const token = /^bearer +([^ ]+)$/i.exec(header)?.[1];
  if (token !== undefined) return [token];
  throw invalidCredentials("the header Authorization must be the word Bearer, a space and the token");
}

function tokensInQuery(query: Query): readonly string[] {
  return TOKEN_PARAMETERS.flatMap((name) => query.get(name) ?? []);
}

function checkForm(token: string): void {
  if (token.length > TOKEN_LENGTH_MAX) {
    throw invalidCredentials(
      `a token has at most ${TOKEN_LENGTH_MAX} characters, this one has ${token.length}`,
    );
  }
  if (TOKEN_PATTERN.test(token)) return;
  throw invalidCredentials("the token is empty, or has characters that no token has");
}
