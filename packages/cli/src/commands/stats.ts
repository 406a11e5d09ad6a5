import type { QueueInfo, TagStats } from "@pullqueue/core";
import type { Command } from "commander";
import { type Client, withClient } from "../client.js";
import { type AddCommand, examples, type GlobalOptions, type Invocation } from "../command.js";
import { EXIT, type ExitCode } from "../exit-codes.js";
import { queueJson } from "../queue-json.js";
import { printable, tableLines } from "../table.js";
import { isoTime } from "../time.js";

const TAG_HEADINGS = ["TAG", "TASKS", "AVAILABLE", "OLDEST"];

const MS_PER_S = 1000;

interface StatsOptions extends GlobalOptions {
  readonly byTag?: boolean;
}

/** Adds `stats`: the counts of one queue. */
export const addStats: AddCommand = (program, run) => {
  program
    .command("stats")
    .description("show the counts of a queue")
    .argument("<queue>", "the queue's name")
    .option("--by-tag", "the counts of each tag, those of tasks without a tag first")
    .addHelpText(
      "after",
      examples(
        ["pullqueue stats jobs", "how much is waiting"],
        ["pullqueue stats jobs --json | jq .availableTasks", "the same for a script"],
        ["pullqueue stats jobs --by-tag", "which tag's consumers are behind"],
      ),
    )
    .action((queue: string, _options: unknown, command: Command) =>
      run(command, (invocation) => showStats(queue, command.optsWithGlobals(), invocation)),
    );
};

async function showStats(queue: string, options: StatsOptions, invocation: Invocation): Promise<ExitCode> {
  const { output, signal } = invocation;
  if (options.byTag === true) {
    return withClient(options, invocation, (client) => showTags(queue, client, invocation));
  }
  const info = await withClient(options, invocation, ({ store, key }) =>
    store.getQueue(key(queue), { stats: true, signal }),
  );
  if (output.json) {
    await output.value(queueJson(info));
    return EXIT.done;
  }
  for (const line of tableLines(["", ""], rowsOf(info)).slice(1)) await output.line(line);
  return EXIT.done;
}

async function showTags(queue: string, client: Client, { output, signal }: Invocation): Promise<ExitCode> {
  let shown = 0;
  for await (const tags of tagPagesOf(queue, client, signal)) {
    if (output.json) {
      for (const tag of tags) await output.value(tagJson(queue, tag));
    } else if (tags.length > 0) {
      const [heading = "", ...lines] = tableLines(TAG_HEADINGS, tags.map(tagRowOf));
      if (shown === 0) await output.line(output.bold(heading));
      for (const line of lines) await output.line(line);
    }
    shown += tags.length;
  }
  if (shown === 0) output.note(`the queue ${printable(queue)} is empty`);
  return EXIT.done;
}

async function* tagPagesOf(
  queue: string,
  { store, key }: Client,
  signal: AbortSignal,
): AsyncGenerator<readonly TagStats[]> {
  let pageToken: string | undefined;
  do {
    const page = await store.tagStats(key(queue), {
      signal,
      ...(pageToken === undefined ? {} : { pageToken }),
    });
    yield page.tags;
    pageToken = page.nextPageToken;
  } while (pageToken !== undefined);
}

function tagJson(queue: string, { tag, totalTasks, availableTasks, oldestEtaUs }: TagStats): object {
  const oldestEta = oldestEtaUs === undefined ? undefined : isoTime(oldestEtaUs);
  return { queue, tag, totalTasks, availableTasks, oldestEta };
}

/** Tags in quotes, so that an empty one is seen; without quotes is no tag. */
function tagRowOf({ tag, totalTasks, availableTasks, oldestEtaUs }: TagStats): string[] {
  return [
    tag === undefined ? "-" : JSON.stringify(tag),
    String(totalTasks),
    String(availableTasks),
    oldestEtaUs === undefined ? "" : isoTime(oldestEtaUs),
  ];
}

function rowsOf({ key, settings, paused, stats }: QueueInfo): string[][] {
  const mode = [settings.mode, ...(settings.disabled ? ["disabled"] : []), ...(paused ? ["paused"] : [])];
  const rows = [
    ["queue", printable(key.queue)],
    ["project", printable(key.project)],
    ["mode", mode.join(", ")],
    ["most leases of a task", settings.maxLeases === undefined ? "no limit" : String(settings.maxLeases)],
    ...settingRowsOf(settings),
  ];
  if (stats !== undefined) {
    rows.push(
      ["tasks", String(stats.totalTasks)],
      ["available now", String(stats.availableTasks)],
      ["leased now", String(stats.leasedTasks)],
      ["payload bytes", String(stats.payloadBytes)],
      ["oldest", stats.oldestEtaUs === undefined ? "-" : isoTime(stats.oldestEtaUs)],
      ["leased in the last minute", String(stats.leasedLastMinute)],
      ["leased in the last hour", String(stats.leasedLastHour)],
    );
  }
  return rows;
}

/** Only what somebody has set. */
function settingRowsOf(settings: QueueInfo["settings"]): string[][] {
  const { deadLetterQueue, leasesPerSecond, storageBytesMax, retentionMs, tombstoneMs } = settings;
  return [
    ...(deadLetterQueue === undefined ? [] : [["dead letters go to", printable(deadLetterQueue)]]),
    ...(leasesPerSecond === undefined ? [] : [["most leases a second", String(leasesPerSecond)]]),
    ...(storageBytesMax === undefined ? [] : [["most payload bytes", String(storageBytesMax)]]),
    ...(retentionMs === undefined ? [] : [["a task may stay", `${retentionMs / MS_PER_S} s`]]),
    ...(tombstoneMs === undefined ? [] : [["chosen ids stay taken", `${tombstoneMs / MS_PER_S} s`]]),
  ];
}
