import { randomBytes, randomFillSync, randomInt, randomUUID } from "node:crypto";

/** The only module that makes random values. */

/** Bits below the microseconds in a generated id: they tell apart ids of one microsecond. */
const SEQUENCE_BITS = 12n;
const SEQUENCE_MASK = (1n << SEQUENCE_BITS) - 1n;

/** Makes task ids: 16 lower-case hex digits that grow with time, so that an index only ever appends. */
export interface IdSource {
  /** The next id; later calls give greater ones, whatever the clock does. */
  next(nowUs: number): string;
}

/**
 * Ids are the microseconds since the epoch in 52 bits (until 2112) and a sequence of 12 bits that starts at random, so
 * that two processes that write into one file rarely meet; a store retries with the next id when they do.
 */
export function idSource(random: () => number = randomSequence): IdSource {
  let last = 0n;
  return {
    next(nowUs) {
      const base = BigInt(nowUs) << SEQUENCE_BITS;
      // Chance once a microsecond; ids of one microsecond count up.
      last = base > last ? base | (BigInt(random()) & SEQUENCE_MASK) : last + 1n;
      return last.toString(16).padStart(16, "0");
    },
  };
}

/** Chance for ids, drawn in blocks: to ask for each number would cost more than the rest of an id. */
const drawn = new Uint16Array(1024);
let drawnLeft = 0;

function randomSequence(): number {
  if (drawnLeft === 0) {
    randomFillSync(drawn);
    drawnLeft = drawn.length;
  }
  drawnLeft -= 1;
  // Half the range, so that a batch within one microsecond has room to count up.
  return drawn[drawnLeft]! & 0x7ff;
}

/** Of this process, in the keys below. */
const KEY_PREFIX = randomBytes(12).toString("hex");
let keyCount = 0;

/**
 * A key that makes a repeated insert harmless: 36 characters, unique. Keys of one process follow each other in order, so
 * that a store's index of keys is written in few places; random ones would touch pages all over it with every insert.
 */
export function newIdempotencyKey(): string {
  keyCount += 1;
  return `${KEY_PREFIX}-${keyCount.toString(16).padStart(11, "0")}`;
}

/** Of this process, in the ids of requests. */
const REQUEST_PREFIX = randomBytes(8).toString("hex");
let requestCount = 0;

/** Names a request in logs and answers: unique across processes, and requests of one process follow each other. */
export function newRequestId(): string {
  requestCount += 1;
  return `${REQUEST_PREFIX}-${requestCount}`;
}

/** A UUID of version 4: what kombu names tickets and reply queues with, because nobody can guess one. */
export function newUuid(): string {
  return randomUUID();
}

/** A secret that cannot be guessed: 256 bits in 43 characters of the URL-safe base64 alphabet. */
export function newSecret(): string {
  return randomBytes(32).toString("base64url");
}

/** A number from 0 to below 1, for the part of a pause that is left to chance. */
export function randomFraction(): number {
  return randomInt(2 ** 32) / 2 ** 32;
}
