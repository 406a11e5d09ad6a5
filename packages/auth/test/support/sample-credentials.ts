import { isAuthError } from "../../src/errors.js";
import type { UserCredentials } from "../../src/stored-credentials.js";

/** The code and message of the AuthError that something throws or rejects with. */
export async function refusal(deed: () => unknown): Promise<{ code: string; message: string }> {
  try {
    await deed();
  } catch (error) {
    if (isAuthError(error)) return { code: error.code, message: error.message };
    throw error;
  }
  throw new Error("expected an AuthError, and nothing was thrown");
}

/** A signed token's form, with these claims. */
export function idToken(claims: object): string {
  const part = (json: object) => Buffer.from(JSON.stringify(json)).toString("base64url");
  return `${part({ alg: "RS256" })}.${part(claims)}.c2lnbmF0dXJl`;
}

/** A sign-in that has everything. */
export function sampleUser(changes: Partial<UserCredentials> = {}): UserCredentials {
  return {
    kind: "user",
    format: "pullqueue",
    clientId: "client-1",
    clientSecret: "secret-1",
    refreshToken: "refresh-1",
    tokenUri: "https://auth.example/token",
    revokeUri: "https://auth.example/revoke",
    accessToken: "access-1",
    expiresAtMs: Date.UTC(2040, 4, 1, 12, 34, 56),
    scopes: ["openid", "https://www.googleapis.com/auth/taskqueue"],
    idToken: idToken({ email: "ada@example.com", sub: "1" }),
    isInvalid: false,
    fields: {},
    ...changes,
  };
}

/** What oauth2client 1.0 (2012) stored: before there were scopes, token_response, revoke_uri and ID tokens. */
export const OLDEST_OAUTH2CLIENT = {
  _class: "OAuth2Credentials",
  _module: "oauth2client.client",
  access_token: "access-old",
  client_id: "client-old",
  client_secret: "secret-old",
  refresh_token: "refresh-old",
  token_expiry: "2012-05-01T12:34:56Z",
  token_uri: "https://accounts.google.com/o/oauth2/token",
  user_agent: "pull-queue/1.0",
  invalid: false,
} as const;
