import { checkNewTask } from "../argument-rules.js";
import { QueueError } from "../errors.js";
import { PLAIN_QUEUE_NAME_PATTERN } from "../limits.js";
import type { NewTask, QueueKey } from "../task.js";

/** Rules for arguments that only hold where a store is on the other side of HTTP. */

/** Only the server knows what time it is there. */
export function checkTaskToSend(task: NewTask): void {
  checkNewTask(task, undefined);
}

/** The queue's name, where the server takes only those that App Engine took. */
export function checkPlainName({ queue }: QueueKey): void {
  if (PLAIN_QUEUE_NAME_PATTERN.test(queue)) return;
  throw new QueueError(
    "invalid_argument",
    `this server takes queue names of 1 to 100 letters, digits and hyphens, got ${JSON.stringify(queue.slice(0, 100))}`,
    { location: "taskqueue" },
  );
}

/** Paths of the API name one project. */
export function checkOneProject(queues: readonly QueueKey[]): void {
  if (queues.every(({ project }) => project === queues[0]?.project)) return;
  throw new QueueError("not_supported", "the queues of one call over HTTP must be of one project", {
    location: "taskqueue",
  });
}
