import { openCredentials } from "@pullqueue/auth";
import { systemClock } from "@pullqueue/core";
import type { Command } from "commander";
import { parseGiven } from "../../argument-parsers.js";
import {
  type AddCommand,
  examples,
  type GlobalOptions,
  type Invocation,
  withOptionsOf,
} from "../../command.js";
import { credentialsOptions, neededFile, orNothing } from "../../credentials-file.js";
import { summaryJson, tokenText } from "../../credentials-summary.js";
import { EXIT, type ExitCode } from "../../exit-codes.js";

/** Adds `auth refresh`: a new access token now. */
export const addRefresh: AddCommand = (auth, run) => {
  withOptionsOf(auth.command("refresh"), "credentials", "json")
    .description("renew the access token now")
    .argument("[credentials]", "the file (default: --credentials, else PULLQUEUE_CREDENTIALS)", parseGiven)
    .addHelpText(
      "after",
      `
Commands and libraries renew by themselves; this shows that it works, or why it does not.
${examples(["pullqueue auth refresh credentials.json", "asks the authorization server, and writes the file"])}`,
    )
    .action((credentials: string | undefined, _options: unknown, command: Command) =>
      run(command, (invocation) => refresh(credentials, command.optsWithGlobals(), invocation)),
    );
};

function refresh(
  given: string | undefined,
  options: GlobalOptions,
  invocation: Invocation,
): Promise<ExitCode> {
  const { output, env, signal } = invocation;
  const place = neededFile("refresh", given, options, env);
  return orNothing(output, async () => {
    await using credentials = openCredentials(credentialsOptions({ place, audience: undefined }, invocation));
    const summary = await credentials.refresh({ signal });
    if (output.json) await output.value(summaryJson({ ...summary, namedBy: place.name }));
    else await output.line(`renewed: ${tokenText(summary, systemClock().nowUs() / 1000)}`);
    return EXIT.done;
  });
}
