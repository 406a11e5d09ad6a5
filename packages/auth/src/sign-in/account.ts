import type { Clock } from "../clock.js";
import { claimsOf } from "../files/id-token-claims.js";
import type { SignInTokens } from "./code-exchange.js";
import { askInTime, optionalJson } from "./optional-json.js";

/**
 * Who signed in: the address in the ID token, which came from the token endpoint itself and needs no other proof (OpenID Connect Core,
 * 3.1.3.7), or, where providers keep it out of there, what their userinfo endpoint says. For display alone. Undefined where nobody says.
 */
export async function accountOf(
  { accessToken, idToken }: SignInTokens,
  userinfoEndpoint: string | undefined,
  limits: { readonly clock: Clock; readonly signal: AbortSignal | undefined },
): Promise<string | undefined> {
  const claims = idToken === undefined ? undefined : claimsOf(idToken);
  if (typeof claims?.email === "string") return claims.email;
  // Without an ID token there is nothing that the answer could be held against (Core, 5.3.4).
  if (userinfoEndpoint === undefined || claims?.sub === undefined) return undefined;
  const headers = { authorization: `Bearer ${accessToken}` };
  const said = await askInTime(limits, (signal) => optionalJson(userinfoEndpoint, signal, headers));
  return said?.sub === claims.sub && typeof said?.email === "string" ? said.email : undefined;
}
