import { QueueError, systemClock } from "@pullqueue/core";
import type { Command } from "commander";
import { type AddCommand, examples, type Invocation } from "../command.js";
import { EXIT, type ExitCode } from "../exit-codes.js";
import type { Output } from "../output.js";
import { printable } from "../table.js";
import {
  type ExportProgress,
  exportTo,
  fileSink,
  openExportFile,
  type QueueChoice,
} from "../transfer/export.js";
import type { EndRecord } from "../transfer/records.js";
import { openSourceStore } from "../transfer/source-store.js";
import { projectOf, queueOption, storeOption } from "../transfer/store-options.js";

interface ExportOptions {
  readonly store: string;
  readonly project?: string;
  readonly queue: readonly string[];
  readonly resume?: boolean;
}

/** Adds `export`: queues as lines of JSON. */
export const addExport: AddCommand = (program, run) => {
  program
    .command("export")
    .description("write queues with their tasks as lines of JSON, from the store itself")
    .argument("[file]", "where to; must not exist yet. Standard output when absent")
    .addOption(storeOption("the store to read"))
    .option("--project <id>", "only the queues of this project")
    .addOption(queueOption())
    .option("--resume", "go on with a file whose export was interrupted")
    .option("--json", "the counts, and errors too, as one JSON value a line")
    .configureHelp({ showGlobalOptions: false })
    .addHelpText(
      "after",
      `
Servers may use the store meanwhile; tasks that come or go during the export may or may not be in it. Pause a queue, or copy
the file with backup, where that matters. The last line counts the others: a file without it is not whole.
${examples(
  ["pullqueue export tasks.jsonl --store sqlite:.pullqueue/queue.db", "everything"],
  ["pullqueue export --store sqlite:q.db --queue jobs | gzip > jobs.gz", "one queue, packed"],
  ["pullqueue export tasks.jsonl --store sqlite:q.db --resume", "after Ctrl-C, or a full disk"],
)}`,
    )
    .action((file: string | undefined, _options: unknown, command: Command) =>
      run(command, (invocation) => exportQueues(file, command.optsWithGlobals(), invocation)),
    );
};

async function exportQueues(
  file: string | undefined,
  options: ExportOptions,
  invocation: Invocation,
): Promise<ExitCode> {
  const { output, signal } = invocation;
  const choice: QueueChoice = { project: projectOf(options.project), queues: options.queue };
  if (options.queue.length > 0 && choice.project === undefined) {
    throw new QueueError("invalid_argument", "--queue needs --project: queues are named within one");
  }
  if (options.resume === true && file === undefined) {
    throw new QueueError("invalid_argument", "--resume needs the file to go on with");
  }
  await using store = await openSourceStore(options.store);
  const progress = output.progress();
  const onProgress: ExportProgress = ({ tasks }, queue) =>
    progress.update(`${tasks} tasks written, now those of ${printable(queue.queue)}`);
  const common = { choice, nowUs: systemClock().nowUs(), signal, onProgress };
  try {
    if (file === undefined) {
      await exportTo({ write: (text) => output.write(text) }, store, common);
      return EXIT.done;
    }
    await using opened = await openExportFile(file, options.resume === true ? "resume" : "new", signal);
    const { position } = opened;
    const sink = fileSink(opened.file, position?.bytes ?? 0);
    const counts =
      position?.isWhole === true ? position.counts : await exportTo(sink, store, { ...common, position });
    await opened.file.sync();
    progress.done();
    await report(output, file, counts);
  } finally {
    progress.done();
  }
  return EXIT.done;
}

async function report(output: Output, file: string, counts: EndRecord): Promise<void> {
  if (output.json) return output.value({ file, ...counts });
  const { queues, tasks, tombstones } = counts;
  return output.line(
    `${queues} queues with ${tasks} tasks and ${tombstones} ids of finished ones are in ${printable(file)}`,
  );
}
