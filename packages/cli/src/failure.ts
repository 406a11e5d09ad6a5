import { isAuthError } from "@pullqueue/auth";
import { isQueueError } from "@pullqueue/core";
import { isKombuError } from "@pullqueue/kombu";
import { CommanderError } from "commander";
import { EXIT, type ExitCode } from "./exit-codes.js";

/** How commands end that do not succeed. */

/** Why a command was told to end before it was done: the reason of its signal. */
export interface Interruption {
  readonly kind: "interruption";
  readonly exitCode: ExitCode;
}

/** Who read standard output has gone: what is left to write is of no use to anybody. */
export const CLOSED_PIPE: Interruption = Object.freeze({ kind: "interruption", exitCode: EXIT.done });

/** A person, or a supervisor, ends the command. */
export const SIGNALS: Readonly<Record<"SIGINT" | "SIGTERM", Interruption>> = Object.freeze({
  SIGINT: { kind: "interruption", exitCode: EXIT.interrupted },
  SIGTERM: { kind: "interruption", exitCode: EXIT.terminated },
});

/** What is said about a failure, to people and to the shell. */
export interface Failure {
  readonly exitCode: ExitCode;
  readonly code: string;
  /** One sentence: what was expected, what came, what to do. */
  readonly message: string;
}

const TOKEN_HINT =
  " (the command takes credentials from --credentials or PULLQUEUE_CREDENTIALS, a token from --token-file or PULLQUEUE_TOKEN)";

/** The failure that a thrown value means, or undefined for one that only ends the command (help, a signal, a closed pipe). */
export function failureOf(error: unknown, commandName: string): Failure | undefined {
  if (error instanceof CommanderError) return usageFailure(error, commandName);
  if (isQueueError(error) || isKombuError(error)) {
    const { code, message, cause } = error;
    // What is wrong with credentials is behind the store's refusal.
    if (code === "unauthenticated" && isAuthError(cause)) return failureOf(cause, commandName);
    const hint = code === "unauthenticated" ? TOKEN_HINT : "";
    return { exitCode: exitCodeOf(code), code, message: `${message}${hint}` };
  }
  if (isAuthError(error)) {
    // A file that was named and is not there is a wrong name; exit code 3 would say that a queue is empty.
    const exitCode =
      error.code === "not_found" || error.code === "invalid_file" ? EXIT.usage : exitCodeOf(error.code);
    return { exitCode, code: error.code, message: error.message };
  }
  if (error instanceof Error && "syscall" in error && "code" in error) {
    return { exitCode: EXIT.failed, code: String(error.code), message: error.message };
  }
  // A mistake of ours: its place is what a report of it needs.
  const message = error instanceof Error ? (error.stack ?? error.message) : String(error);
  return { exitCode: EXIT.failed, code: "internal", message: `unexpected: ${message}` };
}

/** The interruption behind a thrown value, if it is one: the signal's own reason, or what streams make of it. */
export function interruptionOf(error: unknown, signal: AbortSignal): Interruption | undefined {
  if (error instanceof Error && "code" in error && error.code === "EPIPE") return CLOSED_PIPE;
  if (!signal.aborted) return undefined;
  const isAbort = error === signal.reason || (error instanceof Error && error.name === "AbortError");
  return isAbort ? (signal.reason as Interruption) : undefined;
}

function usageFailure(error: CommanderError, commandName: string): Failure | undefined {
  if (error.exitCode === 0) return undefined;
  // Called without a command: commander has shown the help, which says it all.
  const message =
    error.code === "commander.help"
      ? "expected a command."
      : error.message.replace(/^error: /, "").replace(/\.?$/, ".");
  return { exitCode: EXIT.usage, code: "usage", message: `${message} See: ${commandName} --help` };
}

/** Codes by what the caller can do: nothing but change the call, look elsewhere, or try again. */
function exitCodeOf(code: string): ExitCode {
  switch (code) {
    case "not_found":
      return EXIT.nothing;
    case "invalid_argument":
    case "already_exists":
    case "wrong_mode":
    case "too_large":
    case "not_supported":
      return EXIT.usage;
    default:
      return EXIT.failed;
  }
}
