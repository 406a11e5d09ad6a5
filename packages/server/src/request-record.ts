import type { QueueError, QueueKey, RouteName } from "@pullqueue/core";

/** What is known about a request while it is answered; the log line is made from it. */
export interface RequestRecord {
  /** Counts up from 1 in each process; shown in `x-request-id` of error answers. */
  readonly id: number;
  route?: RouteName;
  queue?: QueueKey;
  error?: QueueError;
  /** Whether the answer is indented; error answers too. */
  pretty: boolean;
}
