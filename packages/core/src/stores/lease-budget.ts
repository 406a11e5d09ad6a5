import { LEASE_BUDGETS_MAX } from "../limits.js";
import type { QueueKey } from "../task.js";

/** What a queue may still hand out; whole leases from 1 on. */
interface Bucket {
  leases: number;
  atUs: number;
}

/**
 * How often leases are let through, for queues with a `leasesPerSecond`: a bucket for each that holds one second's worth
 * (at least one lease), is full at first and fills evenly. Kept in this process alone.
 */
export class LeaseBudget {
  readonly #buckets = new Map<string, Bucket>();

  /** Takes one lease of a queue: undefined when it may go on, otherwise when the next one may, in microseconds since the epoch. */
  take({ project, queue }: QueueKey, leasesPerSecond: number, nowUs: number): number | undefined {
    // A project has no slash.
    const name = `${project}/${queue}`;
    const full = Math.max(1, leasesPerSecond);
    const bucket = this.#buckets.get(name) ?? this.#newBucket(name, { leases: full, atUs: nowUs });
    const filled = ((nowUs - bucket.atUs) * leasesPerSecond) / 1_000_000;
    bucket.leases = Math.min(full, bucket.leases + filled);
    bucket.atUs = nowUs;
    if (bucket.leases < 1) return nowUs + Math.ceil(((1 - bucket.leases) * 1_000_000) / leasesPerSecond);
    bucket.leases -= 1;
    return undefined;
  }

  #newBucket(name: string, bucket: Bucket): Bucket {
    for (const oldest of this.#buckets.keys()) {
      if (this.#buckets.size < LEASE_BUDGETS_MAX) break;
      this.#buckets.delete(oldest);
    }
    this.#buckets.set(name, bucket);
    return bucket;
  }
}

/** The queues of a lease that let it through now, and when the first of those does that its rate holds back. */
export interface OpenQueues<Q> {
  readonly queues: readonly Q[];
  readonly retryAtUs: number | undefined;
}

/** Leaves out paused queues and those past their rate; the others pay for this lease. */
export function openQueues<Q>(
  queues: readonly Q[],
  budget: LeaseBudget,
  nowUs: number,
  stateOf: (queue: Q) => {
    readonly key: QueueKey;
    readonly paused: boolean;
    readonly leasesPerSecond: number | undefined;
  },
): OpenQueues<Q> {
  let retryAtUs: number | undefined;
  const open = queues.filter((queue) => {
    const { key, paused, leasesPerSecond } = stateOf(queue);
    if (paused) return false;
    const atUs = leasesPerSecond === undefined ? undefined : budget.take(key, leasesPerSecond, nowUs);
    if (atUs !== undefined) retryAtUs = Math.min(retryAtUs ?? atUs, atUs);
    return atUs === undefined;
  });
  return { queues: open, retryAtUs };
}
