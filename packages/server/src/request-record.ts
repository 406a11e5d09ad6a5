import type { QueueError, QueueKey, RouteName } from "@pullqueue/core";

/** What is known about a request while it is answered; the log line is made from it. */
export interface RequestRecord {
  /** Shown in `x-request-id` of the answer and in the log. */
  readonly id: string;
  /** The id of the batch request that this one is a part of. */
  readonly batch?: string;
  route?: RouteName;
  queue?: QueueKey;
  /** The address of who is calling; empty where nobody is asked. */
  caller?: string;
  error?: QueueError;
  /** Whether the answer is indented; error answers too. */
  pretty: boolean;
}
