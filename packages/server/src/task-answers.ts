import {
  isAsciiTask,
  type ProjectPrefix,
  type Task,
  type TaskWithPayload,
  taskToText,
  taskToWire,
} from "@pullqueue/core";
import type { WrittenAnswer } from "./method.js";

/** Answers with tasks in them, written without becoming objects first: their payloads are most of what is written. */

/** One task, with a payload that need not be its own. */
export class TaskAnswer implements WrittenAnswer {
  readonly #task: Task;
  readonly #payload: Uint8Array;
  readonly #prefix: ProjectPrefix;

  constructor(task: Task, payload: Uint8Array, prefix: ProjectPrefix) {
    this.#task = task;
    this.#payload = payload;
    this.#prefix = prefix;
  }

  toJSON(): object {
    return taskToWire({ ...this.#task, payload: this.#payload }, this.#prefix);
  }

  write(pretty: boolean): string {
    return taskToText(this.#task, this.#payload, this.#prefix, pretty ? 0 : undefined);
  }

  isAscii(): boolean {
    return isAsciiTask(this.#task, this.#prefix);
  }
}

/** What was leased. */
export class TasksAnswer implements WrittenAnswer {
  readonly #tasks: readonly TaskWithPayload[];
  readonly #prefix: ProjectPrefix;

  constructor(tasks: readonly TaskWithPayload[], prefix: ProjectPrefix) {
    this.#tasks = tasks;
    this.#prefix = prefix;
  }

  toJSON(): object {
    const items = this.#tasks.map((task) => taskToWire(task, this.#prefix));
    return { kind: "taskqueue#tasks", ...(items.length === 0 ? {} : { items }) };
  }

  write(pretty: boolean): string {
    if (this.#tasks.length === 0) return JSON.stringify(this.toJSON(), null, pretty ? 1 : undefined);
    // Not joined: one piece of memory of more than a megabyte, for each lease of many tasks, brings the whole heap's collection about.
    let text = pretty ? '{\n "kind": "taskqueue#tasks",\n "items": [' : '{"kind":"taskqueue#tasks","items":[';
    let separator = pretty ? "\n  " : "";
    for (const task of this.#tasks) {
      text += separator + taskToText(task, task.payload, this.#prefix, pretty ? 2 : undefined);
      separator = pretty ? ",\n  " : ",";
    }
    return text + (pretty ? "\n ]\n}" : "]}");
  }

  isAscii(): boolean {
    return this.#tasks.every((task) => isAsciiTask(task, this.#prefix));
  }
}
