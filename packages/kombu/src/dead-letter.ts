import { newIdempotencyKey } from "@pullqueue/core";
import { countOf } from "./count-of.js";
import { isKombuError, KombuError } from "./errors.js";
import { DEATHS_MAX } from "./limits.js";
import type { MessageContent } from "./message-content.js";
import type {
  DeadLetterTarget,
  DeathReason,
  Delivery,
  PublishReceipt,
  Route,
  Transport,
} from "./transport.js";
import { writable } from "./writable.js";

/**
 * Dead letters where the broker has none of its own: the message is published to where they go, and only then forgotten. What
 * is said about a death is RabbitMQ's `x-death` (https://www.rabbitmq.com/docs/dlx#effects), so that consumers read one format.
 */

const DEATHS = "x-death";
const FIRST_DEATH = "x-first-death-";

/** Headers that count deliveries in the queue that the message leaves: in the next one it is new. */
const OF_THE_OLD_QUEUE: ReadonlySet<string> = new Set(["redelivered", "x-delivery-count"]);

/** Why and when a message is dead, and where dead ones go. */
export interface Death {
  readonly target: DeadLetterTarget;
  readonly reason: DeathReason;
  /** Seconds since the epoch, or a date where headers can hold one. */
  readonly time: number | Date;
}

/** How often a message died for one reason in one queue, the latest first. RabbitMQ's names. */
interface DeathRecord {
  readonly count: number;
  readonly reason: string;
  readonly queue: string;
  readonly time: number | Date;
  readonly exchange: string;
  readonly "routing-keys": readonly string[];
  readonly "original-expiration"?: unknown;
}

/** A dead letter and where it goes. */
interface DeadLetter {
  readonly content: MessageContent;
  readonly route: Route;
}

/**
 * The dead letter of a delivery: body, headers and properties as they were but for what `x-death` says and the `expiration`, which
 * would end it at once. Undefined where it would go in circles: it expired in this queue before, and nobody rejected it since.
 */
function deadLetterOf(delivery: Delivery, death: Death): DeadLetter | undefined {
  const { content, info } = delivery;
  const { headers, properties, raw } = content;
  const before = deathsOf(headers);
  if (goesInCircles(before, info.queue, death.reason)) return undefined;
  const { expiration, ...others } = properties as { readonly expiration?: unknown };
  const known = before.find(({ queue, reason }) => queue === info.queue && reason === death.reason);
  const times = countOf(known?.count);
  const record: DeathRecord = {
    count: times + 1,
    ...{ reason: death.reason, queue: info.queue, time: death.time, exchange: info.exchange },
    "routing-keys": [info.routingKey],
    ...(expiration === undefined ? {} : { "original-expiration": expiration }),
  };
  const deaths = [record, ...before.filter((one) => one !== known)].slice(0, DEATHS_MAX);
  const first = `${FIRST_DEATH}reason` in headers ? {} : firstDeath(record);
  const kept = Object.entries(headers).filter(([name]) => !OF_THE_OLD_QUEUE.has(name));
  return {
    // What is nothing but its bytes has no place for all this.
    content: raw
      ? content
      : {
          ...content,
          properties: others,
          headers: { ...Object.fromEntries(kept), ...first, [DEATHS]: deaths },
        },
    route: routeOf(death, delivery, times),
  };
}

/**
 * Publishes the dead letter of a delivery, which is the caller's to acknowledge then. Errors: those of `publish`, and `unroutable` when no
 * queue takes it, so that nothing is lost.
 */
export async function sendDeadLetter(
  transport: Pick<Transport, "publish">,
  delivery: Delivery,
  death: Death,
): Promise<void> {
  const letter = deadLetterOf(delivery, death);
  if (letter === undefined) return;
  const { exchange, routingKey } = letter.route;
  const { queues } = await publishAnyhow(transport, letter, delivery);
  if (queues?.length !== 0) return;
  throw new KombuError(
    "unroutable",
    `no queue takes the dead letters of queue ${JSON.stringify(delivery.info.queue)}: none is bound to exchange ${JSON.stringify(exchange)} for the routing key ${JSON.stringify(routingKey)}; declare and bind one. The message stays where it is`,
  );
}

/** A message that came must not be held up by its headers: what cannot be written again goes as text, what has become too long as it was. */
async function publishAnyhow(
  transport: Pick<Transport, "publish">,
  { content, route }: DeadLetter,
  delivery: Delivery,
): Promise<PublishReceipt> {
  try {
    return await transport.publish(content, route);
  } catch (error) {
    if (isKombuError(error, "not_serializable")) return transport.publish(rewritten(content), route);
    if (!isKombuError(error, "too_large")) throw error;
    return transport.publish({ ...content, headers: delivery.content.headers }, route);
  }
}

function rewritten(content: MessageContent): MessageContent {
  return {
    ...content,
    headers: writable(content.headers) as MessageContent["headers"],
    properties: writable(content.properties) as MessageContent["properties"],
  };
}

/** Where the queue's own arguments send dead letters; undefined: nowhere. */
export function deadLetterTargetOf(
  args: Readonly<Record<string, unknown>> | undefined,
): DeadLetterTarget | undefined {
  const { "x-dead-letter-exchange": exchange, "x-dead-letter-routing-key": routingKey } = args ?? {};
  if (typeof exchange !== "string") return undefined;
  return { exchange, routingKey: typeof routingKey === "string" ? routingKey : undefined };
}

/** The same for the same death of the same task, so that one whose acknowledgement failed is not doubled by the next try. */
function routeOf({ target, reason }: Death, { info, deliveryTag, content }: Delivery, count: number): Route {
  const { queue, taskId, tag, retryCount, enqueuedAtMs } = info;
  // Who writes to Redis names its messages as it likes, several by one name perhaps: there the delivery tells them apart.
  const identity = retryCount === undefined ? deliveryTag : enqueuedAtMs;
  return {
    exchange: target.exchange,
    routingKey: target.routingKey ?? info.routingKey,
    ...{ mandatory: false, envelope: !content.raw, tag },
    idempotencyKey:
      taskId === undefined
        ? newIdempotencyKey()
        : `dead/${JSON.stringify([queue, taskId, identity, reason, count])}`,
  };
}

function firstDeath({ reason, queue, exchange }: DeathRecord): Readonly<Record<string, string>> {
  return {
    [`${FIRST_DEATH}exchange`]: exchange,
    [`${FIRST_DEATH}queue`]: queue,
    [`${FIRST_DEATH}reason`]: reason,
  };
}

/** RabbitMQ's rule: a circle in which nobody ever rejects is left. */
function goesInCircles(deaths: readonly DeathRecord[], queue: string, reason: DeathReason): boolean {
  const passed = deaths.findIndex((one) => one.queue === queue);
  return (
    reason === "expired" &&
    passed !== -1 &&
    deaths.slice(0, passed + 1).every((one) => one.reason === "expired")
  );
}

/** The header as it is, without what is no record of a death. */
function deathsOf(headers: MessageContent["headers"]): readonly DeathRecord[] {
  const deaths = headers[DEATHS];
  if (!Array.isArray(deaths)) return [];
  return deaths.filter(
    (one): one is DeathRecord =>
      typeof one === "object" &&
      one !== null &&
      typeof one.queue === "string" &&
      typeof one.reason === "string",
  );
}
