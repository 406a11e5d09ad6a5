import { signOut } from "@pullqueue/auth";
import type { Command } from "commander";
import {
  type AddCommand,
  examples,
  type GlobalOptions,
  type Invocation,
  withOptionsOf,
} from "../../command.js";
import { neededFile, orNothing } from "../../credentials-file.js";
import { EXIT, type ExitCode } from "../../exit-codes.js";
import { printable } from "../../table.js";

interface LogoutOptions extends GlobalOptions {
  readonly local?: boolean;
}

/** Adds `auth logout`: the end of a sign-in. */
export const addLogout: AddCommand = (auth, run) => {
  withOptionsOf(auth.command("logout"), "credentials", "json")
    .description("revoke credentials, and delete their file")
    .argument("[credentials]", "the file (default: --credentials, else PULLQUEUE_CREDENTIALS)")
    .option("--local", "delete the file without revoking")
    .addHelpText(
      "after",
      `
When the authorization server cannot be reached, nothing is deleted: what is not revoked is still good, also in copies of the file.
Where there is nothing to revoke by, as with a provider that has no such address, the file is deleted and that is said.
${examples(
  ["pullqueue auth logout credentials.json", "revokes, then deletes"],
  ["pullqueue auth logout credentials.json --local", "deletes; the sign-in goes on to be good"],
)}`,
    )
    .action((credentials: string | undefined, _options: unknown, command: Command) =>
      run(command, (invocation) => logout(credentials, command.optsWithGlobals(), invocation)),
    );
};

function logout(
  given: string | undefined,
  options: LogoutOptions,
  { output, env, signal }: Invocation,
): Promise<ExitCode> {
  const { path } = neededFile("logout", given, options, env);
  return orNothing(output, async () => {
    const { revoked } = await signOut({ credentialsFile: path, signal, revoke: options.local !== true });
    if (output.json) await output.value({ credentials: path, revoked, deleted: true });
    else await output.line(revoked ? `revoked and deleted ${printable(path)}` : `deleted ${printable(path)}`);
    return EXIT.done;
  });
}
