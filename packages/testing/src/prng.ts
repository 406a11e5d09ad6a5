import { randomFraction } from "@pullqueue/core";

/** Chance that a seed repeats. The same seed gives the same numbers on every machine. */
export interface Prng {
  /** An integer from `low` to `high`, both included. */
  integer(low: number, high: number): number;
  /** One of the values, which must not be none. */
  pick<T>(values: readonly T[]): T;
  /** So many bytes. */
  bytes(length: number): Uint8Array;
}

/** Mulberry32: 32 bits of state, good enough to choose between operations. Its constants are those of its author. */
export function prng(seed: number): Prng {
  let state = seed >>> 0;
  const next = () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
  const integer = (low: number, high: number) => low + Math.floor(next() * (high - low + 1));
  return {
    integer,
    pick: (values) => values[integer(0, values.length - 1)]!,
    bytes: (length) => Uint8Array.from({ length }, () => integer(0, 255)),
  };
}

/** A seed that nobody has used before, for runs that are to find something new; print it. */
export function freshSeed(): number {
  return Math.floor(randomFraction() * 2 ** 32);
}
