import type { Clock } from "@pullqueue/core";
import { invalidCredentials } from "./bearer.js";
import type { Claims } from "./claims.js";
import { authUnavailable, fetchJson } from "./fetch-json.js";
import { checkAudience, endOf } from "./introspection.js";
import type { Verdict } from "./online-tokens.js";
import type { Principal } from "./principal.js";

/**
 * Asks Google's tokeninfo endpoint about an access token: a question for `OnlineTokens`. `audiences` are the OAuth clients
 * whose tokens count: without them, any program that a user signed in to could call here in the user's name.
 */
export function tokeninfo(options: {
  readonly url: string;
  readonly audiences: readonly string[];
  readonly clock: Clock;
  readonly principalOf: (claims: Claims) => Principal;
}): (token: string) => Promise<Verdict> {
  const { url, audiences, clock, principalOf } = options;
  return async (token) => {
    const { status, json } = await fetchJson({
      url,
      method: "POST",
      headers: { "content-type": "application/x-www-form-urlencoded", accept: "application/json" },
      body: new URLSearchParams({ access_token: token }).toString(),
      clock,
    });
    if (status === 400) throw invalidCredentials("the token has expired, or Google does not know it");
    if (status !== 200) throw authUnavailable(`tokeninfo answered with status ${status}`);
    checkAudience([json.aud, json.azp], audiences);
    if (String(json.email_verified) !== "true") {
      throw invalidCredentials("the token must be for the scope email, and its address verified");
    }
    return { principal: principalOf(json), expiresAtUs: endOf(json.exp, clock) };
  };
}
