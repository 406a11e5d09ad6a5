import { type Check, checkValue, integerCheck } from "./check.js";

/** Logical time, for putting events of several processes in one order. Kombu's `clocks`. */

/** A sender must not be able to put the clocks of all others where numbers lose their last digit. */
const CLOCK_MAX = 2 ** 52;

const valueCheck: Check = integerCheck(0, CLOCK_MAX, "events");

const eventsCheck: Check = {
  expected: "an array of events, each an array that begins with its clock and the id of its process",
  holds: (v) => Array.isArray(v) && v.every((event) => Array.isArray(event) && event.length >= 2),
};

const timetupleCheck: Check = {
  expected: "an object with the numbers clock and timestamp, and a text id",
  holds: (v) => {
    if (typeof v !== "object" || v === null) return false;
    const { clock, timestamp, id } = v as Partial<Timetuple>;
    return typeof clock === "number" && typeof timestamp === "number" && typeof id === "string";
  },
};

/**
 * Lamport's clock: a counter that is raised before each event of its owner, sent along with messages, and set beyond whatever comes
 * in. What happened because of something else has the greater number. https://en.wikipedia.org/wiki/Lamport_timestamp
 */
export class LamportClock {
  #value: number;

  /** Throws `invalid_argument`. */
  constructor(initialValue = 0) {
    this.#value = checkValue("the value of a clock", initialValue, valueCheck);
  }

  /** What it shows. */
  get value(): number {
    return this.#value;
  }

  /** Before an event of one's own, such as sending a message: one more. Returns it. */
  forward(): number {
    this.#value += 1;
    return this.#value;
  }

  /** After hearing of somebody else's clock: beyond both. Returns it. What is no whole number of use counts as 0. */
  adjust(other: unknown): number {
    const heard = Number.isSafeInteger(other) && (other as number) < CLOCK_MAX ? (other as number) : 0;
    this.#value = Math.max(this.#value, heard) + 1;
    return this.#value;
  }

  /**
   * The latest of events that are sorted with the latest first: the first, or of those with the same clock the one with the lowest
   * process id. Kombu's, which forgets the last of those. Undefined when there are none.
   */
  sortHeap<E extends readonly [clock: number, processId: string, ...rest: unknown[]]>(
    heap: readonly E[],
  ): E | undefined {
    checkValue("the events of sortHeap", heap, eventsCheck);
    const clock = heap[0]?.[0];
    const after = heap.findIndex((event) => event[0] !== clock);
    const same = after < 0 ? heap : heap.slice(0, after);
    return same.reduce((lowest, event) => (event[1] < lowest[1] ? event : lowest), heap[0]!);
  }

  toString(): string {
    return String(this.#value);
  }
}

/** When an event happened, by the clocks of its process. */
export interface Timetuple<T = unknown> {
  /** Logical time; 0: the process has no such clock. */
  readonly clock: number;
  /** Seconds since the epoch. */
  readonly timestamp: number;
  /** The process, such as `hostname:pid`. */
  readonly id: string;
  /** What happened, where that matters. */
  readonly obj?: T;
}

/**
 * Below 0 when `a` was first, for `Array.sort`: by the logical clocks if both have one, then by the process ids; otherwise by the
 * timestamps. Kombu's order of `timetuple`; it is a whole order only where all events have a clock or none has.
 */
export function compareTimetuples(a: Timetuple, b: Timetuple): number {
  checkValue("a timetuple", a, timetupleCheck);
  checkValue("a timetuple", b, timetupleCheck);
  if (a.clock === 0 || b.clock === 0) return a.timestamp - b.timestamp;
  if (a.clock !== b.clock) return a.clock - b.clock;
  if (a.id === b.id) return 0;
  return a.id < b.id ? -1 : 1;
}
