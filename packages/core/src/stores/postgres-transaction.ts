import { POSTGRES_COUNTER_SLOTS } from "../limits.js";
import type { QueueKey } from "../task.js";
import { leaseStep } from "./lease-rate.js";
import type { RunStatement, Statement } from "./postgres-connections.js";
import { columnsOf, nameOfQueue, type OpenQueue } from "./postgres-rows.js";

interface QueueCounts {
  readonly queueId: number;
  tasks: number;
  bytes: number;
  leases: number;
}

/** One transaction: the time it happens at, the counts that are written at its end, and what comes after its commit. */
export class PostgresTransaction {
  /** Read once, so that everything in one transaction happens at one moment. */
  readonly nowUs: number;
  readonly statement: RunStatement;
  readonly #counts = new Map<number, QueueCounts>();
  readonly #buried: { readonly queueId: number; readonly id: string; readonly untilUs: number }[] = [];
  readonly #arrivals = new Map<string, QueueKey>();
  readonly #afterwards: (() => void)[] = [];

  constructor(statement: RunStatement, nowUs: number) {
    this.statement = statement;
    this.nowUs = nowUs;
  }

  /** Counts tasks and payload bytes that a queue has more (or, negative, fewer). */
  addTasks(queueId: number, tasks: number, bytes: number): void {
    const counts = this.#countsOf(queueId);
    counts.tasks += tasks;
    counts.bytes += bytes;
  }

  addLeases(queueId: number, leases: number): void {
    this.#countsOf(queueId).leases += leases;
  }

  /** Keeps an id taken for a while. */
  bury(queue: OpenQueue, id: string, storeTombstoneMs: number): void {
    const keepMs = queue.settings.tombstoneMs ?? storeTombstoneMs;
    this.#buried.push({ queueId: queue.id, id, untilUs: this.nowUs + Math.round(keepMs * 1000) });
  }

  /** A queue has, or soon has, tasks that a lease can take and that others may not know of. */
  arrived(queue: QueueKey): void {
    this.#arrivals.set(nameOfQueue(queue), queue);
  }

  get arrivals(): readonly QueueKey[] {
    return [...this.#arrivals.values()];
  }

  afterCommit(callback: () => void): void {
    this.#afterwards.push(callback);
  }

  /** What is sent with the commit, so that counters are locked for a moment only; in one order, so that nobody waits in a ring. */
  closing(): readonly Statement[] {
    const closing: Statement[] = [];
    if (this.#buried.length > 0) {
      // Once for each id, or one statement would write a row twice.
      const last = new Map(this.#buried.map((one) => [`${one.queueId}/${one.id}`, one]));
      const values = columnsOf(
        [...last.values()],
        ({ queueId }) => queueId,
        ({ id }) => id,
        ({ untilUs }) => untilUs,
      );
      closing.push({ name: "bury", values });
    }
    const counts = [...this.#counts.values()].sort((a, b) => a.queueId - b.queueId);
    const changed = counts.filter(({ tasks, bytes }) => tasks !== 0 || bytes !== 0);
    if (changed.length > 0) {
      const columns = columnsOf(
        changed,
        ({ queueId }) => queueId,
        ({ tasks }) => tasks,
        ({ bytes }) => bytes,
      );
      closing.push({ name: "addCounts", values: [POSTGRES_COUNTER_SLOTS, ...columns] });
    }
    const leased = counts.filter(({ leases }) => leases > 0);
    if (leased.length > 0) {
      const columns = columnsOf(
        leased,
        ({ queueId }) => queueId,
        ({ leases }) => leases,
      );
      const values = [POSTGRES_COUNTER_SLOTS, leaseStep(this.nowUs), ...columns];
      closing.push({ name: "countLeases", values });
    }
    return closing;
  }

  committed(): void {
    for (const callback of this.#afterwards) callback();
  }

  #countsOf(queueId: number): QueueCounts {
    let counts = this.#counts.get(queueId);
    if (counts === undefined) {
      counts = { queueId, tasks: 0, bytes: 0, leases: 0 };
      this.#counts.set(queueId, counts);
    }
    return counts;
  }
}
