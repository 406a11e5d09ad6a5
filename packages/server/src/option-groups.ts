import type { ServeOptionName } from "./config-options.js";

/** The options under headings, for people who look for one: help texts and the documentation. Each option is in one group. */
export const OPTION_GROUPS = {
  "Where it listens": [
    "host",
    "port",
    "publicUrl",
    "corsOrigins",
    "tlsCert",
    "tlsKey",
    "tlsTerminatedByProxy",
  ],
  "Tasks and queues": ["store", "queues", "project", "prefix", "queuesMax", "tombstoneMs", "sweepIntervalMs"],
  Log: ["logLevel", "logFormat"],
  Connections: ["connectionsMax", "headersTimeoutMs", "requestTimeoutMs", "keepAliveMs"],
  "Who may call": ["auth", "admins", "tokensInQuery", "tokensFile", "serviceAccounts", "clockToleranceMs"],
  "Google's tokens (--auth google, tokeninfo)": ["googleAudience", "tokeninfoUrl", "tokeninfoAudience"],
  "JWTs of one issuer (--auth jwt)": [
    "jwtIssuer",
    "jwtAudience",
    "jwtJwksUrl",
    "jwtJwksFile",
    "jwtAlgorithms",
    "jwtScopes",
  ],
  "Tokens that another server knows (--auth introspection)": [
    "introspectionUrl",
    "introspectionClientFile",
    "introspectionClientId",
    "introspectionClientSecret",
    "introspectionAudience",
  ],
  "What claims are called (--auth jwt, introspection)": [
    "emailClaim",
    "scopeClaim",
    "roleClaim",
    "projectsClaim",
  ],
} as const satisfies Readonly<Record<string, readonly ServeOptionName[]>>;
