import type { DeadLetter, QueueKey, Task } from "../task.js";
import type { TaskRow } from "./sqlite-statements.js";

/** A row as a task. What is rarely there is left out where it is not. */
export function taskOf(
  queue: QueueKey,
  row: Pick<
    TaskRow,
    | "id"
    | "tag"
    | "enqueued_at_us"
    | "eta_us"
    | "retry_count"
    | "uncounted"
    | "traceparent"
    | "tracestate"
    | "dead_letter"
  >,
): Task {
  const deadLetter = deadLetterOfRow(row);
  return {
    queue,
    id: row.id,
    tag: row.tag ?? undefined,
    enqueuedAtUs: row.enqueued_at_us,
    etaUs: row.eta_us,
    retryCount: row.retry_count,
    uncounted: row.uncounted,
    ...(row.traceparent === null ? {} : { traceparent: row.traceparent }),
    ...(row.tracestate === null ? {} : { tracestate: row.tracestate }),
    ...(deadLetter === undefined ? {} : { deadLetter }),
  };
}

/** Where a row came from, when it is a dead letter. */
export function deadLetterOfRow({ dead_letter }: Pick<TaskRow, "dead_letter">): DeadLetter | undefined {
  return dead_letter === null ? undefined : (JSON.parse(dead_letter) as DeadLetter);
}
