import {
  openTransferStore,
  QueueError,
  type QueueKey,
  systemClock,
  type TransferStore,
} from "@pullqueue/core";
import { type Command, Option } from "commander";
import { type AddCommand, examples, type Invocation } from "../command.js";
import { EXIT, type ExitCode } from "../exit-codes.js";
import { printable } from "../table.js";
import { chosenQueues, type QueueChoice } from "../transfer/export.js";
import { checkDifferent, type MigrationCounts, migrateQueue } from "../transfer/migrate.js";
import { openSourceStore } from "../transfer/source-store.js";
import { projectOf, queueOption } from "../transfer/store-options.js";

interface MigrateOptions {
  readonly from: string;
  readonly to: string;
  readonly project?: string;
  readonly queue: readonly string[];
  readonly leavePaused?: boolean;
}

/** Adds `migrate`: moves queues from one store to another. */
export const addMigrate: AddCommand = (program, run) => {
  program
    .command("migrate")
    .description("move queues with their tasks from one store to another, while servers use the old one")
    .addOption(
      new Option("--from <address>", "the old store: sqlite:PATH or postgres://…").makeOptionMandatory(),
    )
    .addOption(new Option("--to <address>", "the new one; made when it is not there").makeOptionMandatory())
    .option("--project <id>", "only the queues of this project")
    .addOption(queueOption())
    .option("--leave-paused", "do not let the new queues hand out tasks at the end")
    .option("--json", "the counts, and errors too, as one JSON value a line")
    .configureHelp({ showGlobalOptions: false })
    .addHelpText(
      "after",
      `
Each queue is paused in both stores: producers of the old server go on, consumers finish what they hold and get nothing new.
A task leaves the old store when it is on disk in the new one. Tasks that consumers hold are waited for until they are
finished or their leases end. At the end the queues of the new store hand out tasks, those of the old one stay paused. Then
let clients use a server on the new store, and run the command once more: it brings what producers sent meanwhile.
Ctrl-C at any time, and a crash too, loses and doubles nothing; run it again to go on.
${examples([
  "pullqueue migrate --from sqlite:.pullqueue/queue.db --to postgres://db.example/queues",
  "from one machine to many",
])}`,
    )
    .action((_options: unknown, command: Command) =>
      run(command, (invocation) => migrate(command.optsWithGlobals(), invocation)),
    );
};

async function migrate(options: MigrateOptions, invocation: Invocation): Promise<ExitCode> {
  const { signal } = invocation;
  const choice: QueueChoice = { project: projectOf(options.project), queues: options.queue };
  if (options.queue.length > 0 && choice.project === undefined) {
    throw new QueueError("invalid_argument", "--queue needs --project: queues are named within one");
  }
  await using from = await openSourceStore(options.from);
  await using to = await openTransferStore(options.to);
  await checkDifferent(from, to, signal);
  const moved: QueueKey[] = [];
  for await (const info of chosenQueues(from, choice, signal)) {
    await migrateOne(from, to, info, invocation);
    moved.push(info.key);
  }
  if (options.leavePaused !== true) for (const key of moved) await to.resumeQueue(key, { signal });
  if (moved.length > 0) return EXIT.done;
  invocation.output.note("there are no queues to move; are --from, --project and --queue what you mean?");
  return EXIT.nothing;
}

async function migrateOne(
  from: TransferStore,
  to: TransferStore,
  info: Parameters<typeof migrateQueue>[2],
  { output, signal }: Invocation,
): Promise<void> {
  const name = printable(info.key.queue);
  const progress = output.progress();
  try {
    const counts = await migrateQueue(from, to, info, {
      clock: systemClock(),
      signal,
      onProgress: (now) => progress.update(`${name}: ${describe(now)}`),
    });
    progress.done();
    if (output.json) {
      const { moved, tombstones } = counts;
      await output.value({ project: info.key.project, queue: info.key.queue, moved, tombstones });
    } else await output.line(`${name}: ${counts.moved} tasks moved`);
  } finally {
    progress.done();
  }
}

function describe({ moved, leased }: MigrationCounts): string {
  return leased === 0 ? `${moved} tasks moved` : `${moved} tasks moved, ${leased} are leased and waited for`;
}
