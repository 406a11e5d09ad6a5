import { limits, type PeekQuery, systemClock, type Task, type TaskPage } from "@pullqueue/core";
import type { Command } from "commander";
import { parseCount } from "../argument-parsers.js";
import { type Client, withClient } from "../client.js";
import { type AddCommand, examples, type GlobalOptions, type Invocation } from "../command.js";
import { EXIT, type ExitCode } from "../exit-codes.js";
import { LIST_TASKS_DEFAULT } from "../limits.js";
import { printable, tableLines } from "../table.js";
import { lifeJson } from "../task-content.js";
import { isoTime } from "../time.js";

const HEADINGS = ["ID", "STATE", "ETA", "LEASES", "ENQUEUED", "TAG"];
/** Of a dead-letter queue, where a task says where it came from and why. */
const DEAD_LETTER_HEADINGS = [...HEADINGS, "CAME FROM"];

interface ListOptions extends GlobalOptions {
  readonly limit: number;
  readonly all?: boolean;
  readonly pageToken?: string;
}

/** Adds `list`: the tasks of a queue, without leasing them. */
export const addList: AddCommand = (program, run) => {
  program
    .command("list")
    .description("list the tasks of a queue, oldest first, without leasing them")
    .argument("<queue>", "the queue's name")
    .option("--limit <n>", "at most so many", parseCount, LIST_TASKS_DEFAULT)
    .option("--all", "all of them, page by page")
    .option("--page-token <token>", "go on where an earlier list with --json stopped")
    .addHelpText(
      "after",
      `
ETA is when a task may next be leased, the end of its lease or of its delay; empty for one that never had either.
Payloads are not shown: see get --keep. With --json, a list that stops at its limit writes {"nextPageToken": "…"} to standard error.
${examples(
  ["pullqueue list jobs", `the first ${LIST_TASKS_DEFAULT}`],
  ["pullqueue list jobs --all --json | wc -l", "how many there are"],
)}`,
    )
    .action((queue: string, _options: unknown, command: Command) =>
      run(command, (invocation) => listTasks(queue, command.optsWithGlobals(), invocation)),
    );
};

async function listTasks(queue: string, options: ListOptions, invocation: Invocation): Promise<ExitCode> {
  const { output, signal } = invocation;
  const clock = systemClock();
  const most = options.all === true ? Number.POSITIVE_INFINITY : options.limit;
  return withClient(options, invocation, async (client) => {
    let shown = 0;
    let next: string | undefined;
    for await (const { tasks, nextPageToken } of pagesOf(client, queue, most, options.pageToken, signal)) {
      if (output.json) {
        for (const task of tasks) await output.value(taskJson(task, clock.nowUs()));
      } else if (tasks.length > 0) {
        const rows = tasks.map((task) => rowOf(task, clock.nowUs()));
        const isDeadLetters = tasks.some(({ deadLetter }) => deadLetter !== undefined);
        const headings = isDeadLetters ? DEAD_LETTER_HEADINGS : HEADINGS;
        const [heading = "", ...lines] = tableLines(headings, rows);
        if (shown === 0) await output.line(output.bold(heading));
        for (const line of lines) await output.line(line);
      }
      shown += tasks.length;
      next = nextPageToken;
    }
    if (shown === 0) output.note(`the queue ${printable(queue)} is empty`);
    if (next !== undefined) output.more("there are more: --limit shows more of them, --all all", next);
    return EXIT.done;
  });
}

async function* pagesOf(
  { store, key }: Client,
  queue: string,
  most: number,
  first: string | undefined,
  signal: AbortSignal,
): AsyncGenerator<TaskPage> {
  let left = most;
  let pageToken = first;
  do {
    const query: PeekQuery = { limit: Math.min(left, limits.LIST_TASKS_MAX), pageToken };
    const page = await store.peek(key(queue), query, { signal });
    yield page;
    left -= page.tasks.length;
    pageToken = page.nextPageToken;
  } while (pageToken !== undefined && left > 0);
}

/** A task's state as far as anybody but the server can tell: this machine's clock may differ a little. */
function stateOf(task: Task, nowUs: number): "available" | "leased" | "delayed" {
  if (task.etaUs <= nowUs) return "available";
  return task.retryCount > 0 ? "leased" : "delayed";
}

function taskJson(task: Task, nowUs: number): object {
  return {
    id: task.id,
    queue: task.queue.queue,
    tag: task.tag,
    state: stateOf(task, nowUs),
    eta: task.etaUs === 0 ? undefined : isoTime(task.etaUs),
    enqueuedAt: isoTime(task.enqueuedAtUs),
    retryCount: task.retryCount,
    ...lifeJson(task),
  };
}

function rowOf(task: Task, nowUs: number): string[] {
  return [
    printable(task.id),
    stateOf(task, nowUs),
    task.etaUs === 0 ? "" : isoTime(task.etaUs),
    String(task.retryCount),
    isoTime(task.enqueuedAtUs),
    task.tag === undefined ? "" : JSON.stringify(task.tag),
    task.deadLetter === undefined ? "" : `${printable(task.deadLetter.queue)}, ${task.deadLetter.reason}`,
  ];
}
