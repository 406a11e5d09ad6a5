import type { Command } from "commander";
import { type AddCommand, createProgram, type Run, type Terminal } from "./command.js";
import { addAuth } from "./commands/auth.js";
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
import type { ExitCode } from "./exit-codes.js";
import { runProcess, runProgram } from "./program.js";

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
  addAuth,
  addToken,
  addExport,
  addImport,
  addMigrate,
];

/** Runs the command of this process and resolves with its exit code. A second SIGINT or SIGTERM ends the process at once. */
export function main(parameters: readonly string[] = process.argv.slice(2)): Promise<ExitCode> {
  return runProcess((terminal) => runCommand(parameters, terminal));
}

/** Runs one command on the streams of `terminal`; never throws. */
export function runCommand(parameters: readonly string[], terminal: Terminal): Promise<ExitCode> {
  return runProgram(pullqueue, parameters, terminal);
}

function pullqueue(terminal: Terminal, version: string, run: Run): Command {
  const program = createProgram(terminal, version);
  for (const add of COMMANDS) add(program, run);
  return program;
}
