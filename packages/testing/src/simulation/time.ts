import type { Clock } from "@pullqueue/core";

/** Something that is to happen at a moment. */
interface Appointment {
  readonly dueUs: number;
  readonly sequence: number;
  callback: (() => void) | undefined;
}

/** 2026-01-01, in microseconds since the epoch. */
const START_US = 1_767_225_600_000_000;

/** Turns of the event loop without any news after which a moment is over: work may be handed on by one immediate. */
const QUIET_TURNS = 2;

/** Turns after which a moment is certainly stuck in a loop. */
const TURNS_MAX = 10_000;

/**
 * The time of a simulated world. It stands still while anything can still happen without it, then jumps to the next
 * appointment; no two appointments happen in the same microsecond, so that their order is the order of time.
 */
export class SimulatedTime {
  readonly #heap: Appointment[] = [];
  readonly #onSettled: (() => void)[] = [];
  #nowUs = START_US;
  #sequence = 0;
  #news = 0;

  get nowUs(): number {
    return this.#nowUs;
  }

  /** Since the world began, in milliseconds. */
  get elapsedMs(): number {
    return (this.#nowUs - START_US) / 1000;
  }

  /** Says that something happened in this moment, so that it is not over yet. */
  note(): void {
    this.#news += 1;
  }

  /** Called when a moment is over. */
  onSettled(callback: () => void): void {
    this.#onSettled.push(callback);
  }

  /** Makes an appointment; the returned function cancels it. An infinite delay never comes. */
  after(delayMs: number, callback: () => void): () => void {
    if (delayMs === Number.POSITIVE_INFINITY) return () => {};
    const dueUs = this.#nowUs + Math.max(0, Math.ceil(delayMs * 1000));
    const appointment: Appointment = { dueUs, sequence: this.#sequence++, callback };
    push(this.#heap, appointment);
    return () => {
      appointment.callback = undefined;
    };
  }

  /** Lets time pass until a condition holds, asked after each moment, or for so long. True when it holds. */
  async pass(ms: number, until: () => boolean = () => false): Promise<boolean> {
    const endUs = this.#nowUs + ms * 1000;
    await this.#settle();
    while (!until()) {
      const next = this.#heap[0];
      if (next === undefined || next.dueUs > endUs) {
        this.#nowUs = Math.max(this.#nowUs, endUs);
        return false;
      }
      pop(this.#heap);
      if (next.callback === undefined) continue;
      this.#nowUs = Math.max(this.#nowUs + 1, next.dueUs);
      next.callback();
      await this.#settle();
    }
    return true;
  }

  async #settle(): Promise<void> {
    let quiet = 0;
    for (let turns = 0; quiet < QUIET_TURNS; turns++) {
      if (turns === TURNS_MAX) throw new Error(`the moment ${this.elapsedMs} ms does not end`);
      const before = this.#news;
      await new Promise(setImmediate);
      quiet = this.#news === before ? quiet + 1 : 0;
    }
    for (const callback of this.#onSettled) callback();
  }
}

/** The clock of one simulated process: wrong by some time, and silent after the process has died. */
export class ProcessClock implements Clock {
  readonly #time: SimulatedTime;
  readonly #timers = new Set<() => void>();
  #offsetUs: number;
  #isDead = false;

  constructor(time: SimulatedTime, offsetMs = 0) {
    this.#time = time;
    this.#offsetUs = offsetMs * 1000;
  }

  nowUs(): number {
    return this.#time.nowUs + this.#offsetUs;
  }

  timer(delayMs: number, callback: () => void): () => void {
    if (this.#isDead) return () => {};
    const cancel = this.#time.after(delayMs, () => {
      this.#timers.delete(cancel);
      callback();
    });
    this.#timers.add(cancel);
    return () => {
      this.#timers.delete(cancel);
      cancel();
    };
  }

  /** Somebody sets the clock forward. (Ours ignore it when one is set back.) */
  jump(ms: number): void {
    this.#offsetUs += ms * 1000;
  }

  /** The process dies: none of its timers fires any more. */
  die(): void {
    this.#isDead = true;
    for (const cancel of this.#timers) cancel();
    this.#timers.clear();
  }
}

function isBefore(a: Appointment, b: Appointment): boolean {
  return a.dueUs < b.dueUs || (a.dueUs === b.dueUs && a.sequence < b.sequence);
}

function push(heap: Appointment[], item: Appointment): void {
  let index = heap.push(item) - 1;
  while (index > 0) {
    const parent = (index - 1) >> 1;
    if (!isBefore(item, heap[parent]!)) break;
    heap[index] = heap[parent]!;
    index = parent;
  }
  heap[index] = item;
}

function pop(heap: Appointment[]): void {
  const last = heap.pop()!;
  if (heap.length === 0) return;
  let index = 0;
  for (;;) {
    let child = 2 * index + 1;
    if (child >= heap.length) break;
    if (child + 1 < heap.length && isBefore(heap[child + 1]!, heap[child]!)) child += 1;
    if (!isBefore(heap[child]!, last)) break;
    heap[index] = heap[child]!;
    index = child;
  }
  heap[index] = last;
}
