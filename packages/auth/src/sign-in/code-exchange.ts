import type { Clock } from "../clock.js";
import { AuthError } from "../errors.js";
import { grantOf } from "../sources/token-answer.js";
import { type OAuthClient, postForm, type Refusal, refusalOf } from "../token-endpoint.js";

/** A code and what proves that it is ours. */
export interface CodeExchange {
  readonly tokenUri: string;
  readonly client: OAuthClient;
  /** Named where the client is refused. */
  readonly clientSecretsFile: string;
  readonly code: string;
  readonly redirectUri: string;
  readonly codeVerifier: string;
  readonly requestedScopes: readonly string[];
  /** Those without which the sign-in would be for nothing. */
  readonly wantedScopes: readonly string[];
  readonly clock: Clock;
  readonly signal: AbortSignal | undefined;
}

/** What a sign-in is for. */
export interface SignInTokens {
  readonly accessToken: string;
  readonly refreshToken: string;
  /** Milliseconds since the epoch. */
  readonly expiresAtMs: number;
  readonly idToken: string | undefined;
  readonly scopes: readonly string[];
}

/** What helps against the refusals that have to do with the client (RFC 6749, 5.2). */
const ADVICE: ReadonlyMap<string, string> = new Map([
  [
    "invalid_client",
    "the provider does not know this client, or its secret; download its client secrets anew",
  ],
  ["unauthorized_client", "the provider lets nobody sign in with this client; look at its settings there"],
  ["invalid_grant", "the code was used before, is too old, or was meant for another sign-in; sign in again"],
]);

/**
 * Exchanges the code (RFC 6749, 4.1.3), once: a code that was sent is used, whatever came of it. `sign_in_failed` where the provider refuses, or
 * grants less than is needed; `unavailable` and `timeout` as of the token endpoint.
 */
export async function exchangeCode(exchange: CodeExchange): Promise<SignInTokens> {
  const { tokenUri, client, clock, signal } = exchange;
  const form = {
    grant_type: "authorization_code",
    code: exchange.code,
    redirect_uri: exchange.redirectUri,
    code_verifier: exchange.codeVerifier,
  };
  const request = { tokenUri, client, form, clock, signal };
  // Before the request, so that a token is never thought to live longer than it does.
  const askedMs = Math.floor(clock.nowUs() / 1000);
  const answer = await postForm(request);
  const refusal = refusalOf(answer, request);
  if (refusal !== undefined) throw refused(refusal, exchange);
  const { accessToken, lifeMs, refreshToken, idToken, scopes } = grantOf(answer, tokenUri);
  const granted = scopes ?? exchange.requestedScopes;
  const missing = exchange.wantedScopes.filter((scope) => !isAmong(scope, granted));
  if (missing.length > 0) throw withoutScopes(missing);
  if (refreshToken === undefined) throw withoutRenewal();
  return { accessToken, refreshToken, expiresAtMs: askedMs + lifeMs, idToken, scopes: granted };
}

function refused({ error, words, isPassing }: Refusal, exchange: CodeExchange): AuthError {
  const { origin } = new URL(exchange.tokenUri);
  if (isPassing) {
    const message = `${origin} cannot give a token just now (${words}), so nothing was saved. Sign in again`;
    return new AuthError("unavailable", message);
  }
  const advice = ADVICE.get(error);
  const file = error.endsWith("_client") ? `${exchange.clientSecretsFile}: ` : "";
  return new AuthError(
    "sign_in_failed",
    `${file}${origin} refused the sign-in (${words}), so nothing was saved${advice === undefined ? "" : `: ${advice}`}`,
  );
}

/** Providers may spell what they granted in another way: OpenID Connect's own scopes, and names without their prefix. */
function isAmong(scope: string, granted: readonly string[]): boolean {
  if (/^(?:openid|email|profile|offline_access)$/.test(scope)) return true;
  return granted.some((other) => other === scope || other.endsWith(`/${scope}`));
}

function withoutScopes(missing: readonly string[]): AuthError {
  return new AuthError(
    "sign_in_failed",
    `access was granted without ${missing.join(" ")}, so nothing was saved. Sign in again and leave every box ticked; where there was none, the provider does not know that scope`,
  );
}

function withoutRenewal(): AuthError {
  return new AuthError(
    "sign_in_failed",
    "the provider granted no refresh token, so the sign-in would end within the hour and nothing was saved. Remove this application's access in the account's " +
      "settings (at Google: https://myaccount.google.com/permissions) and sign in again; at other providers, let the client have refresh tokens",
  );
}
