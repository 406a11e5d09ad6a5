import { stat } from "node:fs/promises";
import { type CredentialsOptions, isAuthError, openCredentials } from "@pullqueue/auth";
import { QueueError } from "@pullqueue/core";
import type { GlobalOptions, Invocation, Terminal } from "./command.js";
import { EXIT, type ExitCode } from "./exit-codes.js";
import type { Output } from "./output.js";
import { printable } from "./table.js";
import { type TokenChoice, type TokenPlace, tokenChoice } from "./token-place.js";
import { tokenFileSource } from "./token-source.js";

/** What the commands of `auth` share: whose credentials they are about. */

/** A file of credentials, and what named it. */
export type CredentialsPlace = TokenPlace & { readonly kind: "credentials" };

/** The file that an argument, or else option or environment, name. Error: `invalid_argument` for an argument beside the option. */
export function credentialsFile(
  given: string | undefined,
  { credentials }: GlobalOptions,
  env: Terminal["env"],
): CredentialsPlace | undefined {
  if (given !== undefined && credentials !== undefined) {
    throw new QueueError(
      "invalid_argument",
      "the file is named twice, by argument and --credentials; give one",
    );
  }
  const isOption = given === undefined && credentials !== undefined;
  const path = given ?? credentials ?? env.PULLQUEUE_CREDENTIALS ?? "";
  const name = isOption ? "--credentials" : given === undefined ? "PULLQUEUE_CREDENTIALS" : "the argument";
  return path === "" ? undefined : { kind: "credentials", name, path };
}

/** The same where nothing else will do. `what` is the command's name. */
export function neededFile(
  what: string,
  given: string | undefined,
  options: GlobalOptions,
  env: Terminal["env"],
): CredentialsPlace {
  const file = credentialsFile(given, options, env);
  if (file !== undefined) return file;
  throw new QueueError(
    "invalid_argument",
    `name the file of credentials: pullqueue auth ${what} <credentials>`,
  );
}

/** What a command would send if the argument, where there is one, were its `--credentials`. */
export function choiceWithFile(
  given: string | undefined,
  options: GlobalOptions,
  env: Terminal["env"],
): TokenChoice {
  const file = given === undefined ? undefined : credentialsFile(given, options, env);
  if (file === undefined) return tokenChoice(options, env);
  return { ...tokenChoice({ ...options, credentials: file.path }, env), place: file };
}

/** How the library opens what was chosen. */
export function credentialsOptions(
  { place, audience }: TokenChoice,
  { env, output }: Pick<Invocation, "env" | "output">,
): CredentialsOptions {
  return {
    env,
    onWarning: (message) => output.warn("credentials", message),
    ...(place?.kind === "credentials" ? { credentialsFile: place.path } : {}),
    ...(audience === undefined ? {} : { audience }),
  };
}

/** A token of whatever was chosen, good now. */
export async function accessTokenOf(choice: TokenChoice, invocation: Invocation): Promise<string> {
  const { place } = choice;
  const { signal } = invocation;
  if (place?.kind === "token") return place.token;
  if (place?.kind === "tokenFile") return tokenFileSource(place.path).getAccessToken({ signal });
  await using credentials = openCredentials(credentialsOptions(choice, invocation));
  return await credentials.getAccessToken({ signal });
}

/** Exits with `nothing` when there are no credentials. */
export async function orNothing(output: Output, work: () => Promise<ExitCode>): Promise<ExitCode> {
  try {
    return await work();
  } catch (error) {
    if (!isAuthError(error, "not_found")) throw error;
    output.error(error.code, error.message);
    return EXIT.nothing;
  }
}

/** Says so when others can read a file that is secret. Windows has no such modes. */
export async function warnOfReaders(path: string, output: Output): Promise<void> {
  if (process.platform === "win32") return;
  const { mode } = await stat(path);
  if ((mode & 0o077) === 0) return;
  const shown = printable(path);
  const digits = (mode & 0o777).toString(8).padStart(3, "0");
  output.warn("not_private", `others can read ${shown} (mode ${digits}): chmod 600 ${shown}`);
}
