import type { Clock } from "@pullqueue/core";
import type { ServerConfig } from "../config-options.js";
import type { Log } from "../log.js";
import type { AuthMode } from "./auth-options.js";
import type { Authentication, TokenVerifier } from "./authenticate.js";
import { type ClaimRules, type Claims, principalOf } from "./claims.js";
import { introspection } from "./introspection.js";
import { readIntrospectionClient } from "./introspection-client.js";
import { JwtVerifier } from "./jwt.js";
import { FileKeySet, type KeySet, RemoteKeySet } from "./key-set.js";
import { OnlineTokens } from "./online-tokens.js";
import { GOOGLE_ALGORITHMS, GOOGLE_ISSUERS, GOOGLE_KEYS_URL } from "./presets.js";
import { FULL_SCOPE } from "./scopes.js";
import { ServiceAccounts } from "./service-accounts.js";
import { StaticTokens } from "./static-tokens.js";
import { tokeninfo } from "./tokeninfo.js";

/** A way of authentication that was opened, and may have files that change. */
interface OpenVerifier extends TokenVerifier {
  /** Takes over what has changed in files; never rejects, and what cannot be read changes nothing. */
  refresh?(): Promise<void>;
}

/** What the configured ways of authentication need. */
interface Surroundings {
  readonly clock: Clock;
  readonly log: Log;
}

type Open = (config: ServerConfig, surroundings: Surroundings) => Promise<OpenVerifier>;

/** Authentication as configured. */
export interface ConfiguredAuthentication extends Authentication {
  readonly verifiers: readonly OpenVerifier[];
}

/** The ways by name, in the order in which they are asked whether a token is theirs: from the exact shape to any. */
const OPENERS: Readonly<Record<AuthMode, Open>> = {
  tokens: ({ tokensFile }, { clock, log }) => new StaticTokens(tokensFile, clock, log).open(),
  "service-accounts": openServiceAccounts,
  google: openGoogle,
  jwt: openJwt,
  tokeninfo: openTokeninfo,
  introspection: openIntrospection,
};

/** Opens what `--auth` names; undefined where nobody is asked. Rejects with `invalid_argument` for files that cannot be used. */
export async function openAuthentication(
  config: ServerConfig,
  surroundings: Surroundings,
): Promise<ConfiguredAuthentication | undefined> {
  const { auth } = config;
  if (auth === "none") return undefined;
  const modes = (Object.keys(OPENERS) as AuthMode[]).filter((mode) => auth.includes(mode));
  const verifiers = await Promise.all(modes.map((mode) => OPENERS[mode](config, surroundings)));
  return { verifiers, tokensInQuery: config.tokensInQuery };
}

/** Reads again what can change in files. */
export async function refreshAuthentication({ verifiers }: ConfiguredAuthentication): Promise<void> {
  await Promise.all(verifiers.map(async (verifier) => verifier.refresh?.()));
}

function openServiceAccounts(config: ServerConfig, { clock, log }: Surroundings): Promise<OpenVerifier> {
  const { serviceAccounts = "", publicUrl = "", clockToleranceMs } = config;
  return new ServiceAccounts({
    path: serviceAccounts,
    audience: publicUrl,
    clockToleranceMs,
    clock,
    log,
  }).open();
}

async function openGoogle(config: ServerConfig, { clock }: Surroundings): Promise<OpenVerifier> {
  return googleVerifier(config, new RemoteKeySet(GOOGLE_KEYS_URL, clock), clock);
}

/** Google's ID tokens: of anybody with an account there, so that it is the `acl` that counts. They have no scopes and no roles. */
export function googleVerifier(
  { googleAudience, publicUrl = "", clockToleranceMs, admins = [] }: GoogleConfig,
  keys: KeySet,
  clock: Clock,
): JwtVerifier {
  const audiences = googleAudience ?? [publicUrl, `${publicUrl}/`];
  return new JwtVerifier({
    name: "Google's ID tokens",
    rules: { issuers: GOOGLE_ISSUERS, audiences, algorithms: GOOGLE_ALGORITHMS, clockToleranceMs },
    keys,
    clock,
    // What is not said to be verified is not.
    principalOf: ({ email, email_verified = false }) =>
      principalOf({ email, email_verified }, { names: NAMES, scopes: [FULL_SCOPE], admins }),
  });
}

/** What of the configuration concerns Google's ID tokens. */
type GoogleConfig = Pick<ServerConfig, "googleAudience" | "publicUrl" | "clockToleranceMs" | "admins">;

/** As Google calls them; others than are handed to it say nothing. */
const NAMES: ClaimRules["names"] = { email: "email", scope: "scope", role: "role", projects: "projects" };

async function openJwt(config: ServerConfig, { clock, log }: Surroundings): Promise<OpenVerifier> {
  const { jwtIssuer = "", jwtAudience = [], jwtAlgorithms, clockToleranceMs, jwtJwksFile } = config;
  const keys =
    jwtJwksFile === undefined
      ? new RemoteKeySet(config.jwtJwksUrl ?? "", clock)
      : await new FileKeySet(jwtJwksFile, "--jwt-jwks-file (PULLQUEUE_JWT_JWKS_FILE)", ({ message }) =>
          log.error({ reason: message }, "the keys from before go on to count"),
        ).open();
  return new JwtVerifier({
    name: `JWTs of ${jwtIssuer}`,
    rules: { issuers: [jwtIssuer], audiences: jwtAudience, algorithms: jwtAlgorithms, clockToleranceMs },
    keys,
    clock,
    principalOf: claimsReader(config, config.jwtScopes ?? []),
  });
}

async function openTokeninfo(config: ServerConfig, { clock }: Surroundings): Promise<OpenVerifier> {
  const { tokeninfoUrl: url, tokeninfoAudience: audiences = [], admins = [], auth } = config;
  const alone = !auth.includes("introspection");
  return new OnlineTokens({
    name: "Google's access tokens",
    // By their prefix only where somebody else would take the others.
    accepts: ({ kind }) => kind === "google" || (kind === "opaque" && alone),
    ask: tokeninfo({
      url,
      audiences,
      clock,
      principalOf: ({ email, scope }) => principalOf({ email, scope }, { names: NAMES, scopes: [], admins }),
    }),
    clock,
  });
}

async function openIntrospection(config: ServerConfig, { clock }: Surroundings): Promise<OpenVerifier> {
  const { introspectionUrl: url = "", introspectionAudience: audiences = [] } = config;
  const client = await readIntrospectionClient(config);
  return new OnlineTokens({
    name: "tokens that the authorization server knows",
    // An authorization server may give out JWTs, too.
    accepts: ({ kind }) => kind !== "own",
    ask: introspection({ url, client, audiences, clock, principalOf: claimsReader(config, []) }),
    clock,
  });
}

function claimsReader(
  config: ServerConfig,
  scopes: readonly string[],
): (claims: Claims) => ReturnType<typeof principalOf> {
  const { emailClaim: email, scopeClaim: scope, roleClaim: role, projectsClaim: projects } = config;
  const rules: ClaimRules = { names: { email, scope, role, projects }, scopes, admins: config.admins ?? [] };
  return (claims) => principalOf(claims, rules);
}
