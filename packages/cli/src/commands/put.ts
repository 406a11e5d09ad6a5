import type { Readable } from "node:stream";
import { limits, type NewTask, QueueError } from "@pullqueue/core";
import { type Command, Option } from "commander";
import { durationBetween, parseTag } from "../argument-parsers.js";
import { type Client, withClient } from "../client.js";
import { type AddCommand, examples, type GlobalOptions, type Invocation } from "../command.js";
import { EXIT, type ExitCode } from "../exit-codes.js";
import { openFile, readBody, readLines } from "../input.js";
import { inEnvelope } from "../task-content.js";

interface PutOptions extends GlobalOptions {
  readonly file?: string;
  readonly lines?: boolean;
  readonly envelope: "raw" | "kombu";
  readonly contentType?: string;
  readonly tag?: string;
  /** In milliseconds. */
  readonly delay?: number;
  readonly id?: string;
}

const HELP = `
Prints the id of the task; with --lines how many there are. Once it is printed the server has the task on its disk.
Bytes are stored as they come; --envelope kombu wraps them for consumers that use kombu, in Python or TypeScript.
${examples(
  ["pullqueue put jobs hello", "the five bytes hello"],
  ["pullqueue put jobs --file job.json --tag nightly", "a file, for consumers that lease by tag"],
  ["pullqueue put jobs '{\"n\": 1}' --envelope kombu", "a message for a kombu consumer"],
  ["pullqueue put jobs --delay 10m reminder", "nobody can lease it before ten minutes are over"],
  ["tail -f log | pullqueue put jobs --lines -", "each line as a task, as soon as it comes"],
)}`;

/** Adds `put`: a task, or one for each line. */
export const addPut: AddCommand = (program, run) => {
  program
    .command("put")
    .description("put a task into a queue")
    .argument("<queue>", "the queue's name")
    .argument("[body]", "what the task carries; - reads it from standard input")
    .option("--file <path>", "read the body from a file")
    .addOption(new Option("--lines", "a task for each line that is not empty").conflicts("id"))
    .addOption(
      new Option("--envelope <kind>", "how the body is stored").choices(["raw", "kombu"]).default("raw"),
    )
    .option("--content-type <type>", "of the body in an envelope (default: JSON, text or data, as it looks)")
    .option("--tag <tag>", "consumers can lease by it", parseTag)
    .option(
      "--delay <duration>",
      "hide it for so long: 30s, 10m, 7d",
      durationBetween(0, limits.DELAY_MS_MAX),
    )
    .option("--id <id>", "an id of your choice; refused while it is in use, and for a while after")
    .addHelpText("after", HELP)
    .action((queue: string, body: string | undefined, _options: unknown, command: Command) =>
      run(command, (invocation) => put(queue, body, command.optsWithGlobals(), invocation)),
    );
};

async function put(
  queue: string,
  body: string | undefined,
  options: PutOptions,
  invocation: Invocation,
): Promise<ExitCode> {
  const input = inputOf(body, options, invocation);
  return withClient(options, invocation, async (client) =>
    options.lines === true
      ? await putLines(queue, input, options, client, invocation)
      : await putOne(queue, await bytesOf(input, invocation.signal), options, client, invocation),
  );
}

/** Where the bytes come from: exactly one of body, `-` and `--file`. */
function inputOf(
  body: string | undefined,
  { file, lines, contentType, envelope }: PutOptions,
  { stdin }: Invocation,
): string | Readable {
  if ((body === undefined) === (file === undefined)) {
    throw new QueueError(
      "invalid_argument",
      "expected one of BODY, - (standard input) and --file PATH; got " +
        (body === undefined ? "none" : "two"),
    );
  }
  if (contentType !== undefined && envelope !== "kombu") {
    throw new QueueError(
      "invalid_argument",
      "--content-type is kept in an envelope only: say --envelope kombu",
    );
  }
  if (file !== undefined) return openFile(file);
  if (body === "-") return stdin;
  if (lines !== true) return body ?? "";
  throw new QueueError("invalid_argument", "--lines reads - (standard input) or --file PATH, not BODY");
}

async function bytesOf(input: string | Readable, signal: AbortSignal): Promise<Uint8Array> {
  return typeof input === "string" ? Buffer.from(input) : await readBody(input, signal);
}

async function putOne(
  queue: string,
  body: Uint8Array,
  options: PutOptions,
  { store, key }: Client,
  { output, signal }: Invocation,
): Promise<ExitCode> {
  const [result] = await store.insert(key(queue), [newTask(queue, body, options)], { signal });
  if (result === undefined) throw new QueueError("internal", "the server answered without a result");
  if (!result.ok) throw result.error;
  const { id, tag } = result.value;
  if (output.json) await output.value({ id, queue, tag });
  else await output.line(id);
  return EXIT.done;
}

async function putLines(
  queue: string,
  input: string | Readable,
  options: PutOptions,
  { store, key }: Client,
  { output, signal }: Invocation,
): Promise<ExitCode> {
  if (typeof input === "string") throw new QueueError("internal", "lines come from a stream");
  const progress = output.progress();
  let done = 0;
  let failed = 0;
  try {
    for await (const { firstNumber, lines } of readLines(input, signal)) {
      const numbered = lines
        .map((line, index) => ({ line, number: firstNumber + index }))
        .filter(({ line }) => line.byteLength > 0);
      for (let from = 0; from < numbered.length; from += limits.BATCH_ITEMS_MAX) {
        const batch = numbered.slice(from, from + limits.BATCH_ITEMS_MAX);
        const tasks = batch.map(({ line }) => newTask(queue, line, options));
        for (const [index, result] of (await store.insert(key(queue), tasks, { signal })).entries()) {
          if (result.ok) done += 1;
          else failed += 1;
          if (!result.ok)
            output.warn(result.error.code, `line ${batch[index]?.number}: ${result.error.message}`);
          else if (output.json) {
            const { id, tag } = result.value;
            await output.value({ id, queue, tag, line: batch[index]?.number });
          }
        }
        progress.update(`${done} tasks put`);
      }
    }
  } finally {
    progress.done();
    // Also when it ends early: what was put stays put, and whoever tries again must know how much.
    if (!output.json) await output.line(`${done} ${done === 1 ? "task" : "tasks"} put`);
  }
  return failed === 0 ? EXIT.done : EXIT.failed;
}

function newTask(queue: string, body: Uint8Array, options: PutOptions): NewTask {
  const { envelope, contentType, tag, delay, id } = options;
  return {
    payload: envelope === "kombu" ? inEnvelope(body, queue, contentType) : body,
    tag,
    id,
    delayMs: delay,
  };
}
