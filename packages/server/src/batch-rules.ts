import { limits, QueueError } from "@pullqueue/core";
import { invalidParameter } from "./parameters.js";

/** What a call may not do within a batch, where others wait for it and all answers are held at once. */

/** Refuses a batch in a batch. */
export function refuseNestedBatch(): never {
  throw new QueueError("invalid_argument", "a batch cannot hold another batch; send its calls in one");
}

/** Refuses to wait, and answers larger than those of plain calls. Throws `invalid_argument`. */
export function checkBatchedParameters(parameters: Readonly<Record<string, unknown>>): void {
  const { waitMs, payloadBytesMax } = parameters;
  if (typeof waitMs === "number" && waitMs > 0) {
    throw invalidParameter(
      "waitMs",
      `waitMs must be 0 within a batch, got ${waitMs}; a call that waits is sent by itself`,
    );
  }
  if (typeof payloadBytesMax === "number" && payloadBytesMax > limits.LEASE_PAYLOAD_BYTES_DEFAULT) {
    throw invalidParameter(
      "payloadBytesMax",
      `payloadBytesMax must be at most ${limits.LEASE_PAYLOAD_BYTES_DEFAULT} within a batch, got ${payloadBytesMax}; send the call by itself`,
    );
  }
}
