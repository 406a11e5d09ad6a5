import { abortable, QueueError } from "@pullqueue/core";
import type { ApiRequest } from "../api-request.js";
import type { Query } from "../query.js";
import { invalidCredentials, tokenOf } from "./bearer.js";
import type { Principal } from "./principal.js";
import { shapeOf, type TokenShape } from "./token-shape.js";

/** From a request to who sent it. Several ways may be on at once: a token goes to the first that knows its shape. */

/** One way to tell whose a token is. */
export interface TokenVerifier {
  /** What it is called in messages: `tokens of this server`. */
  readonly name: string;
  /** Whether tokens of this shape are its business; the first that says so decides. */
  accepts(shape: TokenShape): boolean;
  /** Rejects with `unauthenticated` for a token that is not good, with `unavailable` when that cannot be found out now. */
  verify(token: string): Promise<Principal>;
}

/** The ways that are on, and where tokens may stand. */
export interface Authentication {
  readonly verifiers: readonly TokenVerifier[];
  /** Whether `access_token` and `oauth_token` in the query count. */
  readonly tokensInQuery: boolean;
}

/** Who sent a request. Rejects with `unauthenticated` without a token, otherwise as `tokenOf` and the verifiers do. */
export async function authenticate(
  { verifiers, tokensInQuery }: Authentication,
  request: ApiRequest,
  query: Query,
): Promise<Principal> {
  const token = tokenOf(request.headers, query, { fromQuery: tokensInQuery });
  if (token === undefined) {
    throw new QueueError(
      "unauthenticated",
      "Login Required: this server checks who is calling; send the header Authorization: Bearer TOKEN",
      { location: "Authorization", reason: "required" },
    );
  }
  const shape = shapeOf(token);
  const verifier = verifiers.find((candidate) => candidate.accepts(shape));
  if (verifier !== undefined) return abortable(verifier.verify(token), request.signal);
  throw invalidCredentials(
    `this server takes ${verifiers.map(({ name }) => name).join(", or ")}, and the token is none of them`,
  );
}
