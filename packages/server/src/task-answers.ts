import { type ProjectPrefix, type Task, taskToText, taskToWire } from "@pullqueue/core";
import type { WrittenAnswer } from "./method.js";

/** Answers with tasks in them, written without becoming objects first: their payloads are most of what is written. */

type AnsweredTask = Task & { readonly payload?: Uint8Array };

/** One task. */
export class TaskAnswer implements WrittenAnswer {
  readonly #task: AnsweredTask;
  readonly #prefix: ProjectPrefix;

  constructor(task: AnsweredTask, prefix: ProjectPrefix) {
    this.#task = task;
    this.#prefix = prefix;
  }

  toJSON(): object {
    return taskToWire(this.#task, this.#prefix);
  }

  write(pretty: boolean): string {
    return taskToText(this.#task, this.#prefix, pretty ? 0 : undefined);
  }
}

/** What was leased. */
export class TasksAnswer implements WrittenAnswer {
  readonly #tasks: readonly AnsweredTask[];
  readonly #prefix: ProjectPrefix;

  constructor(tasks: readonly AnsweredTask[], prefix: ProjectPrefix) {
    this.#tasks = tasks;
    this.#prefix = prefix;
  }

  toJSON(): object {
    const items = this.#tasks.map((task) => taskToWire(task, this.#prefix));
    return { kind: "taskqueue#tasks", ...(items.length === 0 ? {} : { items }) };
  }

  write(pretty: boolean): string {
    if (this.#tasks.length === 0) return JSON.stringify(this.toJSON(), null, pretty ? 1 : undefined);
    const items = this.#tasks.map((task) => taskToText(task, this.#prefix, pretty ? 2 : undefined));
    return pretty
      ? `{\n "kind": "taskqueue#tasks",\n "items": [\n  ${items.join(",\n  ")}\n ]\n}`
      : `{"kind":"taskqueue#tasks","items":[${items.join(",")}]}`;
  }
}
