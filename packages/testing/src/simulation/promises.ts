import type { QueueKey } from "@pullqueue/core";
import { isHeld, nameOfTask } from "./known-task.js";
import type { Model } from "./model.js";
import type { SimulatedTime } from "./time.js";

/** What clients were told, held against what the stores answered. */
export class Promises {
  readonly #time: SimulatedTime;
  readonly #model: Model;
  /** Keys whose publishing was acknowledged. */
  readonly #published = new Set<string>();
  /** How often something worth telling happened. */
  readonly counts = { published: 0, acknowledged: 0, refused: 0, unclear: 0 };

  constructor(time: SimulatedTime, model: Model) {
    this.#time = time;
    this.#model = model;
  }

  /** How many publishes were acknowledged. */
  get published(): ReadonlySet<string> {
    return this.#published;
  }

  /** A producer was told that its task is stored. */
  wasPublished(key: string): void {
    this.counts.published += 1;
    this.#published.add(key);
    this.#model.atLast(() => {
      if (!this.#model.wasStored(key)) this.#model.complain(`${key} was acknowledged and never stored`);
    });
  }

  /** A worker was told that its acknowledgement was taken. */
  wasAcknowledged(key: string): void {
    this.counts.acknowledged += 1;
    this.#model.atLast(() => {
      const task = this.#model.taskOf(key);
      if (task !== undefined && !task.isDoubtful) {
        this.#model.complain(`${key} is there, and its worker was told that it is done`);
      }
    });
  }

  /** A worker was told that it had lost its lease. */
  wasRefused(
    key: string,
    queue: QueueKey,
    lease: { readonly id: string; readonly retryCount: number },
  ): void {
    this.counts.refused += 1;
    this.#model.atLast(() => {
      const task = this.#model.tasks.get(nameOfTask(queue, lease.id));
      if (task?.retryCount !== lease.retryCount || !isHeld(task, this.#time.nowUs) || task.isDoubtful) return;
      this.#model.complain(
        `the worker of ${key} was told that lease ${lease.retryCount} is lost, and it is not`,
      );
    });
  }

  /** A client was told nothing that it can rely on. */
  wasUnclear(): void {
    this.counts.unclear += 1;
  }

  /** At the end, when nothing may be there any more: each acknowledged task must have had an end. */
  checkAllEnded(): void {
    for (const key of this.#published) {
      if (this.#model.endOf(key) === undefined) this.#model.complain(`${key} was acknowledged and is lost`);
    }
  }
}
