import { AuthError } from "../errors.js";
import type { JsonFields } from "../stored-credentials.js";

/** google-auth-library as far as it is used here. It is loaded when it is needed, so that nobody installs it who has other credentials. */
export interface GoogleLibrary {
  readonly GoogleAuth: new (options: {
    readonly scopes: string[];
  }) => {
    fromJSON(fields: JsonFields, options?: object): GoogleFileClient;
  };
  readonly OAuth2Client: new (options?: object) => RefreshableClient;
  readonly Impersonated: new (options: ImpersonatedOptions) => IdTokenClient;
  readonly Compute: new (options: object) => IdTokenClient;
  readonly gcpMetadata: {
    isAvailable(): Promise<boolean>;
    bulk(
      questions: readonly {
        readonly metadataKey: string;
        readonly fastFail: boolean;
        readonly noResponseRetries: number;
      }[],
    ): Promise<unknown>;
    instance(property: string): Promise<unknown>;
  };
}

/** One of its clients. */
export interface GoogleClient {
  getAccessToken(): Promise<{
    readonly token?: string | null;
    readonly res?: { readonly data?: unknown } | null;
  }>;
  readonly credentials: { readonly expiry_date?: number | null };
}

/** One that was made of a file. What sends its requests is only handed on; that of external accounts has another for token exchanges. */
interface GoogleFileClient extends GoogleClient {
  readonly transporter?: unknown;
  readonly stsCredential?: { transporter?: unknown };
}

/** One that can have ID tokens made. */
export interface IdTokenClient extends GoogleClient {
  fetchIdToken(audience: string): Promise<string>;
}

/** One that asks us for its tokens. */
interface RefreshableClient extends GoogleClient {
  refreshHandler?: () => Promise<{ readonly access_token: string; readonly expiry_date: number }>;
}

/** What its client for impersonation takes. */
interface ImpersonatedOptions {
  readonly sourceClient: GoogleClient;
  readonly targetPrincipal: string;
  readonly delegates: string[];
  readonly targetScopes: string[];
  readonly endpoint: string;
  readonly eagerRefreshThresholdMillis: number;
}

/** Loads it. Rejects with `not_supported` where it is not installed; `need` says which credentials need it. */
export async function loadGoogleLibrary(need: string): Promise<GoogleLibrary> {
  try {
    // Its classes have more and narrower types than we use of them.
    return (await import("google-auth-library")) as unknown as GoogleLibrary;
  } catch (cause) {
    const why = cause instanceof Error && "code" in cause ? ` (${String(cause.code)})` : "";
    throw new AuthError(
      "not_supported",
      `${need} needs the package google-auth-library, which cannot be loaded${why}: npm install google-auth-library`,
      { cause },
    );
  }
}
