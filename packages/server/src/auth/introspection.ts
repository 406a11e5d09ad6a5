import type { Clock } from "@pullqueue/core";
import { invalidCredentials } from "./bearer.js";
import type { Claims } from "./claims.js";
import { authUnavailable, fetchJson } from "./fetch-json.js";
import type { Verdict } from "./online-tokens.js";
import type { Principal } from "./principal.js";

/** What this server is to the authorization server that it asks. */
export interface IntrospectionClient {
  readonly id: string;
  readonly secret: string;
}

/** Asks an authorization server about a token (RFC 7662): a question for `OnlineTokens`. */
export function introspection(options: {
  readonly url: string;
  readonly client: IntrospectionClient;
  /** A token must be for one of them; empty: for anybody. */
  readonly audiences: readonly string[];
  readonly clock: Clock;
  readonly principalOf: (claims: Claims) => Principal;
}): (token: string) => Promise<Verdict> {
  const { url, client, audiences, clock, principalOf } = options;
  // RFC 6749, section 2.3.1: both are form-encoded first.
  const pair = `${encodeURIComponent(client.id)}:${encodeURIComponent(client.secret)}`;
  const headers = {
    authorization: `Basic ${Buffer.from(pair).toString("base64")}`,
    "content-type": "application/x-www-form-urlencoded",
    accept: "application/json",
  };
  return async (token) => {
    const body = new URLSearchParams({ token, token_type_hint: "access_token" }).toString();
    const { status, json } = await fetchJson({ url, method: "POST", headers, body, clock });
    // A refusal here is of this server, not of the token.
    if (status !== 200) throw authUnavailable(`the introspection endpoint answered with status ${status}`);
    if (json.active !== true)
      throw invalidCredentials("the token has expired, or its issuer does not know it");
    checkAudience(json.aud, audiences);
    return { principal: principalOf(json), expiresAtUs: endOf(json.exp, clock) };
  };
}

/** Throws `unauthenticated` unless a claim `aud`, one or several, has one of these. None are asked for: everything goes. */
export function checkAudience(claim: unknown, audiences: readonly string[]): void {
  const given = Array.isArray(claim) ? claim : [claim];
  if (audiences.length === 0 || given.some((audience) => audiences.includes(audience))) return;
  throw invalidCredentials(`the token is for another audience; it must be for ${audiences.join(" or ")}`);
}

/** The end of a token as claims have it, in microseconds. Throws `unauthenticated` when that has passed. */
export function endOf(exp: unknown, clock: Clock): number | undefined {
  const seconds = typeof exp === "string" ? Number(exp) : exp;
  if (typeof seconds !== "number" || Number.isNaN(seconds)) return undefined;
  if (seconds * 1_000_000 > clock.nowUs()) return seconds * 1_000_000;
  throw invalidCredentials("the token has expired; get a new one");
}
