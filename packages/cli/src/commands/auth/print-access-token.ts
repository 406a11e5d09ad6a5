import type { Command } from "commander";
import { parseGiven } from "../../argument-parsers.js";
import {
  type AddCommand,
  examples,
  type GlobalOptions,
  type Invocation,
  withOptionsOf,
} from "../../command.js";
import { accessTokenOf, choiceWithFile, orNothing } from "../../credentials-file.js";
import { EXIT, type ExitCode } from "../../exit-codes.js";

/** Adds `auth print-access-token`: what another program may send. */
export const addPrintAccessToken: AddCommand = (auth, run) => {
  withOptionsOf(auth.command("print-access-token"), "credentials", "tokenFile", "audience", "json")
    .description("print an access token that is good now, and nothing else")
    .argument("[credentials]", "the file (default: what any other command would send)", parseGiven)
    .addHelpText(
      "after",
      `
Renews the token if it must. Whoever has the token can do what you can, until it ends.
${examples(
  ['curl -H "Authorization: Bearer $(pullqueue auth print-access-token)" …', "for curl"],
  ["pullqueue auth print-access-token key.json --audience https://queues.example.com", "for one server"],
)}`,
    )
    .action((credentials: string | undefined, _options: unknown, command: Command) =>
      run(command, (invocation) => printAccessToken(credentials, command.optsWithGlobals(), invocation)),
    );
};

function printAccessToken(
  credentials: string | undefined,
  options: GlobalOptions,
  invocation: Invocation,
): Promise<ExitCode> {
  const { output, env } = invocation;
  const choice = choiceWithFile(credentials, options, env);
  return orNothing(output, async () => {
    const accessToken = await accessTokenOf(choice, invocation);
    if (output.json) await output.value({ accessToken });
    else await output.line(accessToken);
    return EXIT.done;
  });
}
