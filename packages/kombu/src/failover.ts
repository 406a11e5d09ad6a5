import { KombuError } from "./errors.js";

/** An endless choice among the places that a connection may go to. */
export type FailoverOrder<T> = (places: readonly T[]) => Iterable<T> | Iterator<T>;

/** Where a connection goes now, and where it goes when that fails. */
export class Failover<T> {
  readonly #places: readonly T[];
  readonly #order: FailoverOrder<T>;
  #iterator: Iterator<T>;
  #current: T;

  /** Throws `invalid_argument` for an order that begins with no place of these. */
  constructor(places: readonly T[], order: FailoverOrder<T>) {
    this.#places = places;
    this.#order = order;
    this.#iterator = this.#begin();
    this.#current = this.#choose();
  }

  /** How many places there are. */
  get size(): number {
    return this.#places.length;
  }

  get current(): T {
    return this.#current;
  }

  /** Goes to the next place in the order. */
  next(): void {
    if (this.#places.length > 1) this.#current = this.#choose();
  }

  /** Goes to a place outside the order, which goes on from where it was. */
  select(place: T): void {
    this.#current = place;
  }

  #choose(): T {
    let chosen = this.#iterator.next();
    if (chosen.done === true) {
      this.#iterator = this.#begin(); // An order that comes to an end begins again.
      chosen = this.#iterator.next();
    }
    if (chosen.done !== true && this.#places.includes(chosen.value)) return chosen.value;
    throw new KombuError(
      "invalid_argument",
      "failoverStrategy must give an iterator of the targets that it was given, and of nothing else",
    );
  }

  #begin(): Iterator<T> {
    const order = this.#order(this.#places);
    return Symbol.iterator in order ? order[Symbol.iterator]() : order;
  }
}

/** One after the other, for ever: kombu's `round-robin`. */
export function* roundRobin<T>(places: readonly T[]): Generator<T> {
  for (;;) yield* places;
}

/** Each once in a round, in an order that is left to chance: kombu's `shuffle`, which could try one twice and another never. */
export function shuffler<T>(random: () => number): FailoverOrder<T> {
  return function* shuffle(places) {
    for (;;) {
      const left = [...places];
      while (left.length > 0) yield left.splice(Math.floor(random() * left.length), 1)[0]!;
    }
  };
}
