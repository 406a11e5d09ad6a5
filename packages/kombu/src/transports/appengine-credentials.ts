import type { Credentials, CredentialsOptions } from "@pullqueue/auth";
import { isLoopback, type TokenQuery, type TokenSource } from "@pullqueue/core";
import { KombuError } from "../errors.js";
import type { AccessTokenFunction } from "../options.js";

/** Where access tokens come from: the program itself, a credentials file, or what this machine has for its programs. */

/** What is known of the credentials to send to a server. */
export interface CredentialsChoice extends Omit<CredentialsOptions, "clock"> {
  /** The server's address. */
  readonly endpoint: string;
}

/** A token source with files and timers; whoever made it closes it. */
export interface OpenTokenSource extends TokenSource {
  /** Idempotent. */
  close(): Promise<void>;
}

/** A source of the given token, or of whatever the function gives. */
export function tokenSourceOf(accessToken: string | AccessTokenFunction): TokenSource {
  return {
    async getAccessToken(request) {
      const token = typeof accessToken === "string" ? accessToken : await accessToken(request);
      if (typeof token === "string" && token !== "") return token;
      throw new KombuError(
        "unauthenticated",
        "the accessToken function gave no token; it must give a string",
      );
    },
  };
}

/**
 * A source of the file's tokens. Without a file, application default credentials: at once when an `audience` says for whom, otherwise
 * when a server on another machine demands a token over https, so that a server of this machine never gets Google's tokens, and nobody
 * waits for a search whose result is not needed. Undefined when no token can be wanted. Nothing is loaded or read before the first use.
 */
export function credentialsSource({ endpoint, ...options }: CredentialsChoice): OpenTokenSource | undefined {
  if (options.credentialsFile !== undefined || options.audience !== undefined) {
    return new CredentialsSource(options);
  }
  if (!URL.canParse(endpoint)) return undefined; // The store says what is wrong with it.
  const { protocol, hostname } = new URL(endpoint);
  if (protocol !== "https:" || isLoopback(hostname)) return undefined;
  return new DemandedSource(new CredentialsSource(options));
}

/** Credentials of `@pullqueue/auth`, loaded at first use. */
class CredentialsSource implements OpenTokenSource {
  readonly #options: CredentialsOptions;
  #opened: Promise<Credentials> | undefined;
  #isClosed = false;

  constructor(options: CredentialsOptions) {
    this.#options = options;
  }

  async getAccessToken({ demanded: _, ...query }: TokenQuery): Promise<string> {
    this.#opened ??= this.#open();
    return (await this.#opened).getAccessToken(query);
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    const credentials = await this.#opened?.catch(() => undefined); // Never opened: nothing to close.
    await credentials?.close();
  }

  async #open(): Promise<Credentials> {
    const { openCredentials } = await import("@pullqueue/auth");
    const credentials = openCredentials(this.#options);
    if (this.#isClosed) await credentials.close();
    return credentials;
  }
}

/** Gives nothing until a server has demanded a token, and from then on what `source` has. */
class DemandedSource implements OpenTokenSource {
  readonly #source: CredentialsSource;
  #isWanted = false;

  constructor(source: CredentialsSource) {
    this.#source = source;
  }

  async getAccessToken(query: TokenQuery): Promise<string | undefined> {
    if (!this.#isWanted && query.demanded !== true) return undefined;
    this.#isWanted = true;
    try {
      return await this.#source.getAccessToken(query);
    } catch (error) {
      const { AuthError, isAuthError } = await import("@pullqueue/auth");
      if (!isAuthError(error)) throw error;
      // Nobody asked for credentials by name, so that it must be said why they were looked for.
      throw new AuthError(error.code, `the server demands a token; ${error.message}`, { cause: error });
    }
  }

  close(): Promise<void> {
    return this.#source.close();
  }
}
