import {
  type ItemResult,
  limits,
  QueueError,
  type QueueKey,
  type QueueStore,
  systemClock,
  type Task,
} from "@pullqueue/core";
import type { Output } from "./output.js";

/** What became of leases that were given up. */
export interface Refused {
  readonly task: Task;
  readonly code: string;
  readonly message: string;
}

/** A lease is renewed when this share of it is over, so that one lost renewal does not cost it. */
const RENEW_AFTER = 1 / 3;

/**
 * The tasks that a command has leased. All are renewed until they are deleted or given back, so that a slow reader of our
 * output does not make them come twice. Closing gives back what is still held, as if it had never been leased.
 */
export class HeldTasks implements AsyncDisposable {
  readonly #store: QueueStore;
  readonly #queue: QueueKey;
  readonly #leaseMs: number;
  readonly #output: Output;
  readonly #held = new Map<string, Task>();
  readonly #cancelTimer: () => void;
  #renewal: Promise<void> = Promise.resolve();
  #isClosed = false;

  constructor(store: QueueStore, queue: QueueKey, leaseMs: number, output: Output) {
    this.#store = store;
    this.#queue = queue;
    this.#leaseMs = leaseMs;
    this.#output = output;
    const clock = systemClock();
    let cancel = () => {};
    const tick = () => {
      this.#renewal = this.#renew().finally(() => {
        if (!this.#isClosed) cancel = clock.timer(leaseMs * RENEW_AFTER, tick);
      });
    };
    cancel = clock.timer(leaseMs * RENEW_AFTER, tick);
    this.#cancelTimer = () => cancel();
  }

  /** Takes tasks that have just been leased. */
  add(tasks: readonly Task[]): void {
    for (const task of tasks) this.#held.set(task.id, task);
  }

  /** Deletes tasks that are done. Returns those that could not be deleted because somebody else may have them. */
  async delete(tasks: readonly Task[]): Promise<Refused[]> {
    const fences = tasks.map(({ id, retryCount }) => ({ id, retryCount }));
    const results = await this.#store.delete(this.#queue, fences);
    for (const { id } of tasks) this.#held.delete(id);
    return tasks.flatMap((task, index) => refused(task, results[index]));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#cancelTimer();
    await this.#renewal;
    try {
      await this.#extend((task) => ({ ...fenceOf(task), leaseMs: 0, uncounted: true }));
    } catch (error) {
      // Nothing more can be done, and what ended the command matters more.
      const { code, message } = QueueError.from(error);
      this.#output.warn(code, `${this.#held.size} tasks come back only when their leases end: ${message}`);
    }
    this.#held.clear();
  }

  async #renew(): Promise<void> {
    try {
      await this.#extend((task) => ({ ...fenceOf(task), leaseMs: this.#leaseMs }));
    } catch {
      // The server cannot be reached now. The next renewal comes before the lease ends; if not, `delete` says so.
    }
  }

  async #extend(extension: (task: Task) => Parameters<QueueStore["extend"]>[1][number]): Promise<void> {
    const tasks = [...this.#held.values()];
    for (let from = 0; from < tasks.length; from += limits.BATCH_ITEMS_MAX) {
      await this.#store.extend(this.#queue, tasks.slice(from, from + limits.BATCH_ITEMS_MAX).map(extension));
    }
  }
}

function fenceOf({ id, retryCount }: Task) {
  return { id, retryCount };
}

function refused(task: Task, result: ItemResult<undefined> | undefined): Refused[] {
  if (result === undefined || result.ok) return [];
  return [{ task, code: result.error.code, message: result.error.message }];
}
