import { encodePayload } from "./base64.js";
import type { ProjectPrefix } from "./names.js";
import type { Task } from "./task.js";
import { enqueueTimestamp, leaseTimestamp, taskToWire } from "./wire.js";
import { queueNameToWire } from "./wire-queue.js";

/**
 * A stored task as the JSON text of its resource: what `JSON.stringify(taskToWire(task, prefix))` gives. Put together by hand, because
 * JSON.stringify looks at each character of a payload that is known to need no escape.
 * `depth` is how far a task in an indented answer is moved in; undefined: not indented at all.
 */
export function taskToText(
  task: Task & { readonly payload?: Uint8Array },
  prefix: ProjectPrefix,
  depth: number | undefined,
): string {
  const line = depth === undefined ? "" : `\n${" ".repeat(depth)}`;
  if (hasRarities(task)) {
    const text = JSON.stringify(taskToWire(task, prefix), null, depth === undefined ? undefined : 1);
    // Line breaks within texts are escaped, so that these are all between them.
    return depth === undefined ? text : text.replaceAll("\n", line);
  }
  const [field, colon] = depth === undefined ? ["", ":"] : [`${line} `, ": "];
  const payload =
    task.payload === undefined ? "" : `,${field}"payloadBase64"${colon}"${encodePayload(task.payload)}"`;
  return (
    `{${field}"kind"${colon}"taskqueues#task",${field}"id"${colon}${JSON.stringify(task.id)}` +
    `,${field}"queueName"${colon}${JSON.stringify(queueNameToWire(task.queue, prefix))}${payload}` +
    `,${field}"enqueueTimestamp"${colon}"${enqueueTimestamp(task)}",${field}"leaseTimestamp"${colon}"${leaseTimestamp(task)}"` +
    `,${field}"retry_count"${colon}${task.retryCount}${line}}`
  );
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
