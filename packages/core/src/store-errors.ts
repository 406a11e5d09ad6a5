import { QueueError } from "./errors.js";
import type { QueueKey } from "./task.js";

/** What every embedded store complains of, in the same words. Servers without our codes are understood by these sentences. */

/** A queue that is not there. */
export function unknownQueue(queue: QueueKey): QueueError {
  return new QueueError(
    "not_found",
    `there is no queue ${describeQueue(queue)}; create it first, or name one that exists`,
    { location: "taskqueue" },
  );
}

/** A lease on a queue that hands nothing out. */
export function disabledQueue(queue: QueueKey): QueueError {
  return new QueueError(
    "not_found",
    `the queue ${describeQueue(queue)} is disabled: it takes tasks and hands none out until it is enabled again`,
    { location: "taskqueue" },
  );
}

/** A task operation on a push queue. */
export function pushQueue(queue: QueueKey): QueueError {
  return new QueueError(
    "wrong_mode",
    `The REST API is only applicable to pull queues. ${describeQueue(queue)} is a push queue: give it "mode: pull", or name another`,
    { location: "taskqueue" },
  );
}

/** A new queue past the store's limit. */
export function tooManyQueues(queuesMax: number): QueueError {
  return new QueueError(
    "resource_exhausted",
    `the store holds ${queuesMax} queues, as many as it may; delete one, or raise queuesMax`,
    { location: "taskqueue" },
  );
}

/** An insert past what a queue may hold. */
export function fullQueue(queue: QueueKey, storageBytesMax: number): QueueError {
  return new QueueError(
    "resource_exhausted",
    `the queue ${describeQueue(queue)} may hold ${storageBytesMax} payload bytes, and has no room for this task; finish tasks first, or raise storageBytesMax`,
    { location: "payloadBase64" },
  );
}

/** An id that is in use, or was until recently. */
export function idTaken(id: string): QueueError {
  return new QueueError(
    "already_exists",
    `a task with the id ${JSON.stringify(id)} already exists or was finished recently; choose another id, or none`,
    { location: "id" },
  );
}

/** No such task. */
export function unknownTask(id: string): QueueError {
  return new QueueError(
    "not_found",
    `the task name is invalid: there is no task ${JSON.stringify(id)} in the queue (finished tasks are gone)`,
    { location: "task" },
  );
}

/** A fence that does not hold. */
export function leaseLost(id: string): QueueError {
  return new QueueError(
    "lease_lost",
    `the task lease has expired: ${JSON.stringify(id)} is no longer held by this lease; lease tasks again`,
    { location: "leaseTimestamp" },
  );
}

/** A call after close, or one that waited while the store was closed. */
export function closedStore(): QueueError {
  return new QueueError("closed", "the store is closed; open a new one");
}

function describeQueue(queue: QueueKey): string {
  return `${JSON.stringify(queue.queue)} in the project ${JSON.stringify(queue.project)}`;
}
