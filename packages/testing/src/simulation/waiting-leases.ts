import type { Books } from "./books.js";
import { attempts, isHeld, type KnownTask } from "./known-task.js";
import type { LeaseCall } from "./model.js";
import type { SimulatedTime } from "./time.js";

/** A lease that waits in a store, since when. */
interface WaitingLease extends LeaseCall {
  readonly sinceUs: number;
}

/**
 * How long a task may be available and a lease wait for it, both of them, before somebody must have been woken, in
 * milliseconds: well above the 50 ms after which an SQLite store notices what another one wrote.
 */
const WAKE_MS = 1000;

/** Which leases wait in which store, and the law that none of them sleeps beside a task that it could have. */
export class WaitingLeases {
  readonly #time: SimulatedTime;
  readonly #books: Books;
  readonly #waiting = new Set<WaitingLease>();

  constructor(time: SimulatedTime, books: Books) {
    this.#time = time;
    this.#books = books;
  }

  /** A lease call has come to a store; the returned function says that it has ended. */
  begun(call: LeaseCall): () => void {
    const { waitMs = 0 } = call.request;
    if (waitMs === 0) return () => {};
    const lease = { ...call, sinceUs: this.#time.nowUs };
    this.#waiting.add(lease);
    return () => void this.#waiting.delete(lease);
  }

  /** What waits in a store ends with its process. */
  serverDied(server: string): void {
    for (const lease of this.#waiting) if (lease.server === server) this.#waiting.delete(lease);
  }

  /** Complains of leases that slept through a wake-up. */
  check(): void {
    const untilUs = this.#time.nowUs - WAKE_MS * 1000;
    const sleeping = [...this.#waiting].filter(({ sinceUs }) => sinceUs < untilUs);
    if (sleeping.length === 0) return;
    for (const task of this.#books.tasks.values()) {
      const { changedUs } = this.#books.queue(task.queue);
      if (Math.max(task.etaUs, task.changedUs, changedUs) >= untilUs || !this.#isForTaking(task)) continue;
      const lease = sleeping.find((candidate) => isFor(candidate, task));
      if (lease === undefined) continue;
      this.#waiting.delete(lease);
      this.#books.complain(`${task.key} is available, and a lease on ${lease.server} sleeps beside it`);
    }
  }

  #isForTaking(task: KnownTask): boolean {
    const nowUs = this.#time.nowUs;
    const { isPaused, settings } = this.#books.queue(task.queue);
    // Others may have used up the rate.
    if (isPaused || settings.leasesPerSecond !== undefined) return false;
    // What is past its limit or its retention is only dropped; doubts are no law.
    if (task.isDoubtful || isHeld(task, nowUs) || task.expiresUs <= nowUs) return false;
    return attempts(task) < (settings.maxLeases ?? Number.POSITIVE_INFINITY);
  }
}

function isFor({ queues, request }: WaitingLease, { queue, tag }: KnownTask): boolean {
  if (!queues.some((key) => key.queue === queue.queue)) return false;
  const isAnyTag = request.groupByTag !== true || request.tag === undefined || request.tag === "";
  return isAnyTag || request.tag === tag;
}
