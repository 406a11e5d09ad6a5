import { encodePayload } from "../base64.js";
import type { LeaseFence, NewTask } from "../task.js";
import type { JsonObject } from "../wire-read.js";

/**
 * Items of batches as JSON text, for calls that carry many: objects that only live to be written cost more than what is in them. All of it is
 * ASCII, so that each character is its byte.
 */

/** A new task as the body of an insert, for a server that knows our extensions; `queueName` is JSON already. */
export function newTaskText(task: NewTask, queueName: string): string {
  const { payload, id, tag, etaUs, delayMs, idempotencyKey, traceparent, tracestate } = task;
  return (
    `{"kind":"taskqueues#task","queueName":${queueName},"payloadBase64":"${encodePayload(payload)}"` +
    member("id", id) +
    member("tag", tag) +
    member("leaseTimestamp", etaUs === undefined ? undefined : String(etaUs)) +
    // Whole on the wire, and rounded up, so that a task is never early.
    member("delayMs", delayMs === undefined ? undefined : Math.ceil(delayMs)) +
    member("idempotencyKey", idempotencyKey) +
    member("traceparent", traceparent) +
    `${member("tracestate", tracestate)}}`
  );
}

/** Which lease an item of a batch speaks of. */
export function fenceText({ id, retryCount, leaseEndUs }: LeaseFence): string {
  const leaseTimestamp = leaseEndUs === undefined ? undefined : String(leaseEndUs);
  return `{"id":${asciiJson(id)}${member("retryCount", retryCount)}${member("leaseTimestamp", leaseTimestamp)}}`;
}

function member(name: string, value: string | number | undefined): string {
  return value === undefined ? "" : `,"${name}":${typeof value === "number" ? value : asciiJson(value)}`;
}

/** What JSON writes between quotes as it is, in ASCII. */
const PLAIN = /^[ !#-[\]-~]*$/;

/** JSON text in ASCII alone. */
export function asciiJson(value: string | JsonObject): string {
  if (typeof value === "string" && PLAIN.test(value)) return `"${value}"`;
  return JSON.stringify(value).replace(
    /[\u007f-\uffff]/g,
    (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}
