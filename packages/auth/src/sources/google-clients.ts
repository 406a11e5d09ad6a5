import { systemClock } from "../clock.js";
import { AuthError } from "../errors.js";
import { parseCredentials } from "../files/credentials-file.js";
import { TASKQUEUE_SCOPE } from "../scopes.js";
import type { GoogleCredentials, JsonFields, StoredCredentials } from "../stored-credentials.js";
import { principalIn } from "../summary.js";
import type { TokenMaker } from "./access-token.js";
import {
  type GoogleClient,
  type GoogleLibrary,
  type IdTokenClient,
  loadGoogleLibrary,
} from "./google-library.js";
import { ALWAYS_RENEW_MS, type ClientMaker } from "./google-source.js";
import { assertSafeAddresses } from "./google-urls.js";
import type { SourceOptions } from "./source-options.js";

/** What a token must be for whose holder has tokens of another account made. */
export const IMPERSONATION_SCOPES: readonly string[] = Object.freeze([
  "https://www.googleapis.com/auth/cloud-platform",
]);

/** Redirects are not followed, as with our own requests: they would carry secrets on. Goes before what a file may say of it. */
const TRANSPORT = { redirect: "error" };

/** Makes tokens of what lies within other credentials; undefined for what google-auth-library alone understands. */
type InnerMaker = (stored: StoredCredentials) => TokenMaker | undefined;

/** How clients of google-auth-library are made from a file. */
interface ClientOptions extends Pick<SourceOptions, "scopes" | "audience"> {
  /** The path in quotation marks. */
  readonly name: string;
  readonly path: string;
  readonly innerMaker: InnerMaker;
}

/**
 * Makes the client for a file. What the file says is looked at first: the library follows any address. Credentials within others are ours
 * where they can be, because the library asks Google's token endpoint whatever the file says.
 */
export function googleClientMaker(stored: GoogleCredentials, options: ClientOptions): ClientMaker {
  const { kind, fields } = stored;
  const { audience, name } = options;
  assertSafeAddresses(fields, name);
  const principal = principalIn(fields);
  if (audience !== undefined && principal === undefined) {
    throw new AuthError(
      "not_supported",
      `audience is ${JSON.stringify(audience)}, and ${name} (${kind}) impersonates no service account: ` +
        "only those have tokens for one audience",
    );
  }
  if (kind === "impersonated_service_account" && principal === undefined) {
    throw new AuthError(
      "invalid_file",
      `${name} has a service_account_impersonation_url that names no service account; expected one that ends with ` +
        "/serviceAccounts/ACCOUNT:generateAccessToken",
    );
  }
  return async (signal) => {
    const library = await loadGoogleLibrary(`${name} (${kind})`);
    if (kind === "impersonated_service_account") {
      const source = fields.source_credentials as JsonFields;
      return impersonated(library, fields, options, sourceClient(library, source, options, signal));
    }
    if (audience === undefined) return fromJson(library, fields, scopesOf(fields, options), ALWAYS_RENEW_MS);
    // For ID tokens the library has no way from an external account but the one over impersonation.
    const { service_account_impersonation_url: _, ...external } = fields;
    return impersonated(library, fields, options, fromJson(library, external, IMPERSONATION_SCOPES));
  };
}

function impersonated(
  { Impersonated }: GoogleLibrary,
  fields: JsonFields,
  options: ClientOptions,
  source: GoogleClient,
): IdTokenClient {
  return new Impersonated({
    sourceClient: source,
    targetPrincipal: principalIn(fields)!,
    delegates: textsOf(fields.delegates) ?? [],
    targetScopes: scopesOf(fields, options),
    // The library would ask Google's, whatever the file says.
    endpoint: new URL(String(fields.service_account_impersonation_url)).origin,
    eagerRefreshThresholdMillis: ALWAYS_RENEW_MS,
  });
}

function sourceClient(
  library: GoogleLibrary,
  fields: JsonFields,
  { path, innerMaker }: ClientOptions,
  signal: AbortSignal,
): GoogleClient {
  const maker = innerMaker(parseCredentials(fields, path));
  if (maker === undefined) return fromJson(library, fields, IMPERSONATION_SCOPES);
  const client = new library.OAuth2Client({ forceRefreshOnFailure: true, transporterOptions: TRANSPORT });
  client.refreshHandler = async () => {
    const { token, lifeMs = 0 } = await maker.renew({ adopt: "usable", rejected: undefined, signal });
    return { access_token: token, expiry_date: systemClock.nowUs() / 1000 + lifeMs };
  };
  return client;
}

function fromJson(
  { GoogleAuth }: GoogleLibrary,
  fields: JsonFields,
  scopes: readonly string[],
  eagerRefreshThresholdMillis?: number,
): GoogleClient {
  const options = {
    transporterOptions: TRANSPORT,
    ...(eagerRefreshThresholdMillis === undefined ? {} : { eagerRefreshThresholdMillis }),
  };
  const client = new GoogleAuth({ scopes: [...scopes] }).fromJSON(fields, options);
  // The exchange of tokens has a transport of its own, which takes no options.
  if (client.stsCredential !== undefined) client.stsCredential.transporter = client.transporter;
  return client;
}

function scopesOf(fields: JsonFields, { scopes }: ClientOptions): string[] {
  return [...(scopes ?? textsOf(fields.scopes) ?? [TASKQUEUE_SCOPE])];
}

function textsOf(value: unknown): string[] | undefined {
  return Array.isArray(value) ? value.filter((item) => typeof item === "string") : undefined;
}
