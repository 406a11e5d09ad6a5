import { parseStoreAddress, QueueError } from "@pullqueue/core";
import { backupSqliteStore } from "@pullqueue/core/stores/sqlite-backup";
import type { Command } from "commander";
import { type AddCommand, examples, type Invocation } from "../command.js";
import { EXIT, type ExitCode } from "../exit-codes.js";
import { printable } from "../table.js";

interface BackupOptions {
  readonly store: string;
}

/** Adds `backup`: a copy of an SQLite store while servers use it. */
export const addBackup: AddCommand = (program, run) => {
  program
    .command("backup")
    .description("copy an SQLite store while servers go on using it")
    .argument("<file>", "where the copy goes; must not exist yet")
    .requiredOption("--store <address>", "the store: sqlite:PATH, as serve was started with")
    .configureHelp({ showGlobalOptions: false })
    .option("--json", "the result, and errors too, as one JSON value a line")
    .addHelpText(
      "after",
      `
The copy stands for one moment, is checked, and is on disk before it gets its name. To go back to it, stop the servers and
start them with --store sqlite:COPY. Leases that had been taken by then are in it and end by the clock, as ever; tasks
finished after that moment are in it too, and would be done again. For PostgreSQL use pg_dump, or an archive of its log.
${examples(["pullqueue backup --store sqlite:.pullqueue/queue.db backup.db", "beside a running server"])}`,
    )
    .action((file: string, options: BackupOptions, command: Command) =>
      run(command, (invocation) => backup(file, options, invocation)),
    );
};

async function backup(file: string, { store }: BackupOptions, invocation: Invocation): Promise<ExitCode> {
  const { output, signal } = invocation;
  const address = parseStoreAddress(store);
  if (address.kind !== "sqlite") {
    throw new QueueError(
      "not_supported",
      address.kind === "memory"
        ? "a store in memory has nothing to copy; keep tasks in sqlite:PATH"
        : "backup copies SQLite stores; for PostgreSQL use pg_dump",
      { location: "store" },
    );
  }
  const progress = output.progress();
  try {
    const { bytes } = await backupSqliteStore({
      path: address.path,
      to: file,
      signal,
      onProgress: ({ copiedPages, totalPages }) =>
        progress.update(`${Math.floor((100 * copiedPages) / totalPages)} % copied`),
    });
    progress.done();
    if (output.json) await output.value({ file, bytes });
    else await output.line(`${bytes} bytes copied to ${printable(file)}`);
  } finally {
    progress.done();
  }
  return EXIT.done;
}
