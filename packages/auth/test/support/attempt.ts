import { existsSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { inspect } from "node:util";
import { temporaryFolder } from "@pullqueue/testing";
import { type OAuthClientName, type OAuthProvider, signInByHttp } from "@pullqueue/testing/oauth-provider";
import { AuthError } from "../../src/errors.js";
import { type SignInOptions, signIn } from "../../src/sign-in/sign-in.js";
import type { CredentialsSummary } from "../../src/summary.js";

/** What a browser showed in the end. */
export interface ShownPage {
  readonly status: number;
  readonly text: string;
}

/** A sign-in in a folder of its own. */
export class Attempt implements Disposable {
  readonly #folder = temporaryFolder();
  readonly provider: OAuthProvider;
  readonly clientSecretsFile: string;
  readonly credentialsFile = this.#folder.file("credentials.json");
  address = "";
  port = 0;

  constructor(provider: OAuthProvider, client: OAuthClientName = "desktop") {
    this.provider = provider;
    this.clientSecretsFile = provider.writeClientSecrets(this.file("client_secrets.json"), client);
  }

  file(name: string): string {
    return this.#folder.file(name);
  }

  /** Changes fields of the client secrets. */
  setSecrets(fields: Readonly<Record<string, unknown>>): void {
    const { installed } = JSON.parse(readFileSync(this.clientSecretsFile, "utf8"));
    writeFileSync(this.clientSecretsFile, JSON.stringify({ installed: { ...installed, ...fields } }));
  }

  signIn(options: Partial<SignInOptions> = {}): Promise<CredentialsSummary> {
    return signIn({
      clientSecretsFile: this.clientSecretsFile,
      credentialsFile: this.credentialsFile,
      browser: options.openBrowser !== undefined,
      onAddress: (address, { port }) => Object.assign(this, { address, port }),
      ...options,
    });
  }

  /** Signs in with somebody at the browser, and returns what it showed at the end beside. */
  async withBrowser(
    browse: (address: string) => Promise<ShownPage> = open,
    options: Partial<SignInOptions> = {},
  ): Promise<{ readonly summary: CredentialsSummary; readonly page: ShownPage }> {
    const shown: Promise<ShownPage>[] = [];
    const summary = await this.signIn({
      ...options,
      openBrowser: (address) => void shown.push(browse(address)),
    });
    return { summary, page: await shown[0]! };
  }

  /** The same for a sign-in that fails. Nothing was written, and what is shown has no secret. */
  async refusal(
    browse: (address: string) => Promise<ShownPage> = open,
    options: Partial<SignInOptions> = {},
  ): Promise<{ readonly error: AuthError; readonly page: ShownPage }> {
    const before = this.written();
    const shown: Promise<ShownPage>[] = [];
    const error: unknown = await this.signIn({
      ...options,
      openBrowser: (address) => void shown.push(browse(address)),
    }).then(
      () => undefined,
      (failure) => failure,
    );
    if (!(error instanceof AuthError)) throw new Error(`no AuthError but ${inspect(error)}`);
    if (this.written() !== before) throw new Error("something was written");
    const page = await shown[0]!;
    this.#assertSecretless(inspect(error, { depth: 9 }) + page.text);
    return { error, page };
  }

  /** The credentials file as it is; undefined where there is none. */
  written(): string | undefined {
    return existsSync(this.credentialsFile) ? readFileSync(this.credentialsFile, "utf8") : undefined;
  }

  mode(): number {
    return statSync(this.credentialsFile).mode & 0o777;
  }

  [Symbol.dispose](): void {
    this.#folder[Symbol.dispose]();
  }

  #assertSecretless(text: string): void {
    const { searchParams } = new URL(this.address);
    const secrets = [this.provider.secretOf("desktop"), searchParams.get("state")];
    for (const secret of secrets) {
      if (secret && text.includes(secret)) throw new Error(`a secret is shown: ${text}`);
    }
  }
}

/** Opens the address as a person does who signs in and allows it, and returns the last page. */
export async function open(address: string): Promise<ShownPage> {
  return await load(await signInByHttp(address));
}

/** A page as it is. */
export async function load(address: URL | string): Promise<ShownPage> {
  const response = await fetch(address);
  return { status: response.status, text: await response.text() };
}

/** An address with another value of a parameter. */
export function altered(address: URL, name: string, value: string): URL {
  const other = new URL(address);
  other.searchParams.set(name, value);
  return other;
}
