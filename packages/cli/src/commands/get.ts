import { limits, QueueError, type TaskWithPayload } from "@pullqueue/core";
import { type Command, Option } from "commander";
import { durationBetween, parseCount, parseTag } from "../argument-parsers.js";
import { type Client, withClient } from "../client.js";
import { type AddCommand, examples, type GlobalOptions, type Invocation } from "../command.js";
import { EXIT, type ExitCode } from "../exit-codes.js";
import { SIGNALS } from "../failure.js";
import { HeldTasks } from "../held-tasks.js";
import { DURATION_MS_MAX, KEPT_TASKS_MAX, LEASE_MS_DEFAULT, LEASE_MS_MIN, LEASE_TASKS } from "../limits.js";
import { Outage } from "../outage.js";
import type { Output } from "../output.js";
import { contentOf, taskJson } from "../task-content.js";

interface GetOptions extends GlobalOptions {
  readonly count?: number;
  readonly follow?: boolean;
  readonly keep?: boolean;
  readonly raw?: boolean;
  readonly tag?: string;
  /** In milliseconds. */
  readonly wait: number;
  /** In milliseconds. */
  readonly lease: number;
}

const HELP = `
A task is leased, written to standard output, and deleted when that is done: what cannot be written goes back into the queue,
as does everything not yet written when the command is stopped. Messages of kombu are shown without their envelope.
${examples(
  ["pullqueue get jobs", "the oldest task; exit code 3 when there is none"],
  ["pullqueue get jobs --wait 30s", "the same, and waits for it"],
  ["pullqueue get jobs --count 100 --json", "up to 100, each as a line of JSON"],
  ["pullqueue get jobs --follow", "all that come, until Ctrl-C"],
  ["pullqueue get jobs --count 10 --keep", "have a look; they go back at the end"],
  ["pullqueue get photos --raw > photo.jpg", "the payload and nothing else"],
)}`;

/** Adds `get`: lease, print, delete. */
export const addGet: AddCommand = (program, run) => {
  program
    .command("get")
    .description("get tasks from a queue: lease, print, delete")
    .argument("<queue>", "the queue's name")
    .option("--count <n>", "at most so many (default: 1; with --follow no limit)", parseCount)
    .option("--follow", "go on until stopped, or until --count, also when the server is away for a while")
    .addOption(
      new Option("--wait <duration>", "wait so long for them, in all")
        .argParser(durationBetween(0, DURATION_MS_MAX))
        .default(0, "not at all"),
    )
    .option("--keep", "give them back at the end instead of deleting them")
    .option("--raw", "payloads exactly as they are stored, without a line end")
    .option("--tag <tag>", "only tasks of this tag", parseTag)
    .addOption(
      new Option("--lease <duration>", "hide them from others for so long; renewed until they are written")
        .argParser(durationBetween(LEASE_MS_MIN, limits.LEASE_MS_MAX))
        .default(LEASE_MS_DEFAULT, `${LEASE_MS_DEFAULT / 1000}s`),
    )
    .addHelpText("after", HELP)
    .action((queue: string, _options: unknown, command: Command) =>
      run(command, (invocation) => get(queue, command.optsWithGlobals(), invocation)),
    );
};

async function get(queue: string, options: GetOptions, invocation: Invocation): Promise<ExitCode> {
  const { output, signal } = invocation;
  if (options.follow === true && options.wait > 0) {
    throw new QueueError("invalid_argument", "--follow waits until stopped: leave out --wait");
  }
  if (options.keep === true && options.count !== undefined && options.count > KEPT_TASKS_MAX) {
    throw new QueueError(
      "invalid_argument",
      `--keep holds at most ${KEPT_TASKS_MAX} tasks, got --count ${options.count}`,
    );
  }
  const outage = options.follow === true ? new Outage(output) : undefined;
  const onRetry = (error: QueueError) => outage?.began(error);
  return withClient(options, { ...invocation, onRetry }, async (client) => {
    await using held = new HeldTasks(client.store, client.key(queue), options.lease, output);
    try {
      return await getTasks(queue, options, { client, held, output, signal, outage });
    } catch (error) {
      // The usual end of --follow.
      if (options.follow === true && error === SIGNALS.SIGINT) return EXIT.done;
      throw error;
    }
  });
}

interface Work {
  readonly client: Client;
  readonly held: HeldTasks;
  readonly output: Output;
  readonly signal: AbortSignal;
  /** Only with `--follow`. */
  readonly outage: Outage | undefined;
}

async function getTasks(queue: string, options: GetOptions, work: Work): Promise<ExitCode> {
  const { client, held, output, signal } = work;
  const { follow = false, keep = false, tag } = options;
  const most = Math.min(
    options.count ?? (follow ? Number.POSITIVE_INFINITY : 1),
    keep ? KEPT_TASKS_MAX : Number.POSITIVE_INFINITY,
  );
  const endMs = performance.now() + options.wait;
  let printed = 0;
  let isWhole = true;
  // Who follows a server that was never there has mistyped its address; one that goes away later is waited for.
  if (work.outage !== undefined) await client.store.ready({ signal });
  work.outage?.ended();
  while (printed < most) {
    const waitMs = follow ? limits.WAIT_MS_MAX : Math.max(0, Math.ceil(endMs - performance.now()));
    const request = {
      maxTasks: Math.min(most - printed, LEASE_TASKS),
      leaseMs: options.lease,
      waitMs: Math.min(waitMs, limits.WAIT_MS_MAX),
      ...(tag === undefined ? {} : { groupByTag: true, tag }),
    };
    const tasks = await reach(work, () => client.store.lease([client.key(queue)], request, { signal }));
    if (tasks.length === 0 && waitMs === 0) break;
    held.add(tasks);
    isWhole = (await printAndDelete(tasks, options, work)) && isWhole;
    printed += tasks.length;
  }
  if (printed === 0) {
    output.note(`there is no task to get in the queue ${queue} of the project ${client.project}`);
  }
  if (keep && printed === KEPT_TASKS_MAX) output.note(`${printed} tasks are as many as --keep can hold`);
  if (!isWhole) return EXIT.failed;
  return printed === 0 ? EXIT.nothing : EXIT.done;
}

/** Calls the server; with `--follow`, until it is there. */
function reach<T>({ outage, signal }: Work, call: () => Promise<T>): Promise<T> {
  return outage === undefined ? call() : outage.outlast(call, signal);
}

/** Writes tasks in turn, then deletes those that were written, all or up to the first that could not be. */
async function printAndDelete(
  tasks: readonly TaskWithPayload[],
  { raw = false, keep = false }: GetOptions,
  work: Work,
): Promise<boolean> {
  const { held, output, signal } = work;
  const written: TaskWithPayload[] = [];
  let isWhole = true;
  try {
    for (const task of tasks) {
      signal.throwIfAborted();
      await print(task, raw, output);
      written.push(task);
    }
  } finally {
    if (!keep && written.length > 0) {
      for (const { task, code, message } of await reach(work, () => held.delete(written))) {
        isWhole = false;
        output.warn(code, `the task ${task.id} was printed but not deleted: ${message}`);
      }
    }
  }
  return isWhole;
}

async function print(task: TaskWithPayload, raw: boolean, output: Output): Promise<void> {
  const content = contentOf(task, raw, (why) =>
    output.warn("decode_failed", `the task ${task.id} is shown as it is stored: ${why}`),
  );
  if (output.json) return output.value(taskJson(task, content));
  if (raw) return output.write(content.body);
  const endsLine = content.body.at(-1) === 0x0a;
  return output.write(endsLine ? content.body : Buffer.concat([content.body, Buffer.from("\n")]));
}
