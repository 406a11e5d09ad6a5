import type { Command } from "commander";
import { withClient } from "../client.js";
import { type AddCommand, examples, type GlobalOptions, type Invocation } from "../command.js";
import { EXIT, type ExitCode } from "../exit-codes.js";
import { queueJson } from "../queue-json.js";
import { printable } from "../table.js";

/** Adds `pause`: a queue that hands out nothing for a while. */
export const addPause: AddCommand = (program, run) => {
  program
    .command("pause")
    .description("let a queue take tasks and hand none out, until resume")
    .argument("<queue>", "the queue's name")
    .addHelpText(
      "after",
      `
Consumers see an empty queue, and those that wait go on waiting. What they hold now they may finish. It outlives a restart.
${examples(
  ["pullqueue pause jobs", "while something that the consumers need is down"],
  ["pullqueue resume jobs", "and on they go"],
)}`,
    )
    .action((queue: string, _options: unknown, command: Command) =>
      run(command, (invocation) => pause(queue, command.optsWithGlobals(), invocation)),
    );
};

async function pause(queue: string, options: GlobalOptions, invocation: Invocation): Promise<ExitCode> {
  const { output, signal } = invocation;
  const info = await withClient(options, invocation, ({ store, key }) =>
    store.pauseQueue(key(queue), { signal }),
  );
  if (output.json) await output.value(queueJson(info));
  else await output.line(`${printable(queue)} is paused: it hands out nothing until it is resumed`);
  return EXIT.done;
}
