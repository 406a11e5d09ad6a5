import type { QueueInfo } from "@pullqueue/core";
import type { Command } from "commander";
import { withClient } from "../client.js";
import { type AddCommand, examples, type GlobalOptions, type Invocation } from "../command.js";
import { EXIT, type ExitCode } from "../exit-codes.js";
import { printable, tableLines } from "../table.js";
import { isoTime } from "../time.js";

/** Adds `stats`: the counts of one queue. */
export const addStats: AddCommand = (program, run) => {
  program
    .command("stats")
    .description("show the counts of a queue")
    .argument("<queue>", "the queue's name")
    .addHelpText(
      "after",
      examples(
        ["pullqueue stats jobs", "how much is waiting"],
        ["pullqueue stats jobs --json | jq .availableTasks", "the same for a script"],
      ),
    )
    .action((queue: string, _options: unknown, command: Command) =>
      run(command, (invocation) => showStats(queue, command.optsWithGlobals(), invocation)),
    );
};

async function showStats(queue: string, options: GlobalOptions, invocation: Invocation): Promise<ExitCode> {
  const { output, signal } = invocation;
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

/** A queue as `--json` shows it. Times are ISO 8601, absent values are left out. */
export function queueJson({ key, settings, stats }: QueueInfo): object {
  return {
    queue: key.queue,
    project: key.project,
    mode: settings.mode,
    disabled: settings.disabled,
    maxLeases: settings.maxLeases,
    ...(stats === undefined
      ? {}
      : {
          totalTasks: stats.totalTasks,
          availableTasks: stats.availableTasks,
          oldestEta: stats.oldestEtaUs === undefined ? undefined : isoTime(stats.oldestEtaUs),
          leasedLastMinute: stats.leasedLastMinute,
          leasedLastHour: stats.leasedLastHour,
        }),
  };
}

function rowsOf({ key, settings, stats }: QueueInfo): string[][] {
  const rows = [
    ["queue", printable(key.queue)],
    ["project", printable(key.project)],
    ["mode", settings.disabled ? `${settings.mode}, disabled` : settings.mode],
    ["most leases of a task", settings.maxLeases === undefined ? "no limit" : String(settings.maxLeases)],
  ];
  if (stats !== undefined) {
    rows.push(
      ["tasks", String(stats.totalTasks)],
      ["available now", String(stats.availableTasks)],
      ["oldest", stats.oldestEtaUs === undefined ? "-" : isoTime(stats.oldestEtaUs)],
      ["leased in the last minute", String(stats.leasedLastMinute)],
      ["leased in the last hour", String(stats.leasedLastHour)],
    );
  }
  return rows;
}
