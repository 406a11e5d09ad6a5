import type { QueueKey } from "@pullqueue/core";
import type { Books } from "./books.js";
import { isHeld, type KnownTask, nameOfTask } from "./known-task.js";
import type { ModelParts } from "./model.js";
import { type Moment, RANK } from "./moment.js";
import type { SimulatedTime } from "./time.js";

/** What clients were told, held against what the stores answered. */
export class Promises {
  readonly #time: SimulatedTime;
  readonly #books: Books;
  readonly #moment: Moment;
  /** Keys whose publishing was acknowledged. */
  readonly #published = new Set<string>();
  /** How often something worth telling happened. */
  readonly counts = { published: 0, acknowledged: 0, refused: 0, unclear: 0 };

  constructor({ time, books, moment }: Pick<ModelParts, "time" | "books" | "moment">) {
    this.#time = time;
    this.#books = books;
    this.#moment = moment;
  }

  /** A producer was told that its task is stored. */
  wasPublished(key: string): void {
    this.counts.published += 1;
    this.#published.add(key);
    this.#moment.add(RANK.last, () => {
      if (this.#books.nameOf(key) === undefined)
        this.#books.complain(`${key} was acknowledged and never stored`);
    });
  }

  /** A worker was told that its acknowledgement was taken, of a task that it had from a queue. */
  wasAcknowledged(key: string, from: QueueKey): void {
    this.counts.acknowledged += 1;
    this.#moment.add(RANK.last, () => {
      const task = this.#books.taskOf(key);
      if (task === undefined || task.isDoubtful || this.#isForgotten(task, from)) return;
      this.#books.complain(`${key} is there, and its worker was told that it is done`);
    });
  }

  /** A worker was told that it had lost its lease. */
  wasRefused(
    key: string,
    queue: QueueKey,
    lease: { readonly id: string; readonly retryCount: number },
  ): void {
    this.counts.refused += 1;
    this.#moment.add(RANK.last, () => {
      const task = this.#books.tasks.get(nameOfTask(queue, lease.id));
      if (task?.retryCount !== lease.retryCount || !isHeld(task, this.#time.nowUs) || task.isDoubtful) return;
      this.#books.complain(
        `the worker of ${key} was told that lease ${lease.retryCount} is lost, and it is not`,
      );
    });
  }

  /**
   * A queue does not remember for ever where its tasks went. A late holder hears that one is gone, and a client that asks
   * again takes that for its success, when the queue names no queue for dead letters any more, or this was a dead letter and
   * was sent back.
   */
  #isForgotten({ queue, deadLetter }: KnownTask, from: QueueKey): boolean {
    if (deadLetter === undefined) return queue.queue !== from.queue;
    return this.#books.queue({ queue: deadLetter.queue }).settings.deadLetterQueue !== queue.queue;
  }

  /** A client was told nothing that it can rely on. */
  wasUnclear(): void {
    this.counts.unclear += 1;
  }

  /** At the end, when nothing may be there any more: each acknowledged task must have had an end. */
  checkAllEnded(): void {
    for (const key of this.#published) {
      if (this.#books.endOf(key) === undefined) this.#books.complain(`${key} was acknowledged and is lost`);
    }
  }
}
