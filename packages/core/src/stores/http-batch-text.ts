import { encodePayload } from "../base64.js";
import type { LeaseFence, NewTask } from "../task.js";
import type { JsonObject } from "../wire-read.js";

/**
 * Items of batches as JSON text, for calls that carry many: objects that only live to be written cost more than what is in them. All of it is
 * ASCII, so that each character is its byte.
 */

/** A new task as the body of an insert, for a server that knows our extensions; `queueName` is JSON already. */
export function writeNewTask(task: NewTask, queueName: string, body: BatchBody): void {
  const { payload, id, tag, etaUs, delayMs, idempotencyKey, traceparent, tracestate } = task;
  body.add(`{"kind":"taskqueues#task","queueName":${queueName},"payloadBase64":"`);
  body.add(encodePayload(payload));
  body.add(
    `"${member("id", id)}${member("tag", tag)}` +
      member("leaseTimestamp", etaUs === undefined ? undefined : String(etaUs)) +
      // Whole on the wire, and rounded up, so that a task is never early.
      member("delayMs", delayMs === undefined ? undefined : Math.ceil(delayMs)) +
      member("idempotencyKey", idempotencyKey) +
      member("traceparent", traceparent) +
      `${member("tracestate", tracestate)}}`,
  );
}

/** Which lease an item of a batch speaks of. */
export function writeFence({ id, retryCount, leaseEndUs }: LeaseFence, _: string, body: BatchBody): void {
  const leaseTimestamp = leaseEndUs === undefined ? undefined : String(leaseEndUs);
  body.add(
    `{"id":${asciiJson(id)}${member("retryCount", retryCount)}${member("leaseTimestamp", leaseTimestamp)}}`,
  );
}

/** How large a body is at first, and the largest that is kept for the next batch. In bytes. */
const BODY_BYTES = 64 * 1024;
const BODY_BYTES_KEPT_MAX = 4 * 1024 * 1024;

/** Bodies kept for the next batches: of all methods together few are under way at once. */
const BODIES_KEPT_MAX = 8;

/**
 * A body that is written piece by piece: as one text it would be in memory three times. Memory of this size is given back by the system page
 * by page, which costs more than what is written there, so that it is kept for the next.
 */
export class BatchBody {
  static readonly #kept: Buffer[] = [];
  #bytes = BatchBody.#kept.pop() ?? Buffer.allocUnsafeSlow(BODY_BYTES);
  #length = 0;

  /** Adds text in ASCII. */
  add(text: string): void {
    const needed = this.#length + text.length;
    if (needed > this.#bytes.byteLength) {
      const larger = Buffer.allocUnsafeSlow(Math.max(needed, this.#bytes.byteLength * 2));
      this.#bytes.copy(larger, 0, 0, this.#length);
      this.#bytes = larger;
    }
    this.#length += this.#bytes.write(text, this.#length, "latin1");
  }

  /** What was written so far. */
  get bytes(): Uint8Array {
    return this.#bytes.subarray(0, this.#length);
  }

  /** Nobody will read it any more: its server has answered. */
  free(): void {
    const kept = BatchBody.#kept;
    if (this.#bytes.byteLength <= BODY_BYTES_KEPT_MAX && kept.length < BODIES_KEPT_MAX)
      kept.push(this.#bytes);
    this.#bytes = Buffer.alloc(0);
    this.#length = 0;
  }
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
