import type { DeadLetter, QueueKey, Task, TaskWithPayload } from "../task.js";
import type { TaskRow } from "./sqlite-statements.js";

/** What of a row the callers of a store see. */
type SeenColumns = Pick<
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
>;

/** A task that is being made of a row. */
type TaskDraft = { -readonly [Name in keyof Task]: Task[Name] };

/** A row as a task. */
export function taskOf(queue: QueueKey, row: SeenColumns): Task {
  const task: TaskDraft = {
    queue,
    id: row.id,
    tag: row.tag ?? undefined,
    enqueuedAtUs: row.enqueued_at_us,
    etaUs: row.eta_us,
    retryCount: row.retry_count,
    uncounted: row.uncounted,
  };
  addRarities(task, row);
  return task;
}

/** A row as a task that is leased now, until `endUs`. */
export function leasedTaskOf(
  queue: QueueKey,
  row: SeenColumns,
  endUs: number,
  payload: Uint8Array,
): TaskWithPayload {
  const task: TaskDraft & { payload: Uint8Array } = {
    queue,
    id: row.id,
    payload,
    tag: row.tag ?? undefined,
    enqueuedAtUs: row.enqueued_at_us,
    etaUs: endUs,
    retryCount: row.retry_count + 1,
    uncounted: row.uncounted,
  };
  addRarities(task, row);
  return task;
}

/** Where a row came from, when it is a dead letter. */
export function deadLetterOfRow({ dead_letter }: Pick<TaskRow, "dead_letter">): DeadLetter | undefined {
  return dead_letter === null ? undefined : (JSON.parse(dead_letter) as DeadLetter);
}

/** Left out where they are not, and set one by one: spreading objects costs a lease more than reading its row. */
function addRarities(task: TaskDraft, row: SeenColumns): void {
  if (row.traceparent !== null) task.traceparent = row.traceparent;
  if (row.tracestate !== null) task.tracestate = row.tracestate;
  if (row.dead_letter !== null) task.deadLetter = deadLetterOfRow(row);
}

/** What of a row says whether somebody holds it. */
export function holdingOf(row: Pick<TaskRow, "eta_us" | "retry_count" | "given_back">) {
  return { etaUs: row.eta_us, retryCount: row.retry_count, givenBack: row.given_back === 1 };
}
