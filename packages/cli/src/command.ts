import type { Readable } from "node:stream";
import { Command, Option } from "commander";
import { parseGiven } from "./argument-parsers.js";
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
  readonly audience?: string;
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
  PULLQUEUE_AUDIENCE      as --audience
  NO_COLOR                no colours, also not on a terminal`;

const TOKENS = `
Which token is sent: that of --credentials or --token-file, else that of one of these variables, else, where a server on another machine
demands one over https, that of Google's application default credentials. Two of a kind are refused. See: pullqueue auth --help`;

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
  const program = createRoot("pullqueue", terminal, version)
    .description("App Engine pull queues: lease work over plain HTTP, finish it, delete it.")
    .helpCommand("help [command]", "show the help of a command")
    .configureHelp({ showGlobalOptions: true })
    .optionsGroup("Options of every command:");
  for (const option of Object.values(GLOBAL_OPTIONS)) program.addOption(option());
  program.addHelpText("after", `${EXAMPLES}\n${ENVIRONMENT}\n${TOKENS}\n${EXIT_CODES}`);
  return program;
}

/** A program without anything of its own; its help and its version go to the terminal's streams, and its complaints are thrown. */
export function createRoot(name: string, terminal: Terminal, version: string): Command {
  return new Command(name)
    .version(version, "-V, --version", "print the version")
    .helpOption("-h, --help", "show this help")
    .exitOverride()
    .configureOutput({
      writeOut: (text) => void terminal.stdout.write(text),
      writeErr: (text) => void terminal.stderr.write(text),
      // main.ts says what was wrong, as for any other failure.
      outputError: () => {},
      getOutHasColors: () => false,
      getErrHasColors: () => false,
    });
}

/** Examples as they stand at the end of a help text: what to type, and what that does. */
export function examples(...lines: readonly (readonly [command: string, meaning: string])[]): string {
  const width = Math.max(...lines.map(([command]) => command.length));
  return ["\nExamples:", ...lines.map(([command, meaning]) => `  ${command.padEnd(width)}  ${meaning}`)].join(
    "\n",
  );
}

/** Shows options of every command in the help of one that has use for no others. */
export function withOptionsOf(command: Command, ...names: readonly (keyof GlobalOptions)[]): Command {
  command.configureHelp({ showGlobalOptions: false });
  for (const name of names) command.addOption(GLOBAL_OPTIONS[name]());
  return command;
}

const GLOBAL_OPTIONS: Readonly<Record<keyof GlobalOptions, () => Option>> = {
  endpoint: () =>
    new Option("--endpoint <url>", `the server (default: PULLQUEUE_ENDPOINT, else ${ENDPOINT_DEFAULT})`),
  project: () =>
    new Option(
      "--project <id>",
      `the App Engine project of the queues (default: PULLQUEUE_PROJECT, else ${PROJECT_DEFAULT})`,
    ),
  credentials: () =>
    new Option(
      "--credentials <file>",
      "a file of pullqueue auth login, oauth2client or Google's tools (default: PULLQUEUE_CREDENTIALS)",
    ).argParser(parseGiven),
  tokenFile: () =>
    new Option(
      "--token-file <file>",
      "a file that holds a token and nothing else (default: PULLQUEUE_TOKEN_FILE, else PULLQUEUE_TOKEN, else none)",
    ).argParser(parseGiven),
  audience: () =>
    new Option(
      "--audience <url>",
      "whom credentials make a token for (default: PULLQUEUE_AUDIENCE, else nobody in particular)",
    ).argParser(parseGiven),
  json: () => new Option("--json", "results, and errors too, as one JSON value a line"),
};
