import type { Command } from "commander";
import { createRoot, examples, type Run, type Terminal } from "./command.js";
import { type LoginOptions, login, withLoginArguments } from "./commands/auth/login.js";
import type { ExitCode } from "./exit-codes.js";
import { runProcess, runProgram } from "./program.js";

/** The command of the Python transport, `pullqueue_authenticate SECRETS CREDENTIALS`: another name of `pullqueue auth login`. */

interface AuthenticateOptions extends LoginOptions {
  readonly noauth_local_webserver?: boolean;
}

/** Runs the command of this process and resolves with its exit code. */
export function authenticate(parameters: readonly string[] = process.argv.slice(2)): Promise<ExitCode> {
  return runProcess((terminal) => runAuthenticate(parameters, terminal));
}

/** Runs it on the streams of `terminal`; never throws. */
export function runAuthenticate(parameters: readonly string[], terminal: Terminal): Promise<ExitCode> {
  return runProgram(authenticateProgram, parameters, terminal);
}

function authenticateProgram(terminal: Terminal, version: string, run: Run): Command {
  return withLoginArguments(createRoot("pullqueue_authenticate", terminal, version))
    .option("--noauth_local_webserver", "as --no-browser; oauth2client's name for it")
    .addHelpText(
      "after",
      examples(
        ["pullqueue_authenticate client_secrets.json credentials", "as pullqueue auth login"],
        ["pullqueue_authenticate client_secrets.json credentials --no-browser", "in a remote shell"],
      ),
    )
    .action(
      (secrets: string, credentials: string | undefined, given: AuthenticateOptions, command: Command) => {
        const options = given.noauth_local_webserver === true ? { ...given, browser: false } : given;
        return run(command, (invocation) => login(secrets, credentials, options, invocation));
      },
    );
}
