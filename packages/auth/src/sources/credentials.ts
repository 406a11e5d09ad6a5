import type { Clock } from "../clock.js";
import type { CredentialsSummary } from "../summary.js";

/** Which credentials are opened, and what for. */
export interface CredentialsOptions {
  /**
   * A file of any kind that Google's clients or this package wrote. Without one: application default credentials, that is the file named by
   * GOOGLE_APPLICATION_CREDENTIALS, gcloud's file, or the metadata server of Google's machines.
   */
  readonly credentialsFile?: string;
  /**
   * What a service account's token is for, and one of an external account. Default: Google's task-queue scope. A person's sign-in has the
   * scopes that were consented to, whatever is said here.
   */
  readonly scopes?: readonly string[];
  /** The address of the server that is to be called, for a token that is meant for it alone: an ID token or a self-signed JWT. */
  readonly audience?: string;
  /** Default: the system's. */
  readonly clock?: Clock;
  /** Where the files of application default credentials are looked for; google-auth-library reads its own variables. Default: `process.env`. */
  readonly env?: Readonly<Record<string, string | undefined>>;
  /** Told what an operator should know though the call went well. Default: `process.emitWarning`. */
  readonly onWarning?: (message: string) => void;
}

/**
 * Opened credentials. All calls reject with the signal's reason after an abort, and with an `AuthError` otherwise: `closed` after `close()`,
 * `not_found`, `not_permitted` and `invalid_file` of the file, `sign_in_needed` when nothing but a new sign-in helps, `refused` by the
 * authorization server, `not_supported`, and the passing `unavailable` and `timeout`.
 */
export interface Credentials extends AsyncDisposable {
  /**
   * A token that is good for at least a moment. One that nears its end is renewed in the background. `rejected` is one that a server has
   * refused: it is not given again where another can be had.
   */
  getAccessToken(options?: {
    readonly signal?: AbortSignal | undefined;
    readonly rejected?: string | undefined;
  }): Promise<string>;
  /** Renews the token now. */
  refresh(options?: { readonly signal?: AbortSignal | undefined }): Promise<CredentialsSummary>;
  /** What they are, without renewing anything. */
  describe(options?: { readonly signal?: AbortSignal | undefined }): Promise<CredentialsSummary>;
  /** Ends what waits; a renewal that has been asked for is awaited and saved, because the old refresh token may be void. Idempotent. */
  close(): Promise<void>;
}
