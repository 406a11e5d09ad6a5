import { DEFAULT_QUEUE_SETTINGS, type QueueKey, type QueueSettings, type Task } from "@pullqueue/core";
import { isHeld, type KnownTask, nameOfTask } from "./known-task.js";
import type { SimulatedTime } from "./time.js";
import type { Trace } from "./trace.js";

/** A queue's settings, and what they were before. */
export interface KnownQueue {
  settings: QueueSettings;
  before: QueueSettings;
  isPaused: boolean;
  /** When settings or pause last changed. */
  changedUs: number;
}

/** What is known of all tasks and queues of a world, from the answers of its stores alone; and the broken laws. */
export class Books {
  /** Tasks that are there. */
  readonly tasks = new Map<string, KnownTask>();
  /** Why the others are not. */
  readonly gone = new Map<string, string>();
  /** How often tasks of each queue were handed out. */
  readonly grants = new Map<string, number>();
  /** Queues whose dead letters are being sent back, as often as that is under way. */
  readonly redriving: string[] = [];
  readonly complaints: string[] = [];
  readonly #time: SimulatedTime;
  readonly #trace: Trace;
  /** By the key in the payload: under which name the task is stored. */
  readonly #stored = new Map<string, string>();
  readonly #queues = new Map<string, KnownQueue>();

  constructor(time: SimulatedTime, trace: Trace) {
    this.#time = time;
    this.#trace = trace;
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

  /** Under which name a key was stored. */
  nameOf(key: string): string | undefined {
    return this.#stored.get(key);
  }

  /** What is known of a queue. */
  queue({ queue }: Pick<QueueKey, "queue">): KnownQueue {
    let known = this.#queues.get(queue);
    if (known === undefined) {
      const settings = DEFAULT_QUEUE_SETTINGS;
      known = { settings, before: settings, isPaused: false, changedUs: 0 };
      this.#queues.set(queue, known);
    }
    return known;
  }

  /** The most and the least leases before a task is dropped: they differ in the moment in which the setting changes. */
  retryLimits(queue: QueueKey): { readonly least: number; readonly most: number } {
    const { settings, before, changedUs } = this.queue(queue);
    const limits = (changedUs === this.#time.nowUs ? [settings, before] : [settings]).map(
      ({ maxLeases = Number.POSITIVE_INFINITY }) => maxLeases,
    );
    return { least: Math.min(...limits), most: Math.max(...limits) };
  }

  /** When a task that enters a queue now expires. */
  expiryUs(queue: QueueKey): number {
    const { retentionMs = Number.POSITIVE_INFINITY } = this.queue(queue).settings;
    return this.#time.nowUs + retentionMs * 1000;
  }

  /** Tasks of one queue. */
  tasksOf({ queue }: QueueKey): readonly KnownTask[] {
    return [...this.tasks.values()].filter((task) => task.queue.queue === queue);
  }

  /** Payload bytes in a queue. */
  bytesOf(queue: QueueKey): number {
    return this.tasksOf(queue).reduce((sum, { payloadBytes }) => sum + payloadBytes, 0);
  }

  /** A task is there from now on. */
  enter(task: Omit<KnownTask, "changedUs" | "isDoubtful" | "enteredUs" | "expiresUs">): void {
    const nowUs = this.#time.nowUs;
    const name = nameOfTask(task.queue, task.id);
    const expiresUs = this.expiryUs(task.queue);
    this.#stored.set(task.key, name);
    this.gone.delete(name);
    this.tasks.set(name, { ...task, expiresUs, enteredUs: nowUs, changedUs: nowUs, isDoubtful: false });
  }

  /** A task is not there any more. */
  remove(task: KnownTask, why: string): void {
    const name = nameOfTask(task.queue, task.id);
    this.tasks.delete(name);
    this.gone.set(name, why);
  }

  /** A task has moved to another queue. */
  move(task: KnownTask, to: Pick<KnownTask, "queue" | "id" | "deadLetter">): void {
    this.remove(task, `moved to ${to.queue.queue}`);
    // Its attempts start anew.
    this.enter({ ...task, ...to, etaUs: this.#time.nowUs, uncounted: task.retryCount });
  }

  /** An answer tells how a task is now. */
  update(known: KnownTask, { etaUs, retryCount, uncounted }: Task): void {
    Object.assign(known, { etaUs, retryCount, uncounted, changedUs: this.#time.nowUs, isDoubtful: false });
  }

  /** The task that an answer speaks of; a law is broken when there is none. */
  mustBeThere(queue: QueueKey, id: string, what: string): KnownTask | undefined {
    const name = nameOfTask(queue, id);
    this.#settleMove(queue, id);
    const known = this.tasks.get(name);
    if (known === undefined) {
      const key = [...this.#stored].find(([, stored]) => stored === name)?.[0] ?? "a stranger";
      this.complain(`${key} ${what} after it was ${this.gone.get(name) ?? "never inserted"}`);
    }
    return known;
  }

  /** A dead letter that is, or may have been, sent back is seen where it came from: then it was. */
  #settleMove(queue: QueueKey, id: string): void {
    for (const task of this.tasks.values()) {
      if (task.id !== id || task.deadLetter?.queue !== queue.queue) continue;
      if (!task.isDoubtful && !this.redriving.includes(task.queue.queue)) continue;
      if (!isHeld(task, this.#time.nowUs)) this.move(task, { queue, id, deadLetter: undefined });
      return;
    }
  }
}
