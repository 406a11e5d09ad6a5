import { readFileSync } from "node:fs";
import { Command } from "commander";
import { type AddCommand, createProgram, type GlobalOptions, type Run, type Terminal } from "./command.js";
import { addBackup } from "./commands/backup.js";
import { addExport } from "./commands/export.js";
import { addGet } from "./commands/get.js";
import { addImport } from "./commands/import.js";
import { addList } from "./commands/list.js";
import { addMigrate } from "./commands/migrate.js";
import { addPause } from "./commands/pause.js";
import { addPurge } from "./commands/purge.js";
import { addPut } from "./commands/put.js";
import { addQueues } from "./commands/queues.js";
import { addRedrive } from "./commands/redrive.js";
import { addResume } from "./commands/resume.js";
import { addServe } from "./commands/serve.js";
import { addStats } from "./commands/stats.js";
import { addToken } from "./commands/token.js";
import { EXIT, type ExitCode } from "./exit-codes.js";
import { CLOSED_PIPE, failureOf, interruptionOf, SIGNALS } from "./failure.js";
import { SAME_SIGNAL_MS } from "./limits.js";
import { Output } from "./output.js";

/** Every command, in the order of the help. */
const COMMANDS: readonly AddCommand[] = [
  addServe,
  addPut,
  addGet,
  addList,
  addQueues,
  addStats,
  addPause,
  addResume,
  addPurge,
  addRedrive,
  addBackup,
  addToken,
  addExport,
  addImport,
  addMigrate,
];

/** Runs the command of this process and resolves with its exit code. A second SIGINT or SIGTERM ends the process at once. */
export async function main(parameters: readonly string[] = process.argv.slice(2)): Promise<ExitCode> {
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
    return await runCommand(parameters, { stdin, stdout, stderr, env, signal: interruption.signal });
  } finally {
    for (const remove of listeners) remove();
  }
}

/** Runs one command on the streams of `terminal`; never throws. */
export async function runCommand(parameters: readonly string[], terminal: Terminal): Promise<ExitCode> {
  let exitCode: ExitCode = EXIT.done;
  let current = new Command("pullqueue");
  const outputOf = (json: boolean) => new Output({ ...terminal, json });
  const run: Run = async (command, work) => {
    current = command;
    const { json = false } = command.optsWithGlobals<GlobalOptions>();
    exitCode = await work({ ...terminal, output: outputOf(json) });
  };
  try {
    const program = createProgram(terminal, version());
    for (const add of COMMANDS) add(program, run);
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
