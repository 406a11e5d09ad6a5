import type { Command } from "commander";
import { withClient } from "../client.js";
import { type AddCommand, examples, type GlobalOptions, type Invocation } from "../command.js";
import { EXIT, type ExitCode } from "../exit-codes.js";
import { printable } from "../table.js";

/** Adds `redrive`: another try for dead letters. */
export const addRedrive: AddCommand = (program, run) => {
  program
    .command("redrive")
    .description("move the tasks of a dead-letter queue back to where they came from")
    .argument("<queue>", "the dead-letter queue's name")
    .addHelpText(
      "after",
      `
They may be leased there at once, and their attempts start anew. Those that are leased now stay, as do those that are no dead
letters, and those whose queue is gone. Ctrl-C stops it and leaves the rest.
${examples(
  ["pullqueue list failed-jobs --json | jq .deadLetter", "where they came from, and why"],
  ["pullqueue redrive failed-jobs", "when what they failed of is mended"],
  ["pullqueue redrive failed-jobs --json", 'prints {"queue":"failed-jobs","redriven":12}'],
)}`,
    )
    .action((queue: string, _options: unknown, command: Command) =>
      run(command, (invocation) => redrive(queue, command.optsWithGlobals(), invocation)),
    );
};

async function redrive(queue: string, options: GlobalOptions, invocation: Invocation): Promise<ExitCode> {
  const { output, signal } = invocation;
  return withClient(options, invocation, async ({ store, key }) => {
    const progress = output.progress();
    try {
      const redriven = await store.redrive(key(queue), {
        signal,
        onProgress: (count) => progress.update(`${count} tasks moved back`),
      });
      progress.done();
      if (output.json) await output.value({ queue, redriven });
      else {
        const tasks = redriven === 1 ? "task" : "tasks";
        await output.line(`${redriven} ${tasks} moved back from ${printable(queue)}`);
        const { stats } = await store.getQueue(key(queue), { stats: true, signal });
        const left = stats?.totalTasks ?? 0;
        if (left > 0) output.note(`${left} left: leased now, new, no dead letters, or their queue is gone`);
      }
    } finally {
      progress.done();
    }
    return EXIT.done;
  });
}
