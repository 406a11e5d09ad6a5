import type { QueueError, QueueKey, RouteName } from "@pullqueue/core";
import type { BodyShare } from "./body-memory.js";

/** What there is beside the API. */
export type PageName = "batch" | "discovery" | "healthz" | "readyz" | "metrics";

/** What is known about a request while it is answered; the log line is made from it. */
export interface RequestRecord {
  /** Shown in `x-request-id` of the answer and in the log. */
  readonly id: string;
  /** The id of the batch request that this one is a part of. */
  readonly batch?: string | undefined;
  /** What its body takes of the memory for bodies. */
  readonly share: BodyShare;
  /** The method of the API, or what the request looked at beside it; undefined while, or because, it is none. */
  route?: RouteName | PageName;
  /** Whether it may wait on purpose for a task. */
  waits?: boolean;
  queue?: QueueKey;
  /** The address of who is calling; empty where nobody is asked. */
  caller?: string;
  error?: QueueError;
  /** Whether the answer is indented; error answers too. */
  pretty: boolean;
}
