import type { Clock } from "../clock.js";
import { ISSUER_DEPTH_MAX } from "../limits.js";
import { isConfidential } from "../loopback.js";
import { IDENTITY_SCOPES } from "../scopes.js";
import { askInTime, optionalJson } from "./optional-json.js";

/** What a provider says of itself (OpenID Connect Discovery 1.0), as far as a sign-in is better with it than without. */
export interface ProviderDescription {
  readonly scopes: readonly string[];
  readonly revocationEndpoint: string | undefined;
  readonly userinfoEndpoint: string | undefined;
  /** Whether it says that it binds a code to the sign-in it was asked for by (PKCE). */
  readonly bindsCodes: boolean;
}

/** Of a provider that says nothing, or not in time. */
const SILENT: ProviderDescription = Object.freeze({
  scopes: [],
  revocationEndpoint: undefined,
  userinfoEndpoint: undefined,
  bindsCodes: false,
});

/** How a refresh token is asked for where OpenID Connect's way is known (Core 1.0, section 11). */
const OFFLINE_SCOPE = "offline_access";

/**
 * The description of the provider whose authorization endpoint this is. A secrets file does not name the issuer, so it is looked for at the
 * folders of the address, the nearest first: one host may have many issuers. Only a description that names itself, or the address, counts.
 * Rejects with the signal's reason alone.
 */
export async function describeProvider(
  authUri: string,
  limits: { readonly clock: Clock; readonly signal: AbortSignal | undefined },
): Promise<ProviderDescription> {
  const description = await askInTime(limits, async (signal) => {
    for (const issuer of possibleIssuers(authUri)) {
      const fields = await optionalJson(`${issuer}/.well-known/openid-configuration`, signal);
      if (fields !== undefined && describes(fields, issuer, authUri)) return descriptionOf(fields);
    }
    return undefined;
  });
  return description ?? SILENT;
}

/** What is asked for: the scopes that are wanted, and those beside them that this provider offers. */
export function scopesToRequest(wanted: readonly string[], { scopes }: ProviderDescription): string[] {
  const offered = [...IDENTITY_SCOPES, OFFLINE_SCOPE].filter((scope) => scopes.includes(scope));
  return [...new Set([...offered, ...wanted])];
}

function possibleIssuers(authUri: string): string[] {
  const { origin, pathname } = new URL(authUri);
  const folders = pathname
    .split("/")
    .slice(1, -1)
    .filter((folder) => folder !== "");
  const paths = folders.map((_, index) => `/${folders.slice(0, folders.length - index).join("/")}`);
  return [...paths.slice(-ISSUER_DEPTH_MAX), ""].map((path) => origin + path);
}

function describes(fields: Readonly<Record<string, unknown>>, issuer: string, authUri: string): boolean {
  const named = typeof fields.issuer === "string" ? fields.issuer.replace(/\/$/, "") : undefined;
  return named === issuer || fields.authorization_endpoint === authUri;
}

function descriptionOf(fields: Readonly<Record<string, unknown>>): ProviderDescription {
  const methods = fields.code_challenge_methods_supported;
  return {
    scopes: strings(fields.scopes_supported),
    revocationEndpoint: endpoint(fields.revocation_endpoint),
    userinfoEndpoint: endpoint(fields.userinfo_endpoint),
    bindsCodes: strings(methods).includes("S256"),
  };
}

function strings(value: unknown): string[] {
  return Array.isArray(value) ? value.filter((item) => typeof item === "string") : [];
}

/** Tokens are sent there, so it is used only where they may travel. */
function endpoint(value: unknown): string | undefined {
  if (typeof value !== "string" || !URL.canParse(value)) return undefined;
  return isConfidential(new URL(value)) ? value : undefined;
}
