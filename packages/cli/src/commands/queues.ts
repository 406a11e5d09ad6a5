import type { QueueInfo } from "@pullqueue/core";
import type { Command } from "commander";
import { type Client, withClient } from "../client.js";
import { type AddCommand, examples, type GlobalOptions, type Invocation } from "../command.js";
import { EXIT, type ExitCode } from "../exit-codes.js";
import { queueJson } from "../queue-json.js";
import { printable, tableLines } from "../table.js";
import { isoTime } from "../time.js";

const HEADINGS = ["QUEUE", "TASKS", "AVAILABLE", "OLDEST", "STATE"];

/** Adds `queues`: all queues of a project. */
export const addQueues: AddCommand = (program, run) => {
  program
    .command("queues")
    .description("list the queues of the project")
    .addHelpText(
      "after",
      examples(
        ["pullqueue queues", "the queues of the default project"],
        ["pullqueue queues --project my_project --json", "those of another one, for a script"],
      ),
    )
    .action((_options: unknown, command: Command) =>
      run(command, (invocation) => listQueues(command.optsWithGlobals(), invocation)),
    );
};

async function listQueues(options: GlobalOptions, invocation: Invocation): Promise<ExitCode> {
  const { output, signal } = invocation;
  return withClient(options, invocation, async (client) => {
    let shown = 0;
    for await (const page of pagesOf(client, signal)) {
      if (output.json) {
        for (const info of page) await output.value(queueJson(info));
      } else if (page.length > 0) {
        const [heading = "", ...lines] = tableLines(HEADINGS, page.map(rowOf));
        if (shown === 0) await output.line(output.bold(heading));
        for (const line of lines) await output.line(line);
      }
      shown += page.length;
    }
    if (shown === 0) output.note(`there are no queues in the project ${client.project}`);
    return EXIT.done;
  });
}

async function* pagesOf(
  { store, project }: Client,
  signal: AbortSignal,
): AsyncGenerator<readonly QueueInfo[]> {
  let pageToken: string | undefined;
  do {
    const page = await store.listQueues(project, {
      stats: true,
      signal,
      ...(pageToken === undefined ? {} : { pageToken }),
    });
    yield page.queues;
    pageToken = page.nextPageToken;
  } while (pageToken !== undefined);
}

function rowOf({ key, settings, paused, stats }: QueueInfo): string[] {
  const { mode, disabled, deadLetterQueue } = settings;
  const state = [
    mode === "push" ? "push" : "",
    disabled ? "disabled" : "",
    paused ? "paused" : "",
    deadLetterQueue === undefined ? "" : `dead letters to ${printable(deadLetterQueue)}`,
  ];
  return [
    printable(key.queue),
    stats === undefined ? "" : String(stats.totalTasks),
    stats === undefined ? "" : String(stats.availableTasks),
    stats?.oldestEtaUs === undefined ? "" : isoTime(stats.oldestEtaUs),
    state.filter((word) => word !== "").join(", "),
  ];
}
