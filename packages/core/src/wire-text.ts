import { encodePayload } from "./base64.js";
import type { ProjectPrefix } from "./names.js";
import type { Task } from "./task.js";
import { enqueueTimestamp, leaseTimestamp, taskToWire } from "./wire.js";
import { queueNameToWire } from "./wire-queue.js";

/** ASCII characters that JSON writes as they are. */
const PLAIN = /^[\w\-.~:/]*$/;

/**
 * A stored task as the JSON text of its resource: what `JSON.stringify(taskToWire(task, prefix))` gives. Put together by hand, because
 * JSON.stringify looks at each character of a payload that is known to need no escape.
 * `depth` is how far a task in an indented answer is moved in; undefined: not indented at all. The payload is given beside the task, so
 * that nobody has to make another task with it; undefined: none is written.
 */
export function taskToText(
  task: Task,
  payload: Uint8Array | undefined,
  prefix: ProjectPrefix,
  depth: number | undefined,
): string {
  const line = depth === undefined ? "" : `\n${" ".repeat(depth)}`;
  if (hasRarities(task)) {
    const text = JSON.stringify(
      taskToWire({ ...task, payload }, prefix),
      null,
      depth === undefined ? undefined : 1,
    );
    // Line breaks within texts are escaped, so that these are all between them.
    return depth === undefined ? text : text.replaceAll("\n", line);
  }
  const [field, colon] = depth === undefined ? ["", ":"] : [`${line} `, ": "];
  const content = payload === undefined ? "" : `,${field}"payloadBase64"${colon}"${encodePayload(payload)}"`;
  return (
    `{${field}"kind"${colon}"taskqueues#task",${field}"id"${colon}${quoted(task.id)}` +
    `,${field}"queueName"${colon}${quoted(queueNameToWire(task.queue, prefix))}${content}` +
    `,${field}"enqueueTimestamp"${colon}"${enqueueTimestamp(task)}",${field}"leaseTimestamp"${colon}"${leaseTimestamp(task)}"` +
    `,${field}"retry_count"${colon}${task.retryCount}${line}}`
  );
}

/** Whether the text of a task is sure to be ASCII: of most it is, and of the others nobody looks. */
export function isAsciiTask(task: Task, prefix: ProjectPrefix): boolean {
  return !hasRarities(task) && PLAIN.test(task.id) && PLAIN.test(queueNameToWire(task.queue, prefix));
}

function hasRarities(task: Task): boolean {
  return (
    task.tag !== undefined ||
    task.uncounted !== 0 ||
    task.traceparent !== undefined ||
    task.tracestate !== undefined ||
    task.deadLetter !== undefined
  );
}

function quoted(text: string): string {
  return PLAIN.test(text) ? `"${text}"` : JSON.stringify(text);
}
