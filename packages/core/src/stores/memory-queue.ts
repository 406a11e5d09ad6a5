import type { TaskPosition } from "../naive-store.js";
import type {
  DeadLetter,
  QueueKey,
  QueueSettings,
  QueueStats,
  TagFilter,
  TagStats,
  Task,
  TaskWithPayload,
} from "../task.js";
import { LeaseRate } from "./lease-rate.js";
import { isHeld } from "./lease-rules.js";
import type { Candidate, CandidateSource } from "./pick.js";
import { type Sortable, SortedTasks, START } from "./sorted-tasks.js";

/** A task as a memory store keeps it. */
export interface MemoryTask extends Candidate {
  readonly queue: MemoryQueue;
  /** Its caller chose the id, which so stays taken for a while. */
  readonly named: boolean;
  readonly enqueuedAtUs: number;
  readonly payload: Uint8Array;
  readonly traceparent: string | undefined;
  readonly tracestate: string | undefined;
  readonly deadLetter: DeadLetter | undefined;
  etaUs: number;
  retryCount: number;
  uncounted: number;
  /** The last lease was given back, or there was none in this queue. */
  givenBack: boolean;
}

/** A task in the order of the ends of retentions. */
interface Expiry extends Sortable {
  readonly task: MemoryTask;
}

/** The tasks of each tag, in order. */
type TagIndex = Map<string | undefined, SortedTasks<MemoryTask>>;

/** A queue in memory: its tasks by id, in order, and in order for each tag where anybody has asked by tag. */
export class MemoryQueue {
  readonly key: QueueKey;
  settings: QueueSettings;
  paused = false;
  payloadBytes = 0;
  readonly tasks = new Map<string, MemoryTask>();
  readonly leases = new LeaseRate();
  readonly #serial: number;
  readonly #ordered = new SortedTasks<MemoryTask>();
  /** Made when it is first asked for: most queues are leased from without a word of tags. */
  #byTag: TagIndex | undefined;
  readonly #byExpiry = new SortedTasks<Expiry>();
  readonly #expiries = new Map<string, Expiry>();

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
    this.payloadBytes += task.payloadBytes;
    this.#place(task);
    if (task.expiresAtUs === undefined) return;
    const expiry = { etaUs: task.expiresAtUs, id: task.id, task };
    this.#byExpiry.add(expiry);
    this.#expiries.set(task.id, expiry);
  }

  remove(task: MemoryTask): void {
    this.tasks.delete(task.id);
    this.payloadBytes -= task.payloadBytes;
    this.#unplace(task);
    const expiry = this.#expiries.get(task.id);
    if (expiry === undefined) return;
    this.#byExpiry.remove(expiry);
    this.#expiries.delete(task.id);
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
      available: (only) => upTo(nowUs, only === undefined ? this.#ordered : this.#tagIndex().get(only.tag)),
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

  /** Tasks whose retention is over and that nobody holds. */
  expired(nowUs: number): MemoryTask[] {
    const expired: MemoryTask[] = [];
    for (const { etaUs, task } of this.#byExpiry.after(START)) {
      if (etaUs > nowUs) break;
      if (!isHeld(task, nowUs)) expired.push(task);
    }
    return expired;
  }

  /** Counts of at most `limit` tags after one, or from the untagged. */
  tagStats(limit: number, after: TagFilter | undefined, nowUs: number): TagStats[] {
    // Pairs, because an array of tags alone would be sorted with undefined at its end, whatever is compared.
    return [...this.#tagIndex()]
      .sort(([one], [other]) => compareTags(one, other))
      .filter(([tag]) => after === undefined || compareTags(tag, after.tag) > 0)
      .slice(0, limit)
      .map(([tag, tasks]) => {
        const availableTasks = tasks.countUpTo(nowUs);
        return { tag, totalTasks: tasks.size, availableTasks, oldestEtaUs: tasks.first()?.etaUs };
      });
  }

  stats(nowUs: number): QueueStats {
    const availableTasks = this.#ordered.countUpTo(nowUs);
    let leasedTasks = 0;
    for (const task of this.#ordered.after({ etaUs: nowUs, id: "\uffff" })) {
      if (isHeld(task, nowUs)) leasedTasks += 1;
    }
    return {
      totalTasks: this.tasks.size,
      availableTasks,
      leasedTasks,
      payloadBytes: this.payloadBytes,
      oldestEtaUs: this.#ordered.first()?.etaUs,
      leasedLastMinute: this.leases.lastMinute(nowUs),
      leasedLastHour: this.leases.lastHour(nowUs),
    };
  }

  #place(task: MemoryTask): void {
    this.#ordered.add(task);
    if (this.#byTag !== undefined) addTagged(this.#byTag, task);
  }

  #unplace(task: MemoryTask): void {
    this.#ordered.remove(task);
    const tagged = this.#byTag?.get(task.tag);
    tagged?.remove(task);
    if (tagged?.size === 0) this.#byTag?.delete(task.tag);
  }

  #tagIndex(): TagIndex {
    if (this.#byTag === undefined) {
      this.#byTag = new Map();
      for (const task of this.#ordered.after(START)) addTagged(this.#byTag, task);
    }
    return this.#byTag;
  }
}

function addTagged(index: TagIndex, task: MemoryTask): void {
  let tagged = index.get(task.tag);
  if (tagged === undefined) {
    tagged = new SortedTasks();
    index.set(task.tag, tagged);
  }
  tagged.add(task);
}

/** Untagged first, then by code unit. */
function compareTags(a: string | undefined, b: string | undefined): number {
  if (a === b) return 0;
  if (a === undefined) return -1;
  return b === undefined || a > b ? 1 : -1;
}

function* upTo(nowUs: number, tasks: SortedTasks<MemoryTask> | undefined): IterableIterator<MemoryTask> {
  if (tasks === undefined) return;
  for (const task of tasks.after(START)) {
    if (task.etaUs > nowUs) return;
    yield task;
  }
}

/** A task as its callers see it. */
export function plain(task: MemoryTask): Task {
  const { queue, id, tag, enqueuedAtUs, etaUs, retryCount, uncounted, traceparent, deadLetter } = task;
  const always = { queue: queue.key, id, tag, enqueuedAtUs, etaUs, retryCount, uncounted };
  // There is no trace state without its parent.
  return traceparent === undefined && deadLetter === undefined ? always : { ...always, ...rarelyThere(task) };
}

/** The same with its payload, as `share` makes it for others. */
export function withPayload(task: MemoryTask, share: (payload: Uint8Array) => Uint8Array): TaskWithPayload {
  const { queue, id, tag, enqueuedAtUs, etaUs, retryCount, uncounted, traceparent, deadLetter } = task;
  const payload = share(task.payload);
  const always = { queue: queue.key, id, tag, enqueuedAtUs, etaUs, retryCount, uncounted, payload };
  return traceparent === undefined && deadLetter === undefined ? always : { ...always, ...rarelyThere(task) };
}

function rarelyThere({ traceparent, tracestate, deadLetter }: MemoryTask): Partial<Task> {
  return {
    ...(traceparent === undefined ? {} : { traceparent }),
    ...(tracestate === undefined ? {} : { tracestate }),
    ...(deadLetter === undefined ? {} : { deadLetter }),
  };
}
