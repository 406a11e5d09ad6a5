import { IDEMPOTENCY_MS } from "../limits.js";
import type { StoreObserver } from "../store.js";
import type { Task } from "../task.js";
import type { TransactionWork } from "./group-commit.js";
import { leaseStep, STEPS_PER_HOUR } from "./lease-rate.js";
import type { Statements } from "./sqlite-statements.js";

/** How many expired memories go for each new one, and besides: more than one, so that a store catches up after a rest. */
const FORGET_FACTOR = 2;
const FORGET_EXTRA = 10;

/** One transaction: the time it happens at, and the counts that are written once at its end. */
export class SqliteTransaction implements TransactionWork {
  /** Read once, so that everything in one transaction happens at one moment. */
  readonly nowUs: number;
  readonly #statements: Statements;
  readonly #observer: StoreObserver | undefined;
  readonly #totals = new Map<number, number>();
  readonly #leases = new Map<number, number>();
  readonly #exhausted: Task[] = [];
  #buried = 0;
  #remembered = 0;

  constructor(nowUs: number, statements: Statements, observer: StoreObserver | undefined) {
    this.nowUs = nowUs;
    this.#statements = statements;
    this.#observer = observer;
  }

  /** Counts tasks that a queue has more (or, negative, fewer). */
  addTasks(queueId: number, count: number): void {
    this.#totals.set(queueId, (this.#totals.get(queueId) ?? 0) + count);
  }

  addLeases(queueId: number, count: number): void {
    this.#leases.set(queueId, (this.#leases.get(queueId) ?? 0) + count);
  }

  /** A task was dropped; its owner hears of it after the commit. */
  addExhausted(task: Task): void {
    this.#exhausted.push(task);
  }

  /** Keeps an id taken until `untilUs`. */
  bury(queueId: number, id: string, untilUs: number): void {
    this.#statements.bury.run(queueId, id, untilUs);
    this.#buried += 1;
  }

  /** Remembers what an insert with an idempotency key made. */
  rememberKey(queueId: number, key: string, task: Task): void {
    const { id, tag, enqueuedAtUs, etaUs } = task;
    const generation = keyGeneration(this.nowUs);
    this.#statements.insertKey.run(generation, queueId, key, id, tag ?? null, enqueuedAtUs, etaUs);
    this.#remembered += 1;
  }

  finish(): void {
    for (const [queueId, count] of this.#totals) {
      if (count !== 0) this.#statements.addTotal.run(count, queueId);
    }
    const step = leaseStep(this.nowUs);
    for (const [queueId, count] of this.#leases) {
      this.#statements.countLeases.run(queueId, step, count);
      this.#statements.forgetLeases.run(queueId, step - STEPS_PER_HOUR);
    }
    if (this.#buried > 0) this.#statements.forgetTombstones.run(this.nowUs, forgetCount(this.#buried));
    if (this.#remembered > 0) {
      this.#statements.forgetKeys.run(keyGeneration(this.nowUs) - 1, forgetCount(this.#remembered));
    }
  }

  committed(): void {
    for (const task of this.#exhausted) this.#observer?.onExhausted?.(task);
  }
}

/** Keys of this generation and the one before are remembered. */
export function keyGeneration(nowUs: number): number {
  return Math.floor(nowUs / (IDEMPOTENCY_MS * 1000));
}

function forgetCount(added: number): number {
  return added * FORGET_FACTOR + FORGET_EXTRA;
}
