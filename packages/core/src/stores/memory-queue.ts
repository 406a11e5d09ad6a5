import type { TaskPosition } from "../naive-store.js";
import type { QueueKey, QueueSettings, QueueStats } from "../task.js";
import { LeaseRate } from "./lease-rate.js";
import type { Candidate, CandidateSource } from "./pick.js";
import { SortedTasks, START } from "./sorted-tasks.js";

/** A task as a memory store keeps it. */
export interface MemoryTask extends Candidate {
  readonly queue: MemoryQueue;
  /** Its caller chose the id, which so stays taken for a while. */
  readonly named: boolean;
  readonly enqueuedAtUs: number;
  readonly payload: Uint8Array;
  etaUs: number;
  retryCount: number;
  uncounted: number;
}

/** A queue in memory: its tasks by id, in order, and in order for each tag. */
export class MemoryQueue {
  readonly key: QueueKey;
  settings: QueueSettings;
  readonly tasks = new Map<string, MemoryTask>();
  readonly leases = new LeaseRate();
  readonly #serial: number;
  readonly #ordered = new SortedTasks<MemoryTask>();
  readonly #byTag = new Map<string | undefined, SortedTasks<MemoryTask>>();

  constructor(key: QueueKey, serial: number, settings: QueueSettings) {
    this.key = key;
    this.#serial = serial;
    this.settings = settings;
  }

  /** A name that no other queue has, present or past. */
  scoped(name: string): string {
    return `${this.#serial}/${name}`;
  }

  add(task: MemoryTask): void {
    this.tasks.set(task.id, task);
    this.#place(task);
  }

  remove(task: MemoryTask): void {
    this.tasks.delete(task.id);
    this.#unplace(task);
  }

  /** Gives a task another eta. */
  move(task: MemoryTask, etaUs: number): void {
    this.#unplace(task);
    task.etaUs = etaUs;
    this.#place(task);
  }

  /** What a lease may take at `nowUs`. */
  source(nowUs: number): CandidateSource<MemoryTask> {
    return {
      maxLeases: this.settings.maxLeases,
      available: (only) => upTo(nowUs, only === undefined ? this.#ordered : this.#byTag.get(only.tag)),
    };
  }

  list(limit: number, after: TaskPosition | undefined): MemoryTask[] {
    const page: MemoryTask[] = [];
    for (const task of this.#ordered.after(after ?? START)) {
      page.push(task);
      if (page.length === limit) break;
    }
    return page;
  }

  nextEtaUs(afterUs: number): number | undefined {
    // No id comes after this one, so the next item has a later eta.
    return this.#ordered.after({ etaUs: afterUs, id: "\uffff" }).next().value?.etaUs;
  }

  stats(nowUs: number): QueueStats {
    return {
      totalTasks: this.tasks.size,
      availableTasks: this.#ordered.countUpTo(nowUs),
      oldestEtaUs: this.#ordered.first()?.etaUs,
      leasedLastMinute: this.leases.lastMinute(nowUs),
      leasedLastHour: this.leases.lastHour(nowUs),
    };
  }

  #place(task: MemoryTask): void {
    this.#ordered.add(task);
    let tagged = this.#byTag.get(task.tag);
    if (tagged === undefined) {
      tagged = new SortedTasks();
      this.#byTag.set(task.tag, tagged);
    }
    tagged.add(task);
  }

  #unplace(task: MemoryTask): void {
    this.#ordered.remove(task);
    const tagged = this.#byTag.get(task.tag)!;
    tagged.remove(task);
    if (tagged.size === 0) this.#byTag.delete(task.tag);
  }
}

function* upTo(nowUs: number, tasks: SortedTasks<MemoryTask> | undefined): IterableIterator<MemoryTask> {
  if (tasks === undefined) return;
  for (const task of tasks.after(START)) {
    if (task.etaUs > nowUs) return;
    yield task;
  }
}
