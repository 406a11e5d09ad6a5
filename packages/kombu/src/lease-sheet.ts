import type { LeaseTerms } from "./transport.js";

/** When a lease ends, and how it is to be kept. */
export interface SheetLine extends LeaseTerms {
  readonly leaseEndsAtUs: number;
}

/** Most leases on one sheet. */
export const SHEET_LEASES_MAX = 1024;

const NUMBERS = 3;
const NUMBER_BYTES = Float64Array.BYTES_PER_ELEMENT;

/**
 * Leases that came together, in memory that the event loop and the thread that stands by for it both see: so that one message tells of all
 * of them, and none has to tell when one is over. Numbers are written by the event loop alone.
 */
export class LeaseSheet {
  readonly shared: SharedArrayBuffer;
  /** How many leases are on it. */
  readonly size: number;
  readonly #numbers: Float64Array;
  readonly #over: Uint8Array;

  private constructor(shared: SharedArrayBuffer) {
    this.shared = shared;
    this.size = shared.byteLength / (NUMBERS * NUMBER_BYTES + NUMBER_BYTES);
    this.#numbers = new Float64Array(shared, 0, this.size * NUMBERS);
    this.#over = new Uint8Array(shared, this.size * NUMBERS * NUMBER_BYTES, this.size);
  }

  /** An empty one for so many leases. */
  static of(size: number): LeaseSheet {
    return new LeaseSheet(new SharedArrayBuffer(size * (NUMBERS * NUMBER_BYTES + NUMBER_BYTES)));
  }

  /** The same sheet, seen from another thread. */
  static at(shared: SharedArrayBuffer): LeaseSheet {
    return new LeaseSheet(shared);
  }

  write(index: number, { leaseEndsAtUs, lengthUs, untilUs }: SheetLine): void {
    const at = index * NUMBERS;
    this.#numbers[at] = leaseEndsAtUs;
    this.#numbers[at + 1] = lengthUs;
    this.#numbers[at + 2] = untilUs;
  }

  read(index: number): SheetLine {
    const [leaseEndsAtUs = 0, lengthUs = 0, untilUs = 0] = this.#numbers.subarray(index * NUMBERS);
    return { leaseEndsAtUs, lengthUs, untilUs };
  }

  /** Nobody has to keep this one any more. */
  end(index: number): void {
    Atomics.store(this.#over, index, 1);
  }

  isOver(index: number): boolean {
    return Atomics.load(this.#over, index) === 1;
  }

  /** When so much of a lease is over, for the first of those that are to be kept. Infinite: of none. */
  dueUs(share: number): number {
    let dueUs = Number.POSITIVE_INFINITY;
    for (let index = 0; index < this.size; index++) {
      const at = index * NUMBERS;
      if (this.isOver(index)) continue;
      dueUs = Math.min(dueUs, this.#numbers[at]! - this.#numbers[at + 1]! * (1 - share));
    }
    return dueUs;
  }
}
