import { IDEMPOTENCY_MS } from "../limits.js";
import type { StoreObserver } from "../store.js";
import type { DeadLetter, QueueKey, Task } from "../task.js";
import type { CommitMeasures, TransactionWork } from "./group-commit.js";
import { leaseStep, STEPS_PER_HOUR } from "./lease-rate.js";
import type { Statements } from "./sqlite-statements.js";

/** How many expired memories go for each new one, and besides: more than one, so that a store catches up after a rest. */
const FORGET_FACTOR = 2;
const FORGET_EXTRA = 10;

/** What a queue has more or less when the transaction ends. */
interface Totals {
  tasks: number;
  payloadBytes: number;
}

/** What was leased of a queue. */
interface LeaseCounts {
  readonly key: QueueKey;
  tasks: number;
  expiredLeases: number;
}

/** One transaction: the time it happens at, and the counts that are written once at its end. */
export class SqliteTransaction implements TransactionWork {
  /** Read once, so that everything in one transaction happens at one moment. */
  readonly nowUs: number;
  readonly #statements: Statements;
  readonly #observer: StoreObserver | undefined;
  readonly #totals = new Map<number, Totals>();
  readonly #leases = new Map<number, LeaseCounts>();
  /** What its owner hears of after the commit. */
  readonly #news: ((observer: StoreObserver) => void)[] = [];
  #buried = 0;
  #remembered = 0;

  constructor(nowUs: number, statements: Statements, observer: StoreObserver | undefined) {
    this.nowUs = nowUs;
    this.#statements = statements;
    this.#observer = observer;
  }

  /** Counts tasks that a queue has more (or, negative, fewer), and their payload bytes. */
  addTasks(queueId: number, tasks: number, payloadBytes: number): void {
    const totals = this.#totals.get(queueId);
    if (totals === undefined) {
      this.#totals.set(queueId, { tasks, payloadBytes });
      return;
    }
    totals.tasks += tasks;
    totals.payloadBytes += payloadBytes;
  }

  /** Payload bytes that a queue has more than its row says, because of what this transaction did so far. */
  addedBytes(queueId: number): number {
    return this.#totals.get(queueId)?.payloadBytes ?? 0;
  }

  /** Counts a leased task of a queue, and whether it had a lease before that ran out. */
  addLease(queueId: number, key: QueueKey, expiredLeases: 0 | 1): void {
    let counts = this.#leases.get(queueId);
    if (counts === undefined) {
      counts = { key, tasks: 0, expiredLeases: 0 };
      this.#leases.set(queueId, counts);
    }
    counts.tasks += 1;
    counts.expiredLeases += expiredLeases;
  }

  /** A task was dropped. */
  addDropped(task: Task, reason: DeadLetter["reason"]): void {
    if (reason === "retention") this.#news.push((observer) => observer.onExpired?.(task));
    else this.#news.push((observer) => observer.onExhausted?.(task));
  }

  /** A task was moved to a dead-letter queue. */
  addDeadLetter(task: Task): void {
    this.#news.push((observer) => observer.onDeadLettered?.(task));
  }

  /** Keeps an id taken until `untilUs`. */
  bury(queueId: number, id: string, untilUs: number): void {
    this.#statements.bury.run(queueId, id, untilUs);
    this.#buried += 1;
  }

  /** Remembers what an insert with an idempotency key made. */
  rememberKey(queueId: number, key: string, task: Task): void {
    const { id, tag, enqueuedAtUs, etaUs, traceparent, tracestate } = task;
    this.#statements.insertKey.run(
      keyGeneration(this.nowUs),
      queueId,
      key,
      id,
      tag ?? null,
      enqueuedAtUs,
      etaUs,
      traceparent ?? null,
      tracestate ?? null,
    );
    this.#remembered += 1;
  }

  finish(): void {
    for (const [queueId, { tasks, payloadBytes }] of this.#totals) {
      if (tasks !== 0 || payloadBytes !== 0) this.#statements.addTotals.run(tasks, payloadBytes, queueId);
    }
    const step = leaseStep(this.nowUs);
    for (const [queueId, { tasks }] of this.#leases) {
      if (Number(this.#statements.countLeases.run(tasks, queueId, step).changes) > 0) continue;
      // Old counts go when a new one comes: not with every lease.
      this.#statements.countFirstLeases.run(queueId, step, tasks);
      this.#statements.forgetLeases.run(queueId, step - STEPS_PER_HOUR);
    }
    if (this.#buried > 0) this.#statements.forgetTombstones.run(this.nowUs, forgetCount(this.#buried));
    const oldest = keyGeneration(this.nowUs) - 1;
    // Mostly there is nothing to forget, and finding that out by a DELETE costs ten times as much.
    if (this.#remembered > 0 && this.#statements.anyKeyBefore.get(oldest) !== undefined) {
      this.#statements.forgetKeys.run(oldest, forgetCount(this.#remembered));
    }
  }

  committed(commit: CommitMeasures): void {
    const observer = this.#observer;
    if (observer === undefined) return;
    for (const tell of this.#news) tell(observer);
    for (const { key, tasks, expiredLeases } of this.#leases.values()) {
      observer.onLeased?.(key, { tasks, expiredLeases });
    }
    observer.onCommit?.(commit);
  }
}

/** Keys of this generation and the one before are remembered. */
export function keyGeneration(nowUs: number): number {
  return Math.floor(nowUs / (IDEMPOTENCY_MS * 1000));
}

function forgetCount(added: number): number {
  return added * FORGET_FACTOR + FORGET_EXTRA;
}
