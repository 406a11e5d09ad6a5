import type { Command } from "commander";
import { withClient } from "../client.js";
import { type AddCommand, examples, type GlobalOptions, type Invocation } from "../command.js";
import { EXIT, type ExitCode } from "../exit-codes.js";
import { queueJson } from "../queue-json.js";
import { printable } from "../table.js";

/** Adds `resume`: the end of `pause`. */
export const addResume: AddCommand = (program, run) => {
  program
    .command("resume")
    .description("let a paused queue hand out tasks again")
    .argument("<queue>", "the queue's name")
    .addHelpText(
      "after",
      examples(
        ["pullqueue resume jobs", "consumers that wait go on at once"],
        ["pullqueue resume jobs --json | jq .paused", "false"],
      ),
    )
    .action((queue: string, _options: unknown, command: Command) =>
      run(command, (invocation) => resume(queue, command.optsWithGlobals(), invocation)),
    );
};

async function resume(queue: string, options: GlobalOptions, invocation: Invocation): Promise<ExitCode> {
  const { output, signal } = invocation;
  const info = await withClient(options, invocation, ({ store, key }) =>
    store.resumeQueue(key(queue), { signal }),
  );
  if (output.json) await output.value(queueJson(info));
  else await output.line(`${printable(queue)} goes on`);
  return EXIT.done;
}
