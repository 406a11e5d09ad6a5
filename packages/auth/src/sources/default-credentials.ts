import { access } from "node:fs/promises";
import { join } from "node:path";
import { AuthError } from "../errors.js";
import type { CredentialsSummary } from "../summary.js";
import type { AccessToken, Demand } from "./access-token.js";
import { FileSource, type FoundFile } from "./file-source.js";
import { findMetadataServer } from "./metadata-source.js";
import type { Source } from "./source.js";
import type { SourceOptions } from "./source-options.js";

const GCLOUD_MEND = "gcloud auth application-default login";

/**
 * Application default credentials, looked for at the first use, in the order of Google's libraries: the file that
 * GOOGLE_APPLICATION_CREDENTIALS names, gcloud's file, the metadata server. The first that is there counts, even if it cannot be used:
 * a mistyped path must not lead to somebody else's credentials.
 */
export class DefaultCredentials implements Source {
  readonly #options: SourceOptions;
  #found: Source | undefined;

  constructor(options: SourceOptions) {
    this.#options = options;
  }

  async renew(demand: Demand): Promise<AccessToken> {
    return (await this.#find()).renew(demand);
  }

  async describe(signal: AbortSignal): Promise<CredentialsSummary> {
    return (await this.#find()).describe(signal);
  }

  async #find(): Promise<Source> {
    if (this.#found !== undefined) return this.#found;
    const { env } = this.#options;
    const gcloud = gcloudFile(env);
    const file =
      namedFile(env) ?? (gcloud !== undefined && (await isThere(gcloud.path)) ? gcloud : undefined);
    this.#found =
      file === undefined ? await this.#metadata(gcloud?.path) : new FileSource(file, this.#options);
    return this.#found;
  }

  async #metadata(gcloudPath: string | undefined): Promise<Source> {
    const source = await findMetadataServer(this.#options);
    if (source !== undefined) return source;
    const looked = [
      "GOOGLE_APPLICATION_CREDENTIALS is not set",
      gcloudPath === undefined ? "gcloud has no folder here" : `there is no ${JSON.stringify(gcloudPath)}`,
      "no metadata server of Google answers",
    ].join(", ");
    throw new AuthError(
      "not_found",
      `no credentials were given, and there are no application default credentials: ${looked}. ` +
        "Name a file, or make one with pullqueue auth login",
    );
  }
}

/** Node's library takes the name in small letters as well. */
function namedFile(env: SourceOptions["env"]): FoundFile | undefined {
  for (const name of ["GOOGLE_APPLICATION_CREDENTIALS", "google_application_credentials"]) {
    const path = env[name];
    if (path !== undefined && path !== "") return { path, namedBy: name };
  }
  return undefined;
}

/** Where gcloud puts it: CLOUDSDK_CONFIG counts as in gcloud itself and in Python's library. */
function gcloudFile(env: SourceOptions["env"]): FoundFile | undefined {
  const { CLOUDSDK_CONFIG: folder, APPDATA: appData, HOME: home } = env;
  const known = folder || (appData && join(appData, "gcloud")) || (home && join(home, ".config", "gcloud"));
  if (known === undefined || known === "") return undefined;
  return {
    path: join(known, "application_default_credentials.json"),
    namedBy: "application default credentials",
    mend: GCLOUD_MEND,
  };
}

async function isThere(path: string): Promise<boolean> {
  try {
    await access(path);
    return true;
  } catch (error) {
    // One that may not be looked at is there as well: reading it says so.
    return !(error instanceof Error && "code" in error && /^(?:ENOENT|ENOTDIR)$/.test(String(error.code)));
  }
}
