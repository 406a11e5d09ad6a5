import { createInterface } from "node:readline/promises";
import { QueueError, type TagFilter } from "@pullqueue/core";
import { type Command, Option } from "commander";
import { parseTag } from "../argument-parsers.js";
import { type Client, withClient } from "../client.js";
import { type AddCommand, examples, type GlobalOptions, type Invocation } from "../command.js";
import { EXIT, type ExitCode } from "../exit-codes.js";
import { printable } from "../table.js";

interface PurgeOptions extends GlobalOptions {
  readonly yes?: boolean;
  readonly tag?: string;
  readonly untagged?: boolean;
}

/** Adds `purge`: removes all tasks of a queue, or those of one tag. */
export const addPurge: AddCommand = (program, run) => {
  program
    .command("purge")
    .description("remove all tasks of a queue, or those of one tag, leased ones too")
    .argument("<queue>", "the queue's name")
    .option("--tag <tag>", "only the tasks of this tag", parseTag)
    .addOption(new Option("--untagged", "only the tasks without a tag").conflicts("tag"))
    .option("-y, --yes", "do not ask; needed where there is no terminal to ask on")
    .addHelpText(
      "after",
      `
What is removed cannot be brought back. Ctrl-C stops it and leaves the rest. Consumers that hold a task see that it is gone.
${examples(
  ["pullqueue purge jobs", "asks first"],
  ["pullqueue purge jobs --tag nightly", "leaves what has another tag or none"],
  ["pullqueue purge jobs --yes --json", 'prints {"queue":"jobs","removed":1234}'],
)}`,
    )
    .action((queue: string, _options: unknown, command: Command) =>
      run(command, (invocation) => purge(queue, command.optsWithGlobals(), invocation)),
    );
};

async function purge(queue: string, options: PurgeOptions, invocation: Invocation): Promise<ExitCode> {
  const { output, signal } = invocation;
  const { tag, untagged = false } = options;
  const only = tag !== undefined || untagged ? { tag } : undefined;
  return withClient(options, invocation, async (client) => {
    if (options.yes !== true && !(await isConfirmed(queue, only, client, invocation))) {
      output.note("nothing was removed");
      return EXIT.failed;
    }
    const progress = output.progress();
    try {
      const removed = await client.store.purge(client.key(queue), {
        only,
        signal,
        onProgress: (count) => progress.update(`${count} tasks removed`),
      });
      progress.done();
      if (output.json) await output.value({ queue, tag, ...(untagged ? { untagged } : {}), removed });
      else
        await output.line(`${removed} ${removed === 1 ? "task" : "tasks"} removed from ${printable(queue)}`);
    } finally {
      progress.done();
    }
    return EXIT.done;
  });
}

async function isConfirmed(
  queue: string,
  only: TagFilter | undefined,
  client: Client,
  invocation: Invocation,
): Promise<boolean> {
  const { stdin, stderr, signal } = invocation;
  if (stdin.isTTY !== true || stderr.isTTY !== true) {
    throw new QueueError(
      "invalid_argument",
      "purge asks before it removes, and here is no terminal to ask on: say --yes",
    );
  }
  const tasks = await tasksInWords(queue, only, client, signal);
  const terminal = createInterface({ input: stdin, output: stderr });
  // Ctrl-C at the question comes to readline, not to the process.
  terminal.once("SIGINT", () => process.kill(process.pid, "SIGINT"));
  try {
    const answer = await terminal.question(`Remove ${tasks} of the queue ${printable(queue)}? [y/N] `, {
      signal,
    });
    return /^y(?:es)?$/i.test(answer.trim());
  } finally {
    terminal.close();
  }
}

async function tasksInWords(
  queue: string,
  only: TagFilter | undefined,
  { store, key }: Client,
  signal: AbortSignal,
): Promise<string> {
  if (only !== undefined) {
    return only.tag === undefined ? "all untagged tasks" : `all tasks of the tag ${JSON.stringify(only.tag)}`;
  }
  const { stats } = await store.getQueue(key(queue), { stats: true, signal });
  return `all ${stats?.totalTasks ?? ""} tasks`;
}
