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
import { choiceWithFile, credentialsOptions, orNothing, warnOfReaders } from "../../credentials-file.js";
import { summaryJson, summaryLines, type TokenSummary } from "../../credentials-summary.js";
import { EXIT, type ExitCode } from "../../exit-codes.js";
import type { TokenChoice } from "../../token-place.js";
import { tokenFileSource } from "../../token-source.js";

/** Adds `auth status`: what is known of credentials, and nothing secret. */
export const addStatus: AddCommand = (auth, run) => {
  withOptionsOf(auth.command("status"), "credentials", "tokenFile", "audience", "json")
    .description("show whose credentials these are, what for, and for how long")
    .argument("[credentials]", "the file (default: what any other command would send)", parseGiven)
    .addHelpText(
      "after",
      `
Renews nothing and shows no token. Exits with ${EXIT.nothing} when there are no credentials.
${examples(
  ["pullqueue auth status credentials.json", "those of one file"],
  ["pullqueue auth status --json | jq -r .account", "who I am, for a script"],
)}`,
    )
    .action((credentials: string | undefined, _options: unknown, command: Command) =>
      run(command, (invocation) => status(credentials, command.optsWithGlobals(), invocation)),
    );
};

function status(
  credentials: string | undefined,
  options: GlobalOptions,
  invocation: Invocation,
): Promise<ExitCode> {
  const { output, env } = invocation;
  const choice = choiceWithFile(credentials, options, env);
  return orNothing(output, async () => {
    const summary = await summaryOf(choice, invocation);
    if (output.json) await output.value(summaryJson(summary));
    else for (const line of summaryLines(summary, systemClock().nowUs() / 1000)) await output.line(line);
    if (choice.place !== undefined && choice.place.kind !== "token") {
      await warnOfReaders(choice.place.path, output);
    }
    return EXIT.done;
  });
}

async function summaryOf(choice: TokenChoice, invocation: Invocation): Promise<TokenSummary> {
  const { place } = choice;
  if (place === undefined || place.kind === "credentials") {
    await using credentials = openCredentials(credentialsOptions(choice, invocation));
    const summary = await credentials.describe({ signal: invocation.signal });
    return { ...summary, namedBy: place?.name };
  }
  // Said here and not at the first call: a file that holds no token.
  if (place.kind === "tokenFile") await tokenFileSource(place.path).getAccessToken({});
  const source = place.kind === "token" ? place.name : place.path;
  return { kind: "access_token", source, refreshable: false, namedBy: place.name };
}
