import { generateKeyPairSync } from "node:crypto";
import type { GrantMemory } from "./grant-memory.js";
import { INTERACTION_PATH } from "./interaction-pages.js";
import { clientsOf } from "./provider-clients.js";

/** What can be said about the authorization server of a test. */
export interface OAuthProviderOptions {
  /** How long an access token is good, in seconds. Default 3600. */
  readonly accessTokenSecs?: number;
  /** Whether a refresh token is good for one use, and its second use revokes all that came of it. Default: it stays good. */
  readonly rotates?: boolean;
  /** Whether native clients are given refresh tokens. Default true. */
  readonly refreshTokens?: boolean;
  /** Access tokens are JWTs for this audience. Default: opaque ones, about which one has to ask. */
  readonly jwtAudience?: string;
  /** Added to what is said of an access token; `email` is there already. */
  readonly claims?: Readonly<Record<string, unknown>>;
  /** Where a person's address is told: in the ID token, as Google does, or only to those who ask. Default `id_token`. */
  readonly emailIn?: "id_token" | "userinfo";
  /** Where native clients may be led back to. Default: any port of `127.0.0.1` and `localhost`, with path `/` or `/callback`. */
  readonly redirectUris?: readonly string[];
  /** Scopes beside those of the task queue and of identity. */
  readonly scopes?: readonly string[];
}

const TASKQUEUE_SCOPES = ["taskqueue", "taskqueue.consumer"].map(
  (name) => `https://www.googleapis.com/auth/${name}`,
);

const REDIRECT_URIS = ["127.0.0.1", "localhost"].flatMap((host) => [
  `http://${host}`,
  `http://${host}/callback`,
]);

/** Everything that lives long lives for a day, in seconds; a test is over by then. */
const DAY_SECS = 86_400;

/** oidc-provider's configuration. It says something of all that oidc-provider would otherwise warn of. */
export function providerSettings(options: OAuthProviderOptions, memory: GrantMemory): object {
  const {
    accessTokenSecs = 3600,
    rotates = false,
    refreshTokens = true,
    jwtAudience,
    claims,
    emailIn = "id_token",
    redirectUris = REDIRECT_URIS,
    scopes = [],
  } = options;
  const queueScopes = [...TASKQUEUE_SCOPES, ...scopes];
  return {
    adapter: (model: string) => memory.adapter(model),
    clients: clientsOf(redirectUris),
    // Scopes of a resource are the resource's affair, so the provider itself has to know fewer then.
    scopes: ["openid", "offline_access", ...(jwtAudience === undefined ? queueScopes : [])],
    claims: { openid: ["sub"], email: ["email", "email_verified"] },
    conformIdTokenClaims: emailIn === "userinfo",
    clockTolerance: 0,
    cookies: { keys: ["nobody's secret"] },
    jwks: { keys: [signingKey()] },
    interactions: { url: (_: unknown, { uid }: { readonly uid: string }) => `${INTERACTION_PATH}${uid}` },
    findAccount: (_: unknown, id: string) => ({
      accountId: id,
      claims: () => ({ sub: id, email: id, email_verified: true }),
    }),
    issueRefreshToken: () => refreshTokens,
    expiresWithSession: () => false,
    rotateRefreshToken: rotates,
    extraTokenClaims: (_: unknown, { accountId }: { readonly accountId?: string }) => ({
      email: accountId ?? "worker@example.com",
      ...claims,
    }),
    clientBasedCORS: () => false,
    renderError: (context: { type: string; body: unknown }, out: object) => {
      context.type = "json";
      context.body = out;
    },
    ttl: {
      ...Object.fromEntries(
        ["IdToken", "RefreshToken", "Interaction", "Session", "Grant"].map((name) => [name, DAY_SECS]),
      ),
      AccessToken: accessTokenSecs,
      ClientCredentials: accessTokenSecs,
      AuthorizationCode: 60,
    },
    features: {
      clientCredentials: { enabled: true },
      devInteractions: { enabled: false },
      introspection: {
        enabled: true,
        allowedPolicy: (_: unknown, { clientId }: { readonly clientId: string }) => clientId === "server",
      },
      revocation: { enabled: true, allowedPolicy: () => true },
      resourceIndicators: {
        enabled: jwtAudience !== undefined,
        defaultResource: () => jwtAudience,
        useGrantedResource: () => true,
        getResourceServerInfo: () => ({
          audience: jwtAudience,
          scope: queueScopes.join(" "),
          accessTokenTTL: accessTokenSecs,
          accessTokenFormat: "jwt",
        }),
      },
    },
  };
}

function signingKey(): object {
  const { privateKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });
  return { ...privateKey.export({ format: "jwk" }), use: "sig", alg: "RS256", kid: "key-1" };
}
