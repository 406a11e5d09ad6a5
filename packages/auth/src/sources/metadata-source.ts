import { withinTime } from "../abortable.js";
import { AuthError } from "../errors.js";
import { METADATA_TIMEOUT_MS } from "../limits.js";
import type { CredentialsSummary } from "../summary.js";
import type { AccessToken, Demand } from "./access-token.js";
import { type GoogleLibrary, loadGoogleLibrary } from "./google-library.js";
import { ALWAYS_RENEW_MS, GoogleSource } from "./google-source.js";
import type { Source } from "./source.js";
import type { SourceOptions } from "./source-options.js";

const NAME = "the metadata server of Google's machines";

/** Whether this is such a machine; without `METADATA_SERVER_DETECTION` that takes three seconds at most. Rejects with `not_supported`. */
export async function findMetadataServer(options: SourceOptions): Promise<MetadataSource | undefined> {
  const library = await loadGoogleLibrary(`a look for ${NAME}, because no credentials file was found,`);
  return (await isThere(library.gcpMetadata)) ? new MetadataSource(library, options) : undefined;
}

/**
 * The library's own `isAvailable()` does as its variable says. Where that says nothing, it warns of an unexpected error on every machine that
 * is none of Google's, and its answer holds for ever; so its question is asked here without it.
 */
async function isThere({ isAvailable, bulk }: GoogleLibrary["gcpMetadata"]): Promise<boolean> {
  const { METADATA_SERVER_DETECTION: way = "", GCE_METADATA_HOST, GCE_METADATA_IP } = process.env;
  if (!/^(?:ping-only)?$/i.test(way.trim())) {
    return isAvailable().catch((cause: unknown) => {
      throw new AuthError("invalid_argument", cause instanceof Error ? cause.message : String(cause), {
        cause,
      });
    });
  }
  // Of a server with another address there is no second name to try. It takes 0 for "not said", which would be 3.
  const question = { metadataKey: "instance", fastFail: !(GCE_METADATA_HOST || GCE_METADATA_IP) };
  return bulk([{ ...question, noResponseRetries: -1 }]).then(
    () => true,
    () => false,
  );
}

/** Tokens of the account that one of Google's machines, containers or functions runs as. */
export class MetadataSource implements Source {
  readonly #library: GoogleLibrary;
  readonly #options: SourceOptions;
  readonly #source: GoogleSource;

  constructor(library: GoogleLibrary, options: SourceOptions) {
    this.#library = library;
    this.#options = options;
    const { clock, audience, onWarning, scopes } = options;
    const makeClient = async () => {
      // On plain machines the scopes are a matter of the machine's settings, so nothing is asked for that nobody named.
      const client = new library.Compute({
        scopes: [...(scopes ?? [])],
        eagerRefreshThresholdMillis: ALWAYS_RENEW_MS,
      });
      return {
        // It puts another object there with each token.
        get credentials() {
          return client.credentials;
        },
        getAccessToken: () => client.getAccessToken(),
        // It puts the audience into the query as it is.
        fetchIdToken: (forWhom: string) => client.fetchIdToken(encodeURIComponent(forWhom)),
      };
    };
    this.#source = new GoogleSource({ makeClient, clock, audience, name: NAME, onWarning });
  }

  renew(demand: Demand): Promise<AccessToken> {
    return this.#source.renew(demand);
  }

  async describe(signal: AbortSignal): Promise<CredentialsSummary> {
    const { clock, scopes, audience } = this.#options;
    const late = () => new AuthError("timeout", `${NAME} did not say whose account this is`);
    const account = await withinTime({ clock, timeoutMs: METADATA_TIMEOUT_MS, late, signal }, () =>
      this.#library.gcpMetadata.instance("service-accounts/default/email"),
    ).catch(() => undefined);
    signal.throwIfAborted();
    return {
      kind: "metadata_server",
      account: typeof account === "string" ? account : undefined,
      scopes,
      expiresAtMs: undefined,
      source: NAME,
      refreshable: true,
      issuer: undefined,
      audience,
    };
  }
}
