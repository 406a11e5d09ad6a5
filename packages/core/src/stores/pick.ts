import { EXHAUSTED_PER_LEASE_MAX } from "../limits.js";
import type { ExactLease } from "../naive-store.js";
import type { DeadLetter } from "../task.js";
import { isBefore, type Sortable } from "./sorted-tasks.js";

/** What a lease needs to know of a task to decide about it. */
export interface Candidate extends Sortable {
  /** Unique within the store. */
  readonly serial: number;
  readonly tag: string | undefined;
  readonly retryCount: number;
  readonly uncounted: number;
  readonly payloadBytes: number;
  /** When its retention is over, in microseconds since the epoch; undefined: never. */
  readonly expiresAtUs: number | undefined;
}

/** One queue's available tasks. */
export interface CandidateSource<C extends Candidate> {
  /** Leases after which a task is dropped; undefined: never. */
  readonly maxLeases: number | undefined;
  /** All available tasks in order, or only those of one tag (undefined: the untagged ones). */
  available(only?: { readonly tag: string | undefined }): Iterator<C>;
}

/** What a lease will do. */
export interface Picked<C extends Candidate> {
  /** To be leased, in order. */
  readonly tasks: readonly C[];
  /** To be dropped, or moved to a dead-letter queue: past their retention or their retry limit. */
  readonly dropped: readonly Dropped<C>[];
  /** There was more than the lease could take. */
  readonly more: boolean;
}

/** A task that no lease gives any more, and why. */
interface Dropped<C extends Candidate> {
  readonly task: C;
  readonly reason: DeadLetter["reason"];
}

/** Decides which tasks a lease at `nowUs` takes and which it drops on its way. Changes nothing. */
export function pickTasks<C extends Candidate>(
  sources: readonly CandidateSource<C>[],
  request: ExactLease,
  nowUs: number,
): Picked<C> {
  const tasks: C[] = [];
  const dropped = new Map<number, Dropped<C>>();
  const drop = (task: C, reason: DeadLetter["reason"]) => void dropped.set(task.serial, { task, reason });
  const done = (more: boolean) => ({ tasks, dropped: [...dropped.values()], more });

  let only: { readonly tag: string | undefined } | undefined;
  if (request.groupByTag) {
    only = request.tag === undefined ? tagOfOldest(sources, nowUs, drop) : { tag: request.tag };
    if (only === undefined) return done(dropped.size >= EXHAUSTED_PER_LEASE_MAX);
  }
  let bytes = 0;
  const merged = new Merge(sources, only, nowUs);
  for (let head = merged.next(); head !== undefined; head = merged.next()) {
    if (head.ended !== undefined) {
      if (dropped.size >= EXHAUSTED_PER_LEASE_MAX) return done(true);
      drop(head.task, head.ended);
      continue;
    }
    bytes += head.task.payloadBytes;
    if (tasks.length > 0 && bytes > request.payloadBytesMax) return done(true);
    tasks.push(head.task);
    if (tasks.length === request.maxTasks) return done(merged.next() !== undefined);
  }
  return done(false);
}

/** The tag (or none) of the oldest task that a lease could take. */
function tagOfOldest<C extends Candidate>(
  sources: readonly CandidateSource<C>[],
  nowUs: number,
  drop: (task: C, reason: DeadLetter["reason"]) => void,
): { readonly tag: string | undefined } | undefined {
  const merged = new Merge(sources, undefined, nowUs);
  for (let count = 0; count < EXHAUSTED_PER_LEASE_MAX; count++) {
    const head = merged.next();
    if (head === undefined) return undefined;
    if (head.ended === undefined) return { tag: head.task.tag };
    drop(head.task, head.ended);
  }
  return undefined;
}

interface Head<C extends Candidate> {
  readonly task: C;
  /** Why it is not given any more. */
  readonly ended: DeadLetter["reason"] | undefined;
}

interface Stream<C extends Candidate> {
  readonly maxLeases: number;
  readonly rest: Iterator<C>;
  head: C | undefined;
}

/** The available tasks of several queues in one order. */
class Merge<C extends Candidate> {
  readonly #streams: readonly Stream<C>[];
  readonly #nowUs: number;

  constructor(
    sources: readonly CandidateSource<C>[],
    only: { readonly tag: string | undefined } | undefined,
    nowUs: number,
  ) {
    this.#nowUs = nowUs;
    this.#streams = sources.map((source) => {
      const rest = source.available(only);
      return { maxLeases: source.maxLeases ?? Number.POSITIVE_INFINITY, rest, head: nextOf(rest) };
    });
  }

  next(): Head<C> | undefined {
    let first: Stream<C> | undefined;
    for (const stream of this.#streams) {
      if (stream.head === undefined) continue;
      if (first?.head === undefined || isBefore(stream.head, first.head)) first = stream;
    }
    const task = first?.head;
    if (first === undefined || task === undefined) return undefined;
    first.head = nextOf(first.rest);
    return { task, ended: this.#ended(task, first.maxLeases) };
  }

  /** Retention first: a sweep would not have asked how often the task was leased. */
  #ended(task: C, maxLeases: number): DeadLetter["reason"] | undefined {
    if (task.expiresAtUs !== undefined && task.expiresAtUs <= this.#nowUs) return "retention";
    return task.retryCount - task.uncounted >= maxLeases ? "retry_limit" : undefined;
  }
}

function nextOf<C>(iterator: Iterator<C>): C | undefined {
  const result = iterator.next();
  return result.done === true ? undefined : result.value;
}
