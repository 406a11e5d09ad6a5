import type { Connection } from "../connection.js";
import type { KombuError } from "../errors.js";

/** What a case may want of a connection. */
export interface ConnectOptions {
  readonly holdMsMax?: number;
  readonly deadletterQueue?: string;
  readonly onWarning?: (warning: KombuError) => void;
}

/** A fresh, empty broker and what a case needs around it. Made for each case, closed after it. */
export interface BrokerUnderTest {
  /** A new connection to the broker, over a transport of its own. The case closes it, or `close` does. */
  connect(options?: ConnectOptions): Connection;
  /** How long a lease of these connections lasts, in milliseconds. Undefined: they end with the connection. */
  readonly leaseMs: number | undefined;
  /** Whether time stands still between two calls of `advance`. Otherwise cases that need exact or long times are left out. */
  readonly manualClock: boolean;
  /** Lets the clocks of broker and connections move on by this much, firing what is due. */
  advance(ms: number): Promise<void>;
  /** Stores bytes in a queue as a program would that does not know kombu. */
  putRaw(queue: string, bytes: Uint8Array): Promise<void>;
  /** Whether any queue name will do; otherwise letters, digits and hyphens. */
  readonly anyQueueName: boolean;
  /** Whether queues can be made and deleted; otherwise the broker has those of `QUEUE_NAMES`, and no other. */
  readonly managesQueues: boolean;
  /** Whether a message that is given back unseen does not count as an attempt. */
  readonly uncounted: boolean;
  /** Whom connections are opened as, where the broker checks the property `user_id`. */
  readonly userId?: string;
  /**
   * Takes what is held from a queue away from its holders, as if it were finished or their leases had ended. Undefined: nobody
   * can while their connections are open.
   */
  takeAway?(queue: string): Promise<void>;
  /** Closes every connection and the broker. */
  close(): Promise<void>;
}

/** Makes a broker for one case. */
export type BrokerFactory = () => Promise<BrokerUnderTest>;

/** The queues that cases use, apart from those that need `anyQueueName`. */
export const QUEUE_NAMES: readonly string[] = [
  ...["q", "one", "two", "other", "here", "busy", "quiet", "mine", "pull-queue", "b", "s"],
  ...Array.from({ length: 15 }, (_, index) => `queue-${index}`),
];

/** The needs that the manifest decides. */
export const MANIFEST_NEEDS = [
  ...([
    "delay",
    "idempotency",
    "taskIds",
    "envelopes",
    "localExchanges",
    "messageBytesMax",
    "urgentPriority",
  ] as const),
] as const;

/** What a case depends on that a transport's manifest tells. */
export type ManifestNeed = (typeof MANIFEST_NEEDS)[number];

/** What a case depends on beyond the least of all transports. */
export type Need =
  | "manualClock"
  | "leaseMs"
  | "anyQueueName"
  | "managesQueues"
  | "uncounted"
  | "takeAway"
  | ManifestNeed;

/** What a case does, with one connection that is there already. It fails by throwing. */
export type CaseBody = (connection: Connection, broker: BrokerUnderTest) => Promise<void>;

/** One case; without `needs` it holds for every transport. */
export type Case = CaseBody | { readonly needs: readonly Need[]; readonly run: CaseBody };

/** Cases by the sentence that each proves. */
export type Cases = Readonly<Record<string, Case>>;

/** A case that is left out, with the reason, where one of the needs is not met. */
export function needing(needs: readonly Need[], run: CaseBody): Case {
  return { needs, run };
}
