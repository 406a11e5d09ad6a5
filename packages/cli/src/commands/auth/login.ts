import { signIn } from "@pullqueue/auth";
import { QueueError } from "@pullqueue/core";
import { type Command, Option } from "commander";
import { durationBetween, parseGiven, parsePort } from "../../argument-parsers.js";
import {
  type AddCommand,
  examples,
  type GlobalOptions,
  type Invocation,
  withOptionsOf,
} from "../../command.js";
import { credentialsFile } from "../../credentials-file.js";
import { summaryJson } from "../../credentials-summary.js";
import { EXIT, type ExitCode } from "../../exit-codes.js";
import { SIGN_IN_MS_MAX, SIGN_IN_MS_MIN } from "../../limits.js";
import type { Output } from "../../output.js";
import { type PastedLines, pastedLines } from "../../pasted-lines.js";
import { addScopes, SHORT_SCOPE_NAMES } from "../../scopes.js";
import { printable } from "../../table.js";

/** What `login` takes beside its arguments. */
export interface LoginOptions extends GlobalOptions {
  readonly scope?: readonly string[];
  readonly port?: number;
  readonly browser?: boolean;
  readonly timeout?: number;
}

/** Adds `auth login`: the sign-in of a person. */
export const addLogin: AddCommand = (auth, run) => {
  withLoginArguments(auth.command("login"))
    .addHelpText(
      "after",
      examples(
        ["pullqueue auth login client_secrets.json credentials.json", "with the browser of this machine"],
        ["pullqueue auth login secrets.json credentials.json --no-browser", "in a remote shell"],
        ["pullqueue auth login secrets.json c.json --scope taskqueue.consumer", "for less than everything"],
      ),
    )
    .action((secrets: string, credentials: string | undefined, _options: unknown, command: Command) =>
      run(command, (invocation) => login(secrets, credentials, command.optsWithGlobals(), invocation)),
    );
};

/** The arguments and options of the sign-in, for whatever command it is called by. */
export function withLoginArguments(command: Command): Command {
  command
    .description("sign in as a person, and write credentials that renew themselves")
    .argument(
      "<client_secrets>",
      "of a desktop application, as Google's console or another provider gives it",
    )
    .argument(
      "[credentials]",
      "the file to write (default: --credentials, else PULLQUEUE_CREDENTIALS)",
      parseGiven,
    )
    .option(
      "--scope <scopes>",
      `what to ask for: ${SHORT_SCOPE_NAMES}, or whole scopes, with commas between them (default: taskqueue)`,
      addScopes,
    )
    .option(
      "--port <port>",
      "where the browser comes back to on this machine (default: a free port)",
      parsePort,
    )
    .addOption(
      new Option("--no-browser", "open none, and take the address that it ended at from standard input"),
    )
    .option(
      "--timeout <duration>",
      "how long to wait for the browser (default: 5m)",
      durationBetween(SIGN_IN_MS_MIN, SIGN_IN_MS_MAX),
    )
    .addHelpText(
      "after",
      `
It prints an address, on standard error, and waits until a browser was there and has come back to this machine. With --no-browser
that browser may be anywhere: paste the address that it ended at, or forward the port. Nothing is written unless all went well; the
file is readable for its owner alone, and Google's libraries and oauth2client read it too.`,
    );
  return withOptionsOf(command, "credentials", "json");
}

/** Signs in, and says as whom. */
export async function login(
  clientSecretsFile: string,
  credentials: string | undefined,
  options: LoginOptions,
  { output, env, stdin, signal }: Invocation,
): Promise<ExitCode> {
  const { scope, port, browser = true, timeout } = options;
  const file = credentialsFile(credentials, options, env);
  if (file === undefined) {
    throw new QueueError(
      "invalid_argument",
      "name the file to write: pullqueue auth login <client_secrets> <credentials>",
    );
  }
  const pasted: PastedLines | undefined = browser ? undefined : pastedLines(stdin, signal);
  try {
    const summary = await signIn({
      clientSecretsFile,
      credentialsFile: file.path,
      browser,
      signal,
      onAddress: (address, { port: ownPort }) =>
        output.tell(browser ? openedText(address) : pasteText(address, ownPort), { address, port: ownPort }),
      ...(scope === undefined ? {} : { scopes: scope }),
      ...(port === undefined ? {} : { port }),
      ...(timeout === undefined ? {} : { timeoutMs: timeout }),
      ...(pasted === undefined ? {} : { readPasted: readerOf(pasted, output) }),
    });
    if (output.json) await output.value({ ...summaryJson(summary), credentials: file.path });
    else {
      const who = summary.account === undefined ? "" : ` as ${printable(summary.account)}`;
      await output.line(`signed in${who}; the credentials are in ${printable(file.path)}`);
    }
    return EXIT.done;
  } finally {
    pasted?.end();
  }
}

function openedText(address: string): string {
  return `Sign in with your browser. If it does not open by itself, open this address:\n\n  ${address}\n`;
}

function pasteText(address: string, port: number): string {
  return `Open this address in a browser, on any machine:\n\n  ${address}\n
When you have consented, the browser ends at an address of this machine, with the port ${port}, and on another machine it finds nothing
there: paste that address here and press Enter. Or forward the port before: ssh -L ${port}:127.0.0.1:${port} …`;
}

/** Asks again where what was pasted is no answer. */
function readerOf(pasted: PastedLines, output: Output) {
  return async ({ complaint }: { readonly complaint: string | undefined }): Promise<string | undefined> => {
    if (complaint !== undefined) output.warn("not_an_answer", complaint);
    return await pasted.next();
  };
}
