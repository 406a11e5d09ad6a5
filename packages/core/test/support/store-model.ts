import type { QueueErrorCode } from "../../src/errors.js";
import type { DeadLetter, LeaseExtension, LeaseFence, NewTask, TagFilter } from "../../src/task.js";

/** A task as the model knows it. */
export interface ModelTask {
  readonly id: string;
  readonly tag: string | undefined;
  readonly etaUs: number;
  readonly retryCount: number;
  readonly uncounted: number;
  readonly expiresAtUs: number | undefined;
  /** Its id where it came from, and why it did. */
  readonly deadLetter: Pick<DeadLetter, "id" | "reason"> | undefined;
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

/** What a queue of the model is told; the limits are those of `QueueSettings`. */
export interface ModelSettings {
  readonly maxLeases: number;
  readonly retentionMs: number | undefined;
  readonly storageBytesMax: number;
  /** Where its tasks go that are given up. */
  readonly deadLetters: StoreModel | undefined;
}

/** Gives the id that the store has chosen for a task that could not keep its own. */
export type NewId = (task: ModelTask) => string;

/**
 * One queue in the simplest words that say what the contract says: a list that is sorted and searched again and again. It
 * knows nothing of how a store keeps its tasks, so that the two can disagree. Payloads have one byte.
 */
export class StoreModel {
  tasks: readonly ModelTask[] = [];
  paused = false;
  readonly #settings: ModelSettings;
  /** Ids that stay taken: chosen by a caller and gone. No command sequence is as long as their time. */
  readonly #taken = new Set<string>();
  readonly #keys = new Map<string, string>();
  readonly #named = new Set<string>();

  constructor(settings: ModelSettings) {
    this.#settings = settings;
  }

  /** What an item will come to; `undefined` for a repeated key, which gives the first task whatever else it says. */
  insertOutcome(task: NewTask): { readonly outcome: Outcome; readonly repeats: string | undefined } {
    const repeats = task.idempotencyKey === undefined ? undefined : this.#keys.get(task.idempotencyKey);
    if (repeats !== undefined) return { outcome: "ok", repeats };
    const { id } = task;
    const taken = id !== undefined && (this.#taken.has(id) || this.#find(id) !== undefined);
    if (taken) return { outcome: "already_exists", repeats };
    const full = this.tasks.length + 1 > this.#settings.storageBytesMax;
    return { outcome: full ? "resource_exhausted" : "ok", repeats };
  }

  /** Adds a task under the id that the store gave it. */
  inserted(task: NewTask, id: string, nowUs: number): void {
    if (task.id !== undefined) this.#named.add(id);
    if (task.idempotencyKey !== undefined) this.#keys.set(task.idempotencyKey, id);
    const etaUs = nowUs + (task.delayMs ?? 0) * 1_000;
    this.#add({
      id,
      tag: task.tag,
      etaUs,
      retryCount: 0,
      uncounted: 0,
      expiresAtUs: this.#expiry(nowUs),
      deadLetter: undefined,
    });
  }

  /** Leases, and gives up what has reached its limit on the way. */
  lease(request: ModelLease, nowUs: number, newId: NewId): readonly ModelTask[] {
    if (this.paused) return [];
    const available = this.tasks.filter(({ etaUs }) => etaUs <= nowUs);
    const ended = (task: ModelTask) => this.#reason(task, nowUs) !== undefined;
    const oldest = available.find((task) => !ended(task));
    const anyTag = !request.groupByTag;
    const tag = request.tag ?? oldest?.tag;
    // Before a tag is found, what has reached its limit is given up whatever its tag.
    const before = request.groupByTag && request.tag === undefined ? available.indexOf(oldest!) : 0;
    const passed = available.slice(0, oldest === undefined && request.tag === undefined ? undefined : before);
    const givenUp = passed.filter(ended);
    const taken: ModelTask[] = [];
    for (const task of available.filter((candidate) => anyTag || candidate.tag === tag)) {
      if (taken.length === request.maxTasks) break;
      if (ended(task)) givenUp.push(task);
      else taken.push({ ...task, etaUs: nowUs + request.leaseMs * 1_000, retryCount: task.retryCount + 1 });
    }
    for (const task of new Set(givenUp)) this.#giveUp(task, nowUs, newId);
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
    const fenced = target.retryCount !== undefined || target.leaseEndUs !== undefined;
    if (task === undefined) {
      // A late holder must not take a dead letter for done.
      const letters = this.#settings.deadLetters?.tasks ?? [];
      const livesOn = letters.some(({ id, deadLetter }) => id === target.id && deadLetter !== undefined);
      return fenced && livesOn ? "lease_lost" : "not_found";
    }
    if (fenced && !holds(task, target, nowUs)) return "lease_lost";
    this.#remove(task.id);
    return "ok";
  }

  purge(only?: TagFilter): number {
    const chosen = this.tasks.filter(({ tag }) => only === undefined || tag === only.tag);
    for (const { id } of chosen) this.#remove(id);
    return chosen.length;
  }

  /** Gives up what is past its retention and in nobody's hands; says how many. */
  sweep(nowUs: number, newId: NewId): number {
    const expired = this.tasks.filter(
      (task) => this.#reason(task, nowUs) === "retention" && !isHeld(task, nowUs),
    );
    for (const task of expired) this.#giveUp(task, nowUs, newId);
    return expired.length;
  }

  /** Moves dead letters that nobody holds to where they came from; says how many. */
  redriveTo(origin: StoreModel, nowUs: number, newId: NewId): number {
    const moving = this.tasks.filter((task) => task.deadLetter !== undefined && !isHeld(task, nowUs));
    for (const task of moving) this.#moveTo(origin, task, undefined, nowUs, newId);
    return moving.length;
  }

  #giveUp(task: ModelTask, nowUs: number, newId: NewId): void {
    const target = this.#settings.deadLetters;
    const reason = this.#reason(task, nowUs);
    if (target === undefined || reason === undefined) this.#remove(task.id);
    else this.#moveTo(target, task, { id: task.id, reason }, nowUs, newId);
  }

  #moveTo(
    target: StoreModel,
    task: ModelTask,
    deadLetter: ModelTask["deadLetter"],
    nowUs: number,
    newId: NewId,
  ): void {
    const moved = { ...task, etaUs: nowUs, uncounted: task.retryCount, deadLetter };
    const conflict = target.#find(task.id) !== undefined;
    const id = conflict ? newId(moved) : task.id;
    if (!conflict && this.#named.has(task.id)) target.#named.add(id);
    this.#remove(task.id);
    target.#add({ ...moved, id, expiresAtUs: target.#expiry(nowUs) });
  }

  #reason(task: ModelTask, nowUs: number): DeadLetter["reason"] | undefined {
    if (task.expiresAtUs !== undefined && task.expiresAtUs <= nowUs) return "retention";
    return task.retryCount - task.uncounted >= this.#settings.maxLeases ? "retry_limit" : undefined;
  }

  #expiry(nowUs: number): number | undefined {
    const { retentionMs } = this.#settings;
    return retentionMs === undefined ? undefined : nowUs + retentionMs * 1_000;
  }

  #find(id: string): ModelTask | undefined {
    return this.tasks.find((task) => task.id === id);
  }

  #add(task: ModelTask): void {
    this.tasks = sorted([...this.tasks, task]);
  }

  #replace(task: ModelTask): void {
    this.tasks = sorted(this.tasks.map((other) => (other.id === task.id ? task : other)));
  }

  #remove(id: string): void {
    if (this.#named.has(id)) this.#taken.add(id);
    this.tasks = this.tasks.filter((task) => task.id !== id);
  }
}

function isHeld(task: ModelTask, nowUs: number): boolean {
  return task.retryCount > 0 && task.etaUs > nowUs;
}

function holds(task: ModelTask, fence: LeaseFence, nowUs: number): boolean {
  if (!isHeld(task, nowUs)) return false;
  if (fence.retryCount !== undefined) return fence.retryCount === task.retryCount;
  return fence.leaseEndUs === undefined || fence.leaseEndUs === task.etaUs;
}

function sorted(tasks: readonly ModelTask[]): readonly ModelTask[] {
  return [...tasks].sort((a, b) => a.etaUs - b.etaUs || (a.id < b.id ? -1 : 1));
}
