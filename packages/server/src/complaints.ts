import { QueueError } from "@pullqueue/core";
import { COMPLAINTS_MAX } from "./limits.js";

/** Collects everything that is wrong with a file or a command line, so that it is told at once. */
export class Complaints {
  readonly #title: string;
  readonly #lines: string[] = [];
  #count = 0;

  /** `title` begins the error's message, as in `queue.yaml cannot be used:`. */
  constructor(title: string) {
    this.#title = title;
  }

  /** Notes one complaint: a sentence that begins with its place. */
  add(complaint: string): void {
    this.#count += 1;
    if (this.#lines.length < COMPLAINTS_MAX) this.#lines.push(complaint);
  }

  /** Throws `invalid_argument` with all complaints, one a line, when there are any. */
  throwIfAny(): void {
    if (this.#count === 0) return;
    const rest = this.#count - this.#lines.length;
    const lines = rest === 0 ? this.#lines : [...this.#lines, `and ${rest} more`];
    throw new QueueError("invalid_argument", [this.#title, ...lines].join("\n  "));
  }
}
