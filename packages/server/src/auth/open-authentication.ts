import type { Clock } from "@pullqueue/core";
import type { ServerConfig } from "../config-options.js";
import type { Log } from "../log.js";
import type { AuthMode } from "./auth-options.js";
import type { Authentication, TokenVerifier } from "./authenticate.js";
import { StaticTokens } from "./static-tokens.js";

/** A way of authentication that was opened, and may have files that change. */
interface OpenVerifier extends TokenVerifier {
  /** Takes over what has changed in files; never rejects, and what cannot be read changes nothing. */
  refresh?(): Promise<void>;
}

/** What the configured ways of authentication need. */
interface Surroundings {
  readonly clock: Clock;
  readonly log: Log;
}

/** Authentication as configured. */
export interface ConfiguredAuthentication extends Authentication {
  readonly verifiers: readonly OpenVerifier[];
}

/** Opens what `--auth` names; undefined where nobody is asked. Rejects with `invalid_argument` for files that cannot be used. */
export async function openAuthentication(
  config: ServerConfig,
  surroundings: Surroundings,
): Promise<ConfiguredAuthentication | undefined> {
  if (config.auth === "none") return undefined;
  const verifiers = await Promise.all(config.auth.map((mode) => OPENERS[mode](config, surroundings)));
  return { verifiers, tokensInQuery: config.tokensInQuery };
}

/** Reads again what can change in files. */
export async function refreshAuthentication({ verifiers }: ConfiguredAuthentication): Promise<void> {
  await Promise.all(verifiers.map(async (verifier) => verifier.refresh?.()));
}

const OPENERS: Readonly<
  Record<AuthMode, (config: ServerConfig, surroundings: Surroundings) => Promise<OpenVerifier>>
> = {
  tokens: ({ tokensFile }, { clock, log }) => new StaticTokens(tokensFile, clock, log).open(),
};
