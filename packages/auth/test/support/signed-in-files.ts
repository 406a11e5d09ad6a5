import { readFileSync, writeFileSync } from "node:fs";
import type { GrantedTokens, OAuthClientName, OAuthProvider } from "@pullqueue/testing/oauth-provider";
import { type Clock, systemClock } from "../../src/clock.js";
import { encodeUser } from "../../src/files/user-credentials.js";
import type { UserCredentials } from "../../src/stored-credentials.js";

export const HOUR_MS = 3_600_000;

/** The system's clock, wrong by as much as one says. */
export function shiftableClock(shiftMs = 0): Clock & { shift(ms: number): void } {
  let byMs = shiftMs;
  return {
    nowUs: () => systemClock.nowUs() + byMs * 1000,
    timer: (delayMs, callback, options) => systemClock.timer(delayMs, callback, options),
    shift: (ms) => {
      byMs += ms;
    },
  };
}

export function nowMs(): number {
  return systemClock.nowUs() / 1000;
}

/** What a sign-in at the provider comes to. */
export function userOf(
  provider: OAuthProvider,
  tokens: GrantedTokens,
  changes: Partial<UserCredentials> = {},
  client: OAuthClientName = "desktop",
): UserCredentials {
  return {
    kind: "user",
    format: "pullqueue",
    clientId: client,
    clientSecret: provider.secretOf(client),
    refreshToken: tokens.refresh_token,
    tokenUri: provider.tokenUrl,
    revokeUri: provider.revocationUrl,
    accessToken: tokens.access_token,
    expiresAtMs: nowMs() + tokens.expires_in * 1000,
    scopes: tokens.scope.split(" "),
    idToken: tokens.id_token,
    isInvalid: false,
    fields: {},
    ...changes,
  };
}

/** Signs in and writes our own kind of file; returns what is in it. */
export async function signedInFile(
  provider: OAuthProvider,
  path: string,
  changes: Partial<UserCredentials> = {},
  client: OAuthClientName = "desktop",
): Promise<UserCredentials> {
  const user = userOf(provider, await provider.signIn({ client }), changes, client);
  writeFileSync(path, encodeUser(user), { mode: 0o600 });
  return user;
}

export function json(path: string): Record<string, unknown> {
  return JSON.parse(readFileSync(path, "utf8"));
}

/** How often the provider was asked to renew. */
export function refreshes(provider: OAuthProvider): number {
  return provider.tokenRequests.filter(({ grantType }) => grantType === "refresh_token").length;
}
