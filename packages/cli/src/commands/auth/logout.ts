import { signOut } from "@pullqueue/auth";
import type { Command } from "commander";
import { parseGiven } from "../../argument-parsers.js";
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
  readonly force?: boolean;
}

/** Adds `auth logout`: the end of a sign-in. */
export const addLogout: AddCommand = (auth, run) => {
  withOptionsOf(auth.command("logout"), "credentials", "json")
    .description("revoke credentials, and delete their file")
    .argument("[credentials]", "the file (default: --credentials, else PULLQUEUE_CREDENTIALS)", parseGiven)
    .option("--force", "delete the file even when it cannot be revoked")
    .addHelpText(
      "after",
      `
While the authorization server cannot be reached, the file stays: it is all that the sign-in can be revoked by, and what is not revoked is
still good, also in copies. Where that server has no way to revoke, the file is deleted, and that is said.
${examples(
  ["pullqueue auth logout credentials.json", "revokes, then deletes"],
  ["pullqueue auth logout credentials.json --force", "deletes, whatever the server says"],
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
    const { revoked } = await signOut({ credentialsFile: path, signal, force: options.force === true });
    if (output.json) await output.value({ credentials: path, revoked, deleted: true });
    else await output.line(`${revoked ? "revoked and deleted" : "deleted"} ${printable(path)}`);
    if (!revoked)
      output.warn("not_revoked", "the sign-in was not revoked: copies of the file are still good");
    return EXIT.done;
  });
}
