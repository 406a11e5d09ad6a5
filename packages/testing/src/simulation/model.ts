import type {
  ItemResult,
  LeaseExtension,
  LeaseFence,
  LeaseRequest,
  NewTask,
  QueueKey,
  QueueSettings,
  Task,
  TaskWithPayload,
} from "@pullqueue/core";
import { isFenced, isHeld, isMeant, type KnownTask, nameOfTask } from "./known-task.js";
import { keyOfPayload } from "./payload-key.js";
import type { SimulatedTime } from "./time.js";
import type { Trace } from "./trace.js";

/** A setting, and what it was before it was last changed. */
interface KnownSettings {
  maxLeases: number | undefined;
  maxLeasesBefore: number | undefined;
  changedUs: number;
  isPaused: boolean;
  pausedUs: number;
}

/** A lease call as the store saw it. */
export interface LeaseCall {
  readonly queues: readonly QueueKey[];
  readonly request: LeaseRequest;
  readonly server: string;
}

/** What one answer says, judged when its moment is over. */
interface Event {
  readonly rank: number;
  readonly judge: () => void;
}

/** Between the ranks of two leases of one task. */
const RANKS = 8;

/** After everything that was done: refusals, and what clients say. */
const LAST = Number.MAX_SAFE_INTEGER;

/**
 * Everything that the stores of a world have answered, and the laws that no answer may break. It knows nothing of how a store
 * works: it keeps a history of answers, and complains of the first that contradicts the others.
 *
 * Several answers of one moment may be seen in another order than they were given in. So they are judged when the moment is
 * over: in the order of the leases that they speak of, refusals last.
 */
export class Model {
  /** Tasks that are there. */
  readonly tasks = new Map<string, KnownTask>();
  /** Why the others are not. */
  readonly gone = new Map<string, string>();
  /** How often tasks of each queue were handed out. */
  readonly grants = new Map<string, number>();
  readonly complaints: string[] = [];
  readonly #time: SimulatedTime;
  readonly #trace: Trace;
  /** By the key in the payload: under which name the task was stored. */
  readonly #stored = new Map<string, string>();
  readonly #settings = new Map<string, KnownSettings>();
  #events: Event[] = [];

  constructor(time: SimulatedTime, trace: Trace) {
    this.#time = time;
    this.#trace = trace;
    time.onSettled(() => this.#judge());
  }

  /** A law was broken. */
  complain(what: string): void {
    this.#trace.add("LAW", what);
    this.complaints.push(`after ${this.#time.elapsedMs / 1000} s: ${what}`);
  }

  /** The task that carries a key, if it is there. */
  taskOf(key: string): KnownTask | undefined {
    return this.tasks.get(this.#stored.get(key) ?? "");
  }

  /** Why the task that carried a key is not there; undefined when it is, or never was. */
  endOf(key: string): string | undefined {
    return this.gone.get(this.#stored.get(key) ?? "");
  }

  /** Whether a task with this key was ever stored. */
  wasStored(key: string): boolean {
    return this.#stored.has(key);
  }

  isPaused({ queue }: QueueKey): boolean {
    return this.#settings.get(queue)?.isPaused === true;
  }

  /** Leases after which tasks of a queue are dropped. */
  maxLeases({ queue }: QueueKey): number {
    return this.#settings.get(queue)?.maxLeases ?? Number.POSITIVE_INFINITY;
  }

  /** Judges something after all answers of this moment. */
  atLast(judge: () => void): void {
    this.#add(LAST, judge);
  }

  settingsPut({ queue }: QueueKey, settings: QueueSettings): void {
    const known = this.#known(queue);
    known.maxLeasesBefore = known.maxLeases;
    known.maxLeases = settings.maxLeases;
    known.changedUs = this.#time.nowUs;
  }

  pausePut({ queue }: QueueKey, state: "paused" | "resumed"): void {
    const known = this.#known(queue);
    known.isPaused = state === "paused";
    known.pausedUs = this.#time.nowUs;
  }

  insertAnswered(queue: QueueKey, task: NewTask, result: ItemResult<Task>): void {
    const nowUs = this.#time.nowUs;
    if (result.ok) this.#add(-1, () => this.#inserted(queue, task, result.value, nowUs));
    else if (result.error.code === "already_exists") {
      const name = nameOfTask(queue, task.id ?? "");
      this.atLast(() => {
        if (!this.tasks.has(name) && !this.gone.has(name))
          this.complain(`${name} was refused and never taken`);
      });
    }
  }

  leaseAnswered(call: LeaseCall, tasks: readonly TaskWithPayload[]): void {
    // Their places before this lease, in the order of the answer.
    const places: { etaUs: number; id: string }[] = [];
    for (const task of tasks) {
      this.#add(task.retryCount * RANKS, () => {
        const place = this.#granted(call, task);
        if (place !== undefined) places.push(place);
        if (place !== undefined && places.length === tasks.length) this.#checkOrder(tasks, places);
      });
    }
  }

  extendAnswered(queue: QueueKey, lease: LeaseExtension, result: ItemResult<Task>): void {
    if (!result.ok) this.#refused(queue, lease, result.error.code);
    else {
      const { value } = result;
      this.#add(value.retryCount * RANKS + 1, () => this.#extended(queue, lease, value));
    }
  }

  deleteAnswered(queue: QueueKey, fence: LeaseFence, result: ItemResult<undefined>): void {
    const nowUs = this.#time.nowUs;
    const rank = fence.retryCount === undefined ? LAST - 2 : fence.retryCount * RANKS + 2;
    if (!result.ok) this.#refused(queue, fence, result.error.code);
    else this.#add(rank, () => this.#deleted(queue, fence, nowUs));
  }

  /** The store dropped a task by itself. */
  dropped(task: Task, why: "exhausted" | "expired"): void {
    const nowUs = this.#time.nowUs;
    this.#add(task.retryCount * RANKS + 3, () => {
      const known = this.#mustBeThere(task.queue, task.id, `was ${why}`);
      if (known === undefined) return;
      if (isHeld(known, nowUs)) this.complain(`${known.key} was ${why} while it was held`);
      if (why === "exhausted") this.#checkExhausted(known);
      this.#remove(known, why);
    });
  }

  /** A purge has begun; the returned function says how it ended. */
  purgeBegun(queue: QueueKey): (how: "answered" | "unclear") => void {
    const startUs = this.#time.nowUs;
    return (how) =>
      this.#add(LAST - 1, () => {
        for (const task of [...this.tasks.values()]) {
          if (task.queue.queue !== queue.queue) continue;
          if (how === "answered" && task.insertedUs < startUs) this.#remove(task, "purged");
          else task.isDoubtful = true;
        }
      });
  }

  /** Takes a doubtful task, or one that a look has settled, out of the books. */
  settle(task: KnownTask, outcome: "there" | "purged"): void {
    if (outcome === "purged") this.#remove(task, outcome);
    else task.isDoubtful = false;
  }

  #add(rank: number, judge: () => void): void {
    this.#time.note();
    this.#events.push({ rank, judge });
  }

  #judge(): void {
    if (this.#events.length === 0) return;
    const events = this.#events.sort((a, b) => a.rank - b.rank);
    this.#events = [];
    for (const { judge } of events) judge();
  }

  #inserted(queue: QueueKey, task: NewTask, value: Task, nowUs: number): void {
    const key = keyOfPayload(task.payload);
    const name = nameOfTask(queue, value.id);
    const earlier = this.#stored.get(key);
    if (earlier === name) return; // The same insert again.
    if (earlier !== undefined) this.complain(`${key} was published once and stored twice`);
    if (this.gone.has(name)) this.complain(`${key} got the id of a task that was ${this.gone.get(name)}`);
    const dueUs = nowUs + (task.delayMs ?? 0) * 1000;
    if (value.etaUs !== dueUs) this.complain(`${key} is due ${(value.etaUs - dueUs) / 1000} ms late`);
    this.#stored.set(key, name);
    this.tasks.set(name, {
      ...{ queue, id: value.id, key, tag: task.tag, payloadBytes: task.payload.byteLength },
      ...{ insertedUs: nowUs, etaUs: value.etaUs, retryCount: 0, uncounted: 0 },
      ...{ changedUs: nowUs, isDoubtful: false },
    });
  }

  /** The task's place before, or undefined when there should have been no such lease. */
  #granted(call: LeaseCall, task: TaskWithPayload): { etaUs: number; id: string } | undefined {
    const known = this.#mustBeThere(task.queue, task.id, "was handed out");
    if (known === undefined) return undefined;
    const { key } = known;
    this.#trace.add(call.server, `hands out ${key}, lease ${task.retryCount}`);
    const atUs = task.etaUs - Math.round(call.request.leaseMs * 1000);
    const place = { etaUs: known.etaUs, id: known.id };
    if (keyOfPayload(task.payload) !== key) this.complain(`${key} was handed out with another payload`);
    if (isHeld(known, atUs)) this.complain(`${key} was handed out while it was held`);
    else if (known.etaUs > atUs) this.complain(`${key} was handed out before its eta`);
    if (task.retryCount !== known.retryCount + 1) {
      this.complain(`${key} went from lease ${known.retryCount} to lease ${task.retryCount}`);
    }
    this.#checkAttempts(known, task);
    this.#checkPause(known, atUs);
    this.#update(known, task);
    this.grants.set(task.queue.queue, (this.grants.get(task.queue.queue) ?? 0) + 1);
    return place;
  }

  #checkAttempts(known: KnownTask, { retryCount, uncounted }: Task): void {
    if (uncounted !== known.uncounted) {
      this.complain(`${known.key} has ${uncounted} uncounted leases, and should have ${known.uncounted}`);
    }
    const { maxLeases, maxLeasesBefore, changedUs } = this.#known(known.queue.queue);
    const limits = changedUs === this.#time.nowUs ? [maxLeases, maxLeasesBefore] : [maxLeases];
    const most = Math.max(...limits.map((limit) => limit ?? Number.POSITIVE_INFINITY));
    if (retryCount - uncounted > most) {
      this.complain(`${known.key} was handed out ${retryCount - uncounted} times, more than ${most}`);
    }
  }

  #checkPause({ key, queue }: KnownTask, atUs: number): void {
    const { isPaused, pausedUs } = this.#known(queue.queue);
    if (isPaused && atUs > pausedUs) this.complain(`${key} was handed out by a paused queue`);
  }

  #checkExhausted({ key, queue, retryCount, uncounted }: KnownTask): void {
    const { maxLeases, maxLeasesBefore } = this.#known(queue.queue);
    const least = Math.min(
      maxLeases ?? Number.POSITIVE_INFINITY,
      maxLeasesBefore ?? Number.POSITIVE_INFINITY,
    );
    if (retryCount - uncounted < least)
      this.complain(`${key} was dropped after ${retryCount - uncounted} leases`);
  }

  /** The oldest first. Answers were judged in the order of retry counts, so both are sorted alike. */
  #checkOrder(tasks: readonly Task[], places: readonly { etaUs: number; id: string }[]): void {
    const byId = new Map(places.map((place) => [place.id, place]));
    for (const [index, { id }] of tasks.entries()) {
      const [before, after] = [byId.get(tasks[index - 1]?.id ?? ""), byId.get(id)!];
      if (before === undefined) continue;
      if (before.etaUs < after.etaUs || (before.etaUs === after.etaUs && before.id < after.id)) continue;
      this.complain(`a lease answer is not in order: ${before.etaUs} came before ${after.etaUs}`);
    }
  }

  #extended(queue: QueueKey, lease: LeaseExtension, value: Task): void {
    const known = this.#mustBeThere(queue, lease.id, "was renewed");
    if (known === undefined) return;
    const atUs = value.etaUs - Math.round(lease.leaseMs * 1000);
    if (!isHeld(known, atUs) || !isMeant(known, lease)) {
      this.complain(`${known.key} was renewed by somebody who did not hold it (lease ${lease.retryCount})`);
    }
    if (lease.uncounted === true) known.uncounted += 1;
    if (value.retryCount !== known.retryCount || value.uncounted !== known.uncounted) {
      this.complain(`${known.key} has other counts after a renewal`);
    }
    this.#update(known, value);
  }

  #deleted(queue: QueueKey, fence: LeaseFence, nowUs: number): void {
    const known = this.#mustBeThere(queue, fence.id, "was deleted");
    if (known === undefined) return;
    if (isFenced(fence) && (!isHeld(known, nowUs) || !isMeant(known, fence))) {
      this.complain(`${known.key} was deleted by somebody who did not hold it (lease ${fence.retryCount})`);
    }
    this.#remove(known, "deleted");
  }

  #refused(queue: QueueKey, fence: LeaseFence, code: string): void {
    const nowUs = this.#time.nowUs;
    this.atLast(() => {
      const known = this.tasks.get(nameOfTask(queue, fence.id));
      if (known === undefined || known.isDoubtful) return;
      if (code === "not_found")
        this.complain(`${known.key} is there, and a call on it was answered not_found`);
      if (code === "lease_lost" && isHeld(known, nowUs) && isMeant(known, fence)) {
        this.complain(`the holder of ${known.key} was refused (lease ${fence.retryCount})`);
      }
    });
  }

  #mustBeThere(queue: QueueKey, id: string, what: string): KnownTask | undefined {
    const name = nameOfTask(queue, id);
    const known = this.tasks.get(name);
    if (known === undefined)
      this.complain(`${this.#keyOf(name)} ${what} after it was ${this.gone.get(name) ?? "never inserted"}`);
    return known;
  }

  #keyOf(name: string): string {
    return [...this.#stored].find(([, stored]) => stored === name)?.[0] ?? "a stranger";
  }

  #update(known: KnownTask, { etaUs, retryCount, uncounted }: Task): void {
    Object.assign(known, { etaUs, retryCount, uncounted, changedUs: this.#time.nowUs, isDoubtful: false });
  }

  #remove(known: KnownTask, why: string): void {
    const name = nameOfTask(known.queue, known.id);
    this.tasks.delete(name);
    this.gone.set(name, why);
  }

  #known(queue: string): KnownSettings {
    let known = this.#settings.get(queue);
    if (known === undefined) {
      known = {
        maxLeases: undefined,
        maxLeasesBefore: undefined,
        changedUs: 0,
        isPaused: false,
        pausedUs: 0,
      };
      this.#settings.set(queue, known);
    }
    return known;
  }
}
