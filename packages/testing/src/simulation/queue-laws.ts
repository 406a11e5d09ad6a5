import type { QueueKey, QueueSettings, StoreObserver, TagFilter, Task } from "@pullqueue/core";
import type { Books } from "./books.js";
import { attempts, isHeld, type KnownTask } from "./known-task.js";
import type { ModelParts } from "./model.js";
import { type Moment, RANK } from "./moment.js";
import type { SimulatedTime } from "./time.js";
import type { Trace } from "./trace.js";

/** How a call on a whole queue ended: with an answer, or nobody knows how far it came. */
export type HowEnded = "answered" | "unclear";

/** The laws of what happens to whole queues, and of what stores do by themselves: drops, dead letters, purges, moves. */
export class QueueLaws {
  /** What the stores tell of. */
  readonly observer: StoreObserver;
  readonly #time: SimulatedTime;
  readonly #trace: Trace;
  readonly #books: Books;
  readonly #moment: Moment;

  constructor({ time, trace, books, moment }: ModelParts) {
    this.#time = time;
    this.#trace = trace;
    this.#books = books;
    this.#moment = moment;
    this.observer = {
      onExhausted: (task) => this.#add(task, () => this.#dropped(task, "exhausted")),
      onExpired: (task) => this.#add(task, () => this.#dropped(task, "expired")),
      onDeadLettered: (task) => this.#add(task, () => this.#deadLettered(task)),
    };
  }

  settingsPut(queue: QueueKey, settings: QueueSettings): void {
    const known = this.#books.queue(queue);
    Object.assign(known, { settings, before: known.settings, changedUs: this.#time.nowUs });
  }

  pausePut(queue: QueueKey, state: "paused" | "resumed"): void {
    Object.assign(this.#books.queue(queue), { isPaused: state === "paused", changedUs: this.#time.nowUs });
  }

  /** A purge has begun; the returned function says how it ended. */
  purgeBegun(queue: QueueKey, only: TagFilter | undefined): (how: HowEnded) => void {
    return this.#begun(queue, (task, how) => {
      if (only !== undefined && task.tag !== only.tag) return;
      if (how === "answered") this.#books.remove(task, "purged");
      else task.isDoubtful = true;
    });
  }

  /** A dead-letter queue is being emptied into the queues that its tasks came from. */
  redriveBegun(queue: QueueKey): (how: HowEnded) => void {
    this.#books.redriving.push(queue.queue);
    const ended = this.#begun(queue, (task, how) => {
      const { deadLetter, id } = task;
      if (deadLetter === undefined || isHeld(task, this.#time.nowUs)) return;
      const origin = { project: queue.project, queue: deadLetter.queue };
      // What was given back in the same moment may have been held when it was looked at.
      if (how === "answered" && task.changedUs < this.#time.nowUs) {
        this.#books.move(task, { queue: origin, id, deadLetter: undefined });
        this.#trace.add("store", `moves ${task.key} back to ${origin.queue}`);
      } else task.isDoubtful = true;
    });
    return (how) => {
      ended(how);
      const { redriving } = this.#books;
      // After the tasks that moved have been seen where they came from, in this moment.
      this.#moment.add(RANK.last, () => void redriving.splice(redriving.indexOf(queue.queue), 1));
    };
  }

  #begun(queue: QueueKey, judge: (task: KnownTask, how: HowEnded) => void): (how: HowEnded) => void {
    const startUs = this.#time.nowUs;
    return (how) =>
      this.#moment.add(RANK.cleared, () => {
        for (const task of this.#books.tasksOf(queue)) {
          judge(task, task.enteredUs < startUs ? how : "unclear");
        }
      });
  }

  #add(task: Task, judge: () => void): void {
    this.#moment.add(RANK.dropped(task.retryCount), judge);
  }

  #dropped(task: Task, why: "exhausted" | "expired"): void {
    const known = this.#books.mustBeThere(task.queue, task.id, `was ${why}`);
    if (known === undefined) return;
    this.#checkEnd(known, why);
    if (this.#deadLetterQueues(known.queue).every((name) => name !== undefined)) {
      this.#books.complain(`${known.key} was ${why}, although its queue has one for dead letters`);
    }
    this.#books.remove(known, why);
    this.#trace.add("store", `drops ${known.key}: ${why}`);
  }

  #deadLettered(task: Task): void {
    const { deadLetter } = task;
    if (deadLetter === undefined) {
      this.#books.complain(`${task.id} is a dead letter from nowhere`);
      return;
    }
    const { reason, queue: from, id } = deadLetter;
    const known = this.#books.mustBeThere({ ...task.queue, queue: from }, id, "became a dead letter");
    if (known === undefined) return;
    this.#checkEnd(known, reason === "retention" ? "expired" : "exhausted");
    if (!this.#deadLetterQueues(known.queue).includes(task.queue.queue)) {
      this.#books.complain(
        `${known.key} became a dead letter in ${task.queue.queue}, which its queue does not name`,
      );
    }
    const isKept = task.retryCount === known.retryCount && deadLetter.retryCount === known.retryCount;
    if (!isKept || attempts(task) !== 0)
      this.#books.complain(`${known.key} has other counts as a dead letter`);
    this.#books.move(known, { queue: task.queue, id: task.id, deadLetter });
    this.#trace.add("store", `moves ${known.key} to ${task.queue.queue}: ${reason}`);
  }

  /** The names that the setting has in this moment. */
  #deadLetterQueues(queue: QueueKey): readonly (string | undefined)[] {
    const { settings, before, changedUs } = this.#books.queue(queue);
    const named = changedUs === this.#time.nowUs ? [settings, before] : [settings];
    return named.map(({ deadLetterQueue }) => deadLetterQueue);
  }

  #checkEnd(known: KnownTask, why: "exhausted" | "expired"): void {
    const nowUs = this.#time.nowUs;
    const { key, queue, expiresUs } = known;
    if (isHeld(known, nowUs)) this.#books.complain(`${key} was ${why} while it was held`);
    const { least } = this.#books.retryLimits(queue);
    if (why === "exhausted" && attempts(known) < least) {
      this.#books.complain(`${key} was dropped after ${attempts(known)} leases`);
    }
    if (why === "expired" && expiresUs > nowUs)
      this.#books.complain(`${key} was dropped before its retention was over`);
  }
}
