import { AuthError, isAuthError } from "../errors.js";
import { readCredentials } from "../files/credentials-file.js";
import { TASKQUEUE_SCOPE } from "../scopes.js";
import type { StoredCredentials, UserCredentials } from "../stored-credentials.js";
import { type CredentialsSummary, summarize } from "../summary.js";
import type { AccessToken, Demand, TokenMaker } from "./access-token.js";
import { BareTokenSource } from "./bare-token-source.js";
import { googleClientMaker, IMPERSONATION_SCOPES } from "./google-clients.js";
import { GoogleSource } from "./google-source.js";
import { readIdToken } from "./id-token.js";
import { ServiceAccountSource } from "./service-account-source.js";
import type { Source } from "./source.js";
import type { SourceOptions } from "./source-options.js";
import { UserFile, UserInMemory } from "./user-file.js";
import { UserSource } from "./user-source.js";

/** A file of credentials, and how it came to be used. */
export interface FoundFile {
  readonly path: string;
  /** What named it, if that was no option: for the summary. */
  readonly namedBy?: string;
  /** The command that makes it anew. Default: that of this package. */
  readonly mend?: string;
}

/**
 * Tokens of whatever a file holds. It is read again for each renewal, so that a key that was exchanged, or a new sign-in, is used by programs
 * that run already.
 */
export class FileSource implements Source {
  readonly #file: FoundFile;
  readonly #options: SourceOptions;
  #made: { readonly what: string; readonly maker: TokenMaker } | undefined;

  constructor(file: FoundFile, options: SourceOptions) {
    this.#file = file;
    this.#options = options;
  }

  async renew(demand: Demand): Promise<AccessToken> {
    const stored = await this.#read();
    const what = identityOf(stored);
    if (this.#made?.what !== what) this.#made = { what, maker: this.#makerOf(stored) };
    return this.#made.maker.renew(demand);
  }

  async describe(): Promise<CredentialsSummary> {
    const { path, namedBy } = this.#file;
    const { scopes, audience } = this.#options;
    const stored = await this.#read();
    const summary = summarize(stored, namedBy === undefined ? path : `${path} (${namedBy})`);
    const isAskedFor = summary.kind !== "user" && summary.kind !== "access_token";
    return {
      ...summary,
      audience,
      ...(stored.kind === "user" && audience !== undefined ? aboutIdToken(stored) : {}),
      ...(isAskedFor && audience === undefined ? { scopes: scopes ?? [TASKQUEUE_SCOPE] } : {}),
    };
  }

  async #read(): Promise<StoredCredentials> {
    const { path, namedBy } = this.#file;
    try {
      return await readCredentials(path);
    } catch (error) {
      if (!isAuthError(error)) throw error;
      const advice = error.code === "not_found" ? `. ${this.#mend()}` : "";
      const origin = namedBy === undefined ? "" : `${namedBy}: `;
      if (advice === "" && origin === "") throw error;
      throw new AuthError(error.code, `${origin}${error.message}${advice}`, { cause: error });
    }
  }

  #makerOf(stored: StoredCredentials): TokenMaker {
    const { path } = this.#file;
    const { clock, onWarning, audience, scopes } = this.#options;
    const name = JSON.stringify(path);
    switch (stored.kind) {
      case "user": {
        const store = new UserFile({ path, clock, onWarning });
        return new UserSource({ store, clock, audience, name, mend: this.#mend() });
      }
      case "access_token":
        if (audience !== undefined) throw unfit(`an access token alone (${name})`, audience);
        return new BareTokenSource(stored, clock, name);
      case "service_account":
        return new ServiceAccountSource({
          key: stored,
          clock,
          scopes: scopes ?? [TASKQUEUE_SCOPE],
          audience: audience === undefined ? undefined : { url: audience, scopes },
          name,
        });
      default: {
        const innerMaker = (inner: StoredCredentials) => this.#innerMakerOf(inner);
        const makeClient = googleClientMaker(stored, { scopes, audience, name, path, innerMaker });
        return new GoogleSource({ makeClient, clock, audience, name, onWarning });
      }
    }
  }

  /** What lies within other credentials and has tokens of another account made. */
  #innerMakerOf(stored: StoredCredentials): TokenMaker | undefined {
    const { clock } = this.#options;
    const name = `the source_credentials of ${JSON.stringify(this.#file.path)}`;
    const audience = undefined;
    if (stored.kind === "user") {
      const store = new UserInMemory(stored);
      return new UserSource({ store, clock, audience, name, mend: this.#mend() });
    }
    if (stored.kind === "access_token") return new BareTokenSource(stored, clock, name);
    if (stored.kind !== "service_account") return undefined;
    return new ServiceAccountSource({ key: stored, clock, scopes: IMPERSONATION_SCOPES, audience, name });
  }

  #mend(): string {
    const { path, mend = `pullqueue auth login client_secrets.json ${shellWord(path)}` } = this.#file;
    return `To sign in: ${mend}`;
  }
}

/** What a maker depends on. That of a person's sign-in follows its file by itself. */
function identityOf(stored: StoredCredentials): string {
  return stored.kind === "user" ? "user" : JSON.stringify(stored);
}

/** What is given is the ID token then: it has an end of its own, and no scopes. */
function aboutIdToken({ idToken }: UserCredentials): Pick<CredentialsSummary, "expiresAtMs" | "scopes"> {
  return { expiresAtMs: readIdToken(idToken)?.expiresAtMs, scopes: undefined };
}

function unfit(what: string, audience: string): AuthError {
  return new AuthError(
    "not_supported",
    `audience is ${JSON.stringify(audience)}, and ${what} cannot be made for one: leave audience out, or use a service account`,
  );
}

/** A path as it is typed into a shell. */
function shellWord(path: string): string {
  return /^[\w./:@+,-]+$/.test(path) ? path : `'${path.replaceAll("'", `'\\''`)}'`;
}
