import { once } from "node:events";
import { setFlagsFromString } from "node:v8";
import { QueueError } from "@pullqueue/core";
import {
  CONFIG_FILE_OPTION,
  loadConfig,
  OPTION_GROUPS,
  type RunningServer,
  SERVE_OPTIONS,
  type ServeOption,
  type ServeOptionName,
  startServer,
} from "@pullqueue/server";
import { type Command, Option } from "commander";
import { type AddCommand, examples, type Invocation } from "../command.js";
import { EXIT, type ExitCode } from "../exit-codes.js";

const HELP = `
Prints "pullqueue listening on http://127.0.0.1:PORT" on standard output when it is ready; everything else goes to
standard error. SIGTERM and SIGINT end it: it answers what it has accepted, closes the store and exits with ${EXIT.done}.
SIGHUP reads certificates, tokens and keys again.
Flags go before environment variables, these before the file of --config. Names follow from each other:
--log-level is PULLQUEUE_LOG_LEVEL in the environment and logLevel in the file.
${examples(
  ["pullqueue serve", "tasks in .pullqueue/queue.db, queues on first use"],
  ["pullqueue serve --store memory: --port 0", "nothing is kept; a free port"],
  ["pullqueue serve --queues queue.yaml --project my_project", "the queues of an App Engine application"],
  ["pullqueue serve --auth tokens", "for callers with a token of pullqueue token create"],
)}`;

/**
 * How much more than is left after one collection of the whole heap may be there before the next, in percent. A server keeps little and
 * makes large texts that live for a moment; V8's own choice then collects all of it for each lease of a thousand tasks.
 */
const HEAP_GROWING_PERCENT = 150;

/** Adds `serve`: the server in the foreground. */
export const addServe: AddCommand = (program, run) => {
  const serve = program
    .command("serve")
    .description("serve queues over HTTP until stopped")
    // Those of clients would confuse here; the two that matter follow.
    .configureHelp({ showGlobalOptions: false });
  const { flag, value, description } = CONFIG_FILE_OPTION;
  serve
    .optionsGroup("Options:")
    .addOption(new Option(`${flag} <${value}>`, description))
    .option("--json", "errors as JSON")
    .helpOption("-h, --help", "show this help");
  for (const [heading, names] of Object.entries(OPTION_GROUPS)) {
    serve.optionsGroup(`${heading}:`);
    for (const option of flagsOf(names)) serve.addOption(option);
  }
  serve
    .addHelpText(
      "after",
      `\nVariables without a flag, because others can read a command line:\n${secretsOf(Object.values(SERVE_OPTIONS))}`,
    )
    .addHelpText("after", HELP)
    .action((_options: unknown, command: Command) =>
      run(command, (invocation) => serveUntilStopped(command.optsWithGlobals(), invocation)),
    );
};

/** The options as flags; those that are secret have none. */
function flagsOf(names: readonly ServeOptionName[]): readonly Option[] {
  const options: readonly ServeOption<unknown>[] = names.map((name) => SERVE_OPTIONS[name]);
  return options
    .filter(({ secret }) => secret !== true)
    .map(({ flag, value, description, default: preset }) => {
      const presetText =
        preset === undefined ? "" : ` (default ${preset === "" ? "nothing" : String(preset)})`;
      return new Option(`${flag} <${value}>`, `${description}${presetText}`);
    });
}

function secretsOf(options: readonly ServeOption<unknown>[]): string {
  const secrets = options.filter(({ secret }) => secret === true);
  const width = Math.max(...secrets.map(({ variable }) => variable.length));
  return secrets.map(({ variable, description }) => `  ${variable.padEnd(width)}  ${description}`).join("\n");
}

async function serveUntilStopped(
  flags: Readonly<Record<string, unknown>>,
  { output, env, signal }: Invocation,
): Promise<ExitCode> {
  if (flags.endpoint !== undefined) {
    throw new QueueError(
      "invalid_argument",
      "--endpoint is the server to talk to; serve takes --host and --port",
    );
  }
  setFlagsFromString(`--heap-growing-percent=${HEAP_GROWING_PERCENT}`);
  await using server: RunningServer = await startServer(await loadConfig({ flags, env }), { signal });
  for (const notice of server.notices) output.note(notice);
  await output.line(`pullqueue listening on ${server.url}`);
  const stopReloading = reloadOnHangup(server);
  try {
    if (!signal.aborted) await once(signal, "abort");
  } finally {
    stopReloading();
  }
  return EXIT.done;
}

/** SIGHUP reads certificates, tokens and keys again. A server that has none keeps the signal's own meaning: the terminal is gone. */
function reloadOnHangup(server: RunningServer): () => void {
  if (!server.reloads) return () => {};
  const reload = () => void server.reload();
  process.on("SIGHUP", reload);
  return () => void process.off("SIGHUP", reload);
}
