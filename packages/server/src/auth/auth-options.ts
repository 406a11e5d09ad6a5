import { CLOCK_TOLERANCE_MS, CLOCK_TOLERANCE_MS_MAX } from "../limits.js";
import {
  boolean,
  expected,
  integer,
  listOf,
  oneOf,
  type ServeOption,
  secureUrl,
  text,
} from "../option-readers.js";
import { TOKENS_FILE_DEFAULT } from "./own-tokens.js";
import { GOOGLE_TOKENINFO_URL } from "./presets.js";

/** The options that say who may call and how that is proved: part of `SERVE_OPTIONS`. */

/** Ways for callers to prove who they are. */
const AUTH_MODES = ["tokens", "service-accounts", "google", "jwt", "tokeninfo", "introspection"] as const;

/** One of `AUTH_MODES`. */
export type AuthMode = (typeof AUTH_MODES)[number];

/** Asymmetric ones alone: public keys must never be taken for shared secrets. */
const ALGORITHMS = [
  ...["RS256", "RS384", "RS512", "PS256", "PS384", "PS512"],
  ...["ES256", "ES384", "ES512", "EdDSA"],
];

/** An option that may be absent; its variable follows from its flag. */
function optional<T>(
  flag: string,
  value: string,
  description: string,
  read: (given: unknown) => T,
): ServeOption<T | undefined> {
  return { ...named(flag), value, description, default: undefined, read };
}

function named(flag: string): { readonly flag: string; readonly variable: string } {
  return { flag, variable: `PULLQUEUE_${flag.slice(2).replaceAll("-", "_").toUpperCase()}` };
}

const texts = listOf(text);

/** The table. */
export const AUTH_OPTIONS = {
  auth: {
    ...named("--auth"),
    value: "modes",
    description: `how callers prove who they are: none, or some of ${AUTH_MODES.join(", ")} with commas between them`,
    default: "none",
    read: readModes,
  } as ServeOption<"none" | readonly AuthMode[]>,
  tokensFile: {
    ...named("--tokens-file"),
    value: "file",
    description: "--auth tokens: where pullqueue token create keeps the hashes of its tokens",
    default: TOKENS_FILE_DEFAULT,
    read: text,
  },
  tokensInQuery: {
    ...named("--tokens-in-query"),
    value: "true|false",
    description: "whether access_token and oauth_token in the query count, as with Google's APIs",
    default: true,
    read: boolean,
  } as ServeOption<boolean>,
  admins: optional(
    "--admins",
    "emails",
    "callers that are administrators, for tokens whose issuer says nothing of roles",
    texts,
  ),
  clockToleranceMs: {
    ...named("--clock-tolerance-ms"),
    value: "ms",
    description: "how far the clocks of those who sign tokens may differ",
    default: CLOCK_TOLERANCE_MS,
    read: integer(0, CLOCK_TOLERANCE_MS_MAX),
  },
  jwtIssuer: optional("--jwt-issuer", "issuer", "the claim iss of its tokens", text),
  jwtAudience: optional("--jwt-audience", "list", "the claim aud; one of these", texts),
  jwtJwksUrl: optional("--jwt-jwks-url", "url", "where the issuer's keys are", secureUrl),
  jwtJwksFile: optional("--jwt-jwks-file", "file", "the issuer's keys, instead of --jwt-jwks-url", text),
  jwtAlgorithms: {
    ...named("--jwt-algorithms"),
    value: "list",
    description: "how its tokens are signed",
    default: ["RS256", "ES256"],
    read: listOf(oneOf(ALGORITHMS)),
  } as ServeOption<readonly string[]>,
  jwtScopes: optional("--jwt-scopes", "list", "the scopes of tokens that say nothing of scopes", texts),
  googleAudience: optional(
    "--google-audience",
    "list",
    "--auth google: whom ID tokens are for; --public-url when absent",
    texts,
  ),
  serviceAccounts: optional(
    "--service-accounts",
    "file",
    "--auth service-accounts: a list (JSON or YAML) of accounts and their keys",
    text,
  ),
  introspectionUrl: optional(
    "--introspection-url",
    "url",
    "where tokens are asked about (RFC 7662)",
    secureUrl,
  ),
  introspectionClientFile: optional(
    "--introspection-client-file",
    "file",
    "a JSON file with client_id and client_secret; or else the variables PULLQUEUE_INTROSPECTION_CLIENT_ID and …_SECRET",
    text,
  ),
  introspectionClientId: {
    ...optional("--introspection-client-id", "id", "this server's client id at that server", text),
    secret: true,
  } as ServeOption<string | undefined>,
  introspectionClientSecret: {
    ...optional("--introspection-client-secret", "secret", "the secret that goes with it", text),
    secret: true,
  } as ServeOption<string | undefined>,
  introspectionAudience: optional(
    "--introspection-audience",
    "list",
    "whom tokens are for; anybody when absent",
    texts,
  ),
  tokeninfoUrl: {
    ...named("--tokeninfo-url"),
    value: "url",
    description: "--auth tokeninfo: where Google's access tokens are asked about",
    default: GOOGLE_TOKENINFO_URL,
    read: secureUrl,
  },
  tokeninfoAudience: optional(
    "--tokeninfo-audience",
    "list",
    "--auth tokeninfo: the OAuth clients whose access tokens count",
    texts,
  ),
  emailClaim: {
    ...named("--email-claim"),
    value: "name",
    description: "the claim with the caller's address, in JWTs and introspection",
    default: "email",
    read: text,
  },
  scopeClaim: optional(
    "--scope-claim",
    "name",
    "the claim with the scopes; scope, else scp, when absent",
    text,
  ),
  roleClaim: {
    ...named("--role-claim"),
    value: "name",
    description: "the claim with the caller's role: admin, user or monitor",
    default: "role",
    read: text,
  },
  projectsClaim: {
    ...named("--projects-claim"),
    value: "name",
    description: "the claim with the caller's projects; a token without it is for all",
    default: "projects",
    read: text,
  },
  tlsCert: optional(
    "--tls-cert",
    "file",
    "a certificate with its chain, in PEM: the server speaks TLS, and only that; read again on SIGHUP",
    text,
  ),
  tlsKey: optional("--tls-key", "file", "the private key of --tls-cert, in PEM", text),
  tlsTerminatedByProxy: {
    ...named("--tls-terminated-by-proxy"),
    value: "true|false",
    description: "true: a proxy in front speaks TLS, so tokens may come here over plain HTTP",
    default: false,
    read: boolean,
  } as ServeOption<boolean>,
} as const satisfies Record<string, ServeOption<unknown>>;

function readModes(given: unknown): "none" | readonly AuthMode[] {
  if (given === "none") return "none";
  const modes = listOf(oneOf(AUTH_MODES))(given);
  if (new Set(modes).size === modes.length) return modes;
  throw expected("each mode once", given);
}
