import { readFileSync } from "node:fs";
import { Command } from "commander";
import type { GlobalOptions, Run, Terminal } from "./command.js";
import { EXIT, type ExitCode } from "./exit-codes.js";
import { CLOSED_PIPE, failureOf, interruptionOf, SIGNALS } from "./failure.js";
import { SAME_SIGNAL_MS } from "./limits.js";
import { Output } from "./output.js";

/** How a command line is run, whatever its commands are. */

/** Makes a program with its commands. */
export type BuildProgram = (terminal: Terminal, version: string, run: Run) => Command;

/** Runs `work` in this process, which two signals end at once. */
export async function runProcess(work: (terminal: Terminal) => Promise<ExitCode>): Promise<ExitCode> {
  const interruption = new AbortController();
  let firstMs: number | undefined;
  const listeners = Object.entries(SIGNALS).map(([name, reason]) => {
    const listener = () => {
      const nowMs = performance.now();
      firstMs ??= nowMs;
      if (nowMs - firstMs > SAME_SIGNAL_MS) process.exit(reason.exitCode);
      interruption.abort(reason);
    };
    process.on(name, listener);
    return () => process.off(name, listener);
  });
  process.stdout.on("error", (error) => {
    if ("code" in error && error.code === "EPIPE") interruption.abort(CLOSED_PIPE);
  });
  // With standard error gone there is nobody left to tell.
  process.stderr.on("error", () => {});
  const { stdin, stdout, stderr, env } = process;
  try {
    return await work({ stdin, stdout, stderr, env, signal: interruption.signal });
  } finally {
    for (const remove of listeners) remove();
  }
}

/** Runs one command line on the streams of `terminal`; never throws. */
export async function runProgram(
  build: BuildProgram,
  parameters: readonly string[],
  terminal: Terminal,
): Promise<ExitCode> {
  let exitCode: ExitCode = EXIT.done;
  let current = new Command("pullqueue");
  const outputOf = (json: boolean) => new Output({ ...terminal, json });
  const run: Run = async (command, work) => {
    current = command;
    const { json = false } = command.optsWithGlobals<GlobalOptions>();
    exitCode = await work({ ...terminal, output: outputOf(json) });
  };
  try {
    const program = build(terminal, version(), run);
    current = program;
    for (const parent of [program, ...program.commands]) {
      parent.hook("preSubcommand", (_, command) => {
        current = command;
      });
    }
    await program.parseAsync(parameters, { from: "user" });
    return exitCode;
  } catch (error) {
    const interruption = interruptionOf(error, terminal.signal);
    if (interruption !== undefined) return interruption.exitCode;
    const failure = failureOf(error, nameOf(current));
    if (failure === undefined) return EXIT.done;
    outputOf(parameters.includes("--json")).error(failure.code, failure.message);
    return failure.exitCode;
  }
}

/** `pullqueue get`, as it is typed. */
function nameOf(command: Command): string {
  return command.parent === null ? command.name() : `${nameOf(command.parent)} ${command.name()}`;
}

function version(): string {
  const manifest = readFileSync(new URL("../package.json", import.meta.url), "utf8");
  return (JSON.parse(manifest) as { version: string }).version;
}
