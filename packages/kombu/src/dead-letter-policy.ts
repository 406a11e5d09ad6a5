import { type Check, nameCheck, queueNameCheck } from "./check.js";
import { KombuError } from "./errors.js";
import { Exchange, exchangeOf } from "./exchange.js";
import type { Message } from "./message.js";
import { Queue } from "./queue.js";
import type { DeadLetterTarget, DeathReason } from "./transport.js";

/** Why a message is given up, for a policy that is a function. */
export interface GivenUp {
  /** `delivery_limit`: its handler was started `attemptsMax` times. `undecodable`: its body cannot be read, may not be, or does not fit its schema. */
  readonly reason: DeathReason;
  /** What the handler threw last, or why the body cannot be read. */
  readonly error: unknown;
}

/**
 * What becomes of a message that a consumer rejects or gives up. A queue, or an exchange and perhaps a key: it goes there with the header
 * `x-death`, on every broker. `reject`: where its queue's definition sends dead letters, else nowhere. `drop`: it is gone, whatever the
 * queue says. A function is told of those that are given up and may settle them; what it leaves open is rejected as by `reject`, and when
 * it throws the message comes back.
 */
export type DeadLetterPolicy =
  | { readonly queue: Queue | string }
  | { readonly exchange: Exchange | string; readonly routingKey?: string }
  | "reject"
  | "drop"
  | ((message: Message, why: GivenUp) => unknown);

const NAMES: ReadonlySet<string> = new Set(["queue", "exchange", "routingKey"]);

function isTarget(value: unknown): boolean {
  if (typeof value !== "object" || value === null) return false;
  const { queue, exchange, routingKey } = value as Readonly<Record<string, unknown>>;
  if (Object.keys(value).some((name) => !NAMES.has(name))) return false;
  if (queue !== undefined) {
    const isQueue = queue instanceof Queue || queueNameCheck.holds(queue);
    return isQueue && exchange === undefined && routingKey === undefined;
  }
  const isExchange = exchange instanceof Exchange || nameCheck.holds(exchange);
  return isExchange && (routingKey === undefined || nameCheck.holds(routingKey));
}

/** What a policy must be. */
export const deadLetterCheck: Check = {
  expected: 'a { queue }, an { exchange, routingKey }, "reject", "drop" or a function',
  holds: (v) => v === "reject" || v === "drop" || typeof v === "function" || isTarget(v),
};

/** A policy in its parts. */
export interface ResolvedPolicy {
  /** What must be declared before. */
  readonly entity: Exchange | Queue | undefined;
  /** What rejecting does; undefined: what the queue says. */
  readonly rejection: DeadLetterTarget | "drop" | undefined;
  readonly onGivenUp: ((message: Message, why: GivenUp) => unknown) | undefined;
}

/** Takes a policy apart. Error: `invalid_argument` for one that sends a queue's dead letters back into it. */
export function resolvePolicy(policy: DeadLetterPolicy, queues: Iterable<string>): ResolvedPolicy {
  const nothing: ResolvedPolicy = { entity: undefined, rejection: undefined, onGivenUp: undefined };
  if (policy === "reject") return nothing;
  if (policy === "drop") return { ...nothing, rejection: "drop" };
  if (typeof policy === "function") return { ...nothing, onGivenUp: policy };
  if ("exchange" in policy) {
    const { exchange, routingKey } = policy;
    const entity = exchange instanceof Exchange ? exchange : undefined;
    return { ...nothing, entity, rejection: { exchange: exchangeOf(exchange).name, routingKey } };
  }
  const entity = typeof policy.queue === "string" ? new Queue(policy.queue) : policy.queue;
  for (const name of queues) if (name === entity.name) throw ownDeadLetters(name);
  return { ...nothing, entity, rejection: { exchange: "", routingKey: entity.name } };
}

function ownDeadLetters(name: string): KombuError {
  return new KombuError(
    "invalid_argument",
    `a consumer of queue ${JSON.stringify(name)} cannot send its dead letters there: they would come back for ever; name another queue`,
  );
}
