import type { Readable } from "node:stream";
import { Command, Option } from "commander";
import { EXIT, type ExitCode } from "./exit-codes.js";
import { ENDPOINT_DEFAULT, PROJECT_DEFAULT } from "./limits.js";
import type { Output, OutputStream } from "./output.js";

/** What all commands share: how they are built, what they run in, and the options that every one takes. */

/** The process as a command sees it. */
export interface Terminal {
  readonly stdin: Readable & { readonly isTTY?: boolean };
  readonly stdout: OutputStream;
  readonly stderr: OutputStream;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Aborted when the command should end: by SIGINT, by SIGTERM, or because nobody reads standard output any more. */
  readonly signal: AbortSignal;
}

/** One call of a command. */
export interface Invocation extends Terminal {
  readonly output: Output;
}

/** Runs the work of a command with its output, and keeps its exit code. */
export type Run = (command: Command, work: (invocation: Invocation) => Promise<ExitCode>) => Promise<void>;

/** What each file in `commands/` exports: adds its command to the program. */
export type AddCommand = (program: Command, run: Run) => void;

/** Options that stand before or behind a command's name, as commander gives them. */
export interface GlobalOptions {
  readonly endpoint?: string;
  readonly project?: string;
  readonly credentials?: string;
  readonly tokenFile?: string;
  readonly json?: boolean;
}

const ENVIRONMENT = `
Environment:
  PULLQUEUE_ENDPOINT      as --endpoint
  PULLQUEUE_PROJECT       as --project
  PULLQUEUE_CREDENTIALS   as --credentials
  PULLQUEUE_TOKEN_FILE    as --token-file
  PULLQUEUE_TOKEN         the token itself; not an option, because others can read a command line
  PULLQUEUE_ACCESS_TOKEN  the same by its older name
  NO_COLOR                no colours, also not on a terminal`;

const EXIT_CODES = `
Exit codes:
  ${EXIT.done}  done
  ${EXIT.failed}  failed; standard error says why
  ${EXIT.usage}  wrong usage: arguments that the command or the server cannot take
  ${EXIT.nothing}  nothing there: no task to get, no such queue`;

const EXAMPLES = examples(
  ["pullqueue serve", "a server that keeps its tasks in .pullqueue/queue.db"],
  ["pullqueue put jobs '{\"n\": 1}'", "a task into the queue jobs"],
  ["pullqueue get jobs", "lease it, print it, delete it"],
  ["pullqueue get jobs --follow --json", "each task as it comes, as a line of JSON"],
  ["pullqueue queues", "what is where"],
);

/** The program without its commands. Writes to the terminal's streams and throws `CommanderError` instead of exiting. */
export function createProgram(terminal: Terminal, version: string): Command {
  const program = new Command("pullqueue");
  program
    .description("App Engine pull queues: lease work over plain HTTP, finish it, delete it.")
    .version(version, "-V, --version", "print the version")
    .helpOption("-h, --help", "show this help")
    .helpCommand("help [command]", "show the help of a command")
    .exitOverride()
    .configureOutput({
      writeOut: (text) => void terminal.stdout.write(text),
      writeErr: (text) => void terminal.stderr.write(text),
      // main.ts says what was wrong, as for any other failure.
      outputError: () => {},
      getOutHasColors: () => false,
      getErrHasColors: () => false,
    })
    .configureHelp({ showGlobalOptions: true })
    .optionsGroup("Options of every command:");
  for (const option of globalOptions()) program.addOption(option);
  program.addHelpText("after", `${EXAMPLES}\n${ENVIRONMENT}\n${EXIT_CODES}`);
  return program;
}

/** Examples as they stand at the end of a help text: what to type, and what that does. */
export function examples(...lines: readonly (readonly [command: string, meaning: string])[]): string {
  const width = Math.max(...lines.map(([command]) => command.length));
  return ["\nExamples:", ...lines.map(([command, meaning]) => `  ${command.padEnd(width)}  ${meaning}`)].join(
    "\n",
  );
}

function globalOptions(): Option[] {
  return [
    new Option("--endpoint <url>", `the server (default: PULLQUEUE_ENDPOINT, else ${ENDPOINT_DEFAULT})`),
    new Option(
      "--project <id>",
      `the App Engine project of the queues (default: PULLQUEUE_PROJECT, else ${PROJECT_DEFAULT})`,
    ),
    new Option("--credentials <file>", 'a JSON file with an "access_token" (default: PULLQUEUE_CREDENTIALS)'),
    new Option(
      "--token-file <file>",
      "a file that holds a token and nothing else (default: PULLQUEUE_TOKEN_FILE, else PULLQUEUE_TOKEN, else none)",
    ),
    new Option("--json", "results, and errors too, as one JSON value a line"),
  ];
}
