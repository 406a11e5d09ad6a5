import type { Readable } from "node:stream";
import { openTransferStore } from "@pullqueue/core";
import type { Command } from "commander";
import { type AddCommand, examples, type Invocation } from "../command.js";
import { EXIT, type ExitCode } from "../exit-codes.js";
import { openFile, readLines } from "../input.js";
import { EXPORT_LINE_BYTES_MAX } from "../limits.js";
import { importFrom, readHeader } from "../transfer/import.js";
import { storeOption } from "../transfer/store-options.js";

interface ImportOptions {
  readonly store: string;
  readonly keepSettings?: boolean;
}

/** Adds `import`: the lines of an export into a store. */
export const addImport: AddCommand = (program, run) => {
  program
    .command("import")
    .description("take the lines of an export into a store")
    .argument("<file>", "the export; - is standard input")
    .addOption(storeOption("the store to write into; made when it is not there"))
    .option("--keep-settings", "queues that exist keep their settings; otherwise they get those of the file")
    .option("--json", "the counts, and errors too, as one JSON value a line")
    .configureHelp({ showGlobalOptions: false })
    .addHelpText(
      "after",
      `
An interrupted import is run again from the start: what is there is left as it is. So that nobody does a task twice, the
queues of the file stay paused until all of it is in; then they are paused or not as they were when it was written.
Tasks keep their ids, tags, leases and counts of attempts.
${examples(
  ["pullqueue import tasks.jsonl --store sqlite:new.db", "all of it"],
  ["zcat jobs.gz | pullqueue import - --store postgres://db.example/queues", "from a pipe"],
)}`,
    )
    .action((file: string, options: ImportOptions, command: Command) =>
      run(command, (invocation) => importQueues(file, options, invocation)),
    );
};

async function importQueues(file: string, options: ImportOptions, invocation: Invocation): Promise<ExitCode> {
  const { output, signal, stdin } = invocation;
  const progress = output.progress();
  const lines = linesOf(file === "-" ? stdin : openFile(file), signal);
  try {
    // Before the store, which comes into being by being opened.
    await readHeader(lines);
    await using store = await openTransferStore(options.store);
    const counts = await importFrom(lines, store, {
      settings: options.keepSettings === true ? "keep" : "replace",
      signal,
      onProgress: ({ added, present }) => progress.update(`${added + present} tasks read`),
    });
    progress.done();
    if (output.json) await output.value(counts);
    else {
      const { queues, added, present, tombstones } = counts;
      await output.line(
        `${queues} queues: ${added} tasks added, ${present} were there, ${tombstones} ids of finished ones`,
      );
    }
  } finally {
    progress.done();
    await lines.return(undefined);
  }
  return EXIT.done;
}

async function* linesOf(input: Readable, signal: AbortSignal): AsyncGenerator<string> {
  for await (const { lines } of readLines(input, signal, EXPORT_LINE_BYTES_MAX)) {
    for (const line of lines) yield Buffer.from(line).toString("utf8");
  }
}
