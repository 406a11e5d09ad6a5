import type { Task } from "@pullqueue/core";
import type { MessageProperties } from "../message-content.js";

/** When messages expire. Ages are told by the store's clock alone, so that no difference between clocks matters. */

const US_PER_MS = 1000;
const DECIMAL = /^[0-9]+(\.[0-9]+)?$/;

/** How long a message lives from its publishing on, in microseconds: its own `expiration` or the queue's limit, the shorter. */
export function expiryUs(properties: MessageProperties, queueTtlMs: number | undefined): number | undefined {
  const { expiration } = properties as { readonly expiration?: unknown };
  if (expiration === undefined && queueTtlMs === undefined) return undefined;
  const isOwn = typeof expiration === "string" ? DECIMAL.test(expiration) : typeof expiration === "number";
  const lives = [isOwn ? Number(expiration) : undefined, queueTtlMs].filter((ms) => ms !== undefined);
  return lives.length === 0 ? undefined : Math.min(...lives) * US_PER_MS;
}

/** What the store's clock showed when it gave the lease: the lease's end less its length. */
export function storeNowUs(task: Task, leaseMs: number, leaseStepMs: number): number {
  return task.etaUs - Math.ceil(leaseMs / leaseStepMs) * leaseStepMs * US_PER_MS;
}
