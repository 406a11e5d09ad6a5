import { abortable } from "../abortable.js";
import { systemClock } from "../clock.js";
import { AuthError } from "../errors.js";
import { isScopeList } from "../scopes.js";
import type { CredentialsSummary } from "../summary.js";
import type { Credentials, CredentialsOptions } from "./credentials.js";
import { DefaultCredentials } from "./default-credentials.js";
import { FileSource } from "./file-source.js";
import type { Source } from "./source.js";
import type { SourceOptions } from "./source-options.js";
import { TokenCache } from "./token-cache.js";

/**
 * Opens credentials. Nothing is read before the first call, and one opened object serves any number of callers. Throws `invalid_argument` for
 * options that cannot be; everything else the calls reject with.
 */
export function openCredentials(options: CredentialsOptions = {}): Credentials {
  const { credentialsFile } = options;
  const checked = checkedOptions(options);
  return new OpenCredentials(
    credentialsFile === undefined
      ? new DefaultCredentials(checked)
      : new FileSource({ path: credentialsFile }, checked),
    checked,
  );
}

class OpenCredentials implements Credentials {
  readonly #source: Source;
  readonly #cache: TokenCache;

  constructor(source: Source, { clock }: SourceOptions) {
    this.#source = source;
    this.#cache = new TokenCache(source, clock);
  }

  getAccessToken({
    signal,
    rejected,
  }: {
    readonly signal?: AbortSignal | undefined;
    readonly rejected?: string | undefined;
  } = {}): Promise<string> {
    return this.#cache.get(signal, rejected);
  }

  async refresh({ signal }: { readonly signal?: AbortSignal | undefined } = {}): Promise<CredentialsSummary> {
    await this.#cache.refresh(signal);
    return this.describe(signal === undefined ? {} : { signal });
  }

  async describe({
    signal,
  }: {
    readonly signal?: AbortSignal | undefined;
  } = {}): Promise<CredentialsSummary> {
    const { closing } = this.#cache;
    closing.throwIfAborted();
    const summary = await abortable(abortable(this.#source.describe(closing), closing), signal);
    const { current } = this.#cache;
    return current === undefined ? summary : { ...summary, expiresAtMs: current.expiresAtMs };
  }

  close(): Promise<void> {
    return this.#cache.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}

function checkedOptions(options: CredentialsOptions): SourceOptions {
  const { credentialsFile, audience, scopes, clock = systemClock, env = process.env } = options;
  checkText("credentialsFile", credentialsFile);
  checkText("audience", audience);
  if (scopes !== undefined && !isScopeList(scopes)) {
    throw new AuthError(
      "invalid_argument",
      "scopes must be a list with at least one scope, each without spaces",
    );
  }
  return {
    clock,
    scopes: scopes === undefined ? undefined : [...scopes],
    audience,
    env,
    onWarning: options.onWarning ?? ((message) => process.emitWarning(message, "PullqueueAuthWarning")),
  };
}

function checkText(name: string, value: unknown): void {
  if (value === undefined || (typeof value === "string" && value.trim() !== "")) return;
  const got = value === null ? "null" : typeof value;
  throw new AuthError(
    "invalid_argument",
    `${name} must be a text, got ${got === "string" ? "an empty one" : got}`,
  );
}
