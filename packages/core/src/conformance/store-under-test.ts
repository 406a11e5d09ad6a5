import type { QueueAdmin, QueueStore } from "../store.js";

/** A fresh, empty store and what a case needs around it. Made for each case, closed after it. */
export interface StoreUnderTest {
  /** Brings queues into being on first use, keeps ids of finished tasks for `TOMBSTONE_MS_DEFAULT`. */
  readonly store: QueueStore & QueueAdmin;
  /** A second handle on the same data, where it can be had (a file, a server); otherwise the same object. */
  another(): Promise<QueueStore & QueueAdmin>;
  /** Whether time stands still between two calls of `advance`. Otherwise cases that need exact or long times are left out. */
  readonly manualClock: boolean;
  /** Lets the store's clock, wherever it is, move on by this much, or a little more where it sleeps, firing what is due. */
  advance(ms: number): Promise<void>;
  /** What the store's clock shows, in microseconds since the epoch. */
  nowUs(): number;
  /** Closes every handle, and removes what was made. The case may have closed handles before. */
  close(): Promise<void>;
}

/** Makes a store for one case. */
export type StoreFactory = () => Promise<StoreUnderTest>;

/** What a case depends on beyond the least of all stores: something of the manifest, a second handle, a clock that can be turned. */
export type Need =
  | "waits"
  | "anyQueueName"
  | "fences"
  | "managesQueues"
  | "leasesManyQueues"
  | "managesLife"
  | "sweeps"
  | "transfers"
  | "twoHandles"
  | "manualClock";

/** What a case does. It fails by throwing. */
export type CaseBody = (sut: StoreUnderTest) => Promise<void>;

/** One case; without `needs` it holds for every store. */
export type Case = CaseBody | { readonly needs: readonly Need[]; readonly run: CaseBody };

/** Cases by the sentence that each proves. */
export type Cases = Readonly<Record<string, Case>>;

/** A case that is left out, with the reason, where one of the needs is not met. */
export function needing(needs: readonly Need[], run: CaseBody): Case {
  return { needs, run };
}
