import type { QueueErrorCode } from "../../src/errors.js";
import type { LeaseExtension, LeaseFence, NewTask } from "../../src/task.js";

/** A task as the model knows it. */
export interface ModelTask {
  readonly id: string;
  readonly tag: string | undefined;
  readonly etaUs: number;
  readonly retryCount: number;
  readonly uncounted: number;
}

/** What the model says of one item: `ok`, or the code of its error. */
export type Outcome = QueueErrorCode | "ok";

/** What a lease of the model is asked for. */
export interface ModelLease {
  readonly maxTasks: number;
  readonly leaseMs: number;
  readonly groupByTag: boolean;
  readonly tag: string | undefined;
}

/**
 * One queue in the simplest words that say what the contract says: a list that is sorted and searched again and again. It
 * knows nothing of how a store keeps its tasks, so that the two can disagree.
 */
export class StoreModel {
  tasks: readonly ModelTask[] = [];
  readonly #maxLeases: number;
  /** Ids that stay taken: chosen by a caller and gone. No command sequence is as long as their time. */
  readonly #taken = new Set<string>();
  readonly #keys = new Map<string, string>();
  readonly #named = new Set<string>();

  constructor(maxLeases: number) {
    this.#maxLeases = maxLeases;
  }

  /** What an item will come to; `undefined` for a repeated key, which gives the first task whatever else it says. */
  insertOutcome(task: NewTask): { readonly outcome: Outcome; readonly repeats: string | undefined } {
    const repeats = task.idempotencyKey === undefined ? undefined : this.#keys.get(task.idempotencyKey);
    if (repeats !== undefined) return { outcome: "ok", repeats };
    const { id } = task;
    const taken = id !== undefined && (this.#taken.has(id) || this.#find(id) !== undefined);
    return { outcome: taken ? "already_exists" : "ok", repeats };
  }

  /** Adds a task under the id that the store gave it. */
  inserted(task: NewTask, id: string, nowUs: number): void {
    if (task.id !== undefined) this.#named.add(id);
    if (task.idempotencyKey !== undefined) this.#keys.set(task.idempotencyKey, id);
    const etaUs = nowUs + (task.delayMs ?? 0) * 1_000;
    this.tasks = sorted([...this.tasks, { id, tag: task.tag, etaUs, retryCount: 0, uncounted: 0 }]);
  }

  /** Leases, and drops what has reached its limit on the way. */
  lease(request: ModelLease, nowUs: number): readonly ModelTask[] {
    const available = this.tasks.filter(({ etaUs }) => etaUs <= nowUs);
    const spent = (task: ModelTask) => task.retryCount - task.uncounted >= this.#maxLeases;
    const oldest = available.find((task) => !spent(task));
    const anyTag = !request.groupByTag;
    const tag = request.tag ?? oldest?.tag;
    // Before a tag is found, what has reached its limit is dropped whatever its tag.
    const before = request.groupByTag && request.tag === undefined ? available.indexOf(oldest!) : 0;
    const passed = available.slice(0, oldest === undefined && request.tag === undefined ? undefined : before);
    for (const task of passed) if (spent(task)) this.#remove(task.id);
    const taken: ModelTask[] = [];
    for (const task of available.filter((candidate) => anyTag || candidate.tag === tag)) {
      if (taken.length === request.maxTasks) break;
      if (spent(task)) this.#remove(task.id);
      else taken.push({ ...task, etaUs: nowUs + request.leaseMs * 1_000, retryCount: task.retryCount + 1 });
    }
    for (const task of taken) this.#replace(task);
    return taken;
  }

  extend(lease: LeaseExtension, nowUs: number): Outcome {
    const task = this.#find(lease.id);
    if (task === undefined || !holds(task, lease, nowUs)) return "lease_lost";
    const uncounted = task.uncounted + (lease.uncounted === true ? 1 : 0);
    this.#replace({ ...task, etaUs: nowUs + lease.leaseMs * 1_000, uncounted });
    return "ok";
  }

  delete(target: LeaseFence, nowUs: number): Outcome {
    const task = this.#find(target.id);
    if (task === undefined) return "not_found";
    const fenced = target.retryCount !== undefined || target.leaseEndUs !== undefined;
    if (fenced && !holds(task, target, nowUs)) return "lease_lost";
    this.#remove(task.id);
    return "ok";
  }

  purge(): number {
    const count = this.tasks.length;
    for (const { id } of this.tasks) this.#remove(id);
    return count;
  }

  #find(id: string): ModelTask | undefined {
    return this.tasks.find((task) => task.id === id);
  }

  #replace(task: ModelTask): void {
    this.tasks = sorted(this.tasks.map((other) => (other.id === task.id ? task : other)));
  }

  #remove(id: string): void {
    if (this.#named.has(id)) this.#taken.add(id);
    this.tasks = this.tasks.filter((task) => task.id !== id);
  }
}

function holds(task: ModelTask, fence: LeaseFence, nowUs: number): boolean {
  if (task.retryCount === 0 || task.etaUs <= nowUs) return false;
  if (fence.retryCount !== undefined) return fence.retryCount === task.retryCount;
  return fence.leaseEndUs === undefined || fence.leaseEndUs === task.etaUs;
}

function sorted(tasks: readonly ModelTask[]): readonly ModelTask[] {
  return [...tasks].sort((a, b) => a.etaUs - b.etaUs || (a.id < b.id ? -1 : 1));
}
