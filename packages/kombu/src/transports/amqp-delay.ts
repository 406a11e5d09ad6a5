import type { BindingDefinition, ExchangeDefinition } from "../definitions.js";
import { KombuError } from "../errors.js";
import { writeTable } from "./amqp-table.js";
import type { AmqpCall } from "./amqp-topology.js";

/**
 * Kombu's native delayed delivery on RabbitMQ: 28 levels of exchange and queue, each of which holds a message for a power of two
 * seconds by its time to live and passes it on. The seconds stand in binary before the routing key. Names, arguments and
 * bindings are kombu's, so that Celery's workers and ours share them.
 */

const LEVEL_MAX = 27;
const DELIVERY_EXCHANGE = "celery_delayed_delivery";
const MS_PER_SECOND = 1000;

/** Where a delayed message goes first, and with which key. */
export interface DelayedRoute {
  readonly exchange: string;
  readonly routingKey: string;
}

/** What kind of queues hold the delayed messages. */
export type DelayQueueType = "classic" | "quorum";

function levelName(level: number): string {
  return `celery_delayed_${level}`;
}

/** The first level's exchange, and the seconds as 28 binary digits before the key. At least one second. */
export function delayedRoute(delayMs: number, routingKey: string): DelayedRoute {
  const seconds = Math.max(1, Math.ceil(delayMs / MS_PER_SECOND));
  if (seconds >= 2 ** (LEVEL_MAX + 1)) {
    throw new KombuError("invalid_argument", `a delay of ${seconds} seconds is more than 2^28 - 1`);
  }
  const digits = [...seconds.toString(2).padStart(LEVEL_MAX + 1, "0")];
  return { exchange: levelName(LEVEL_MAX), routingKey: [...digits, routingKey].join(".") };
}

/** Makes the levels. Repeating it changes nothing. */
export async function declareDelayLevels(call: AmqpCall, type: DelayQueueType): Promise<void> {
  const exchangeOptions = { durable: true, autoDelete: false, arguments: {} };
  await call("declaring delayed delivery", (client) =>
    client.assertExchange(DELIVERY_EXCHANGE, "topic", exchangeOptions),
  );
  for (let level = 0; level <= LEVEL_MAX; level++) {
    await call("declaring delayed delivery", async (client) => {
      const name = levelName(level);
      const below = level === 0 ? DELIVERY_EXCHANGE : levelName(level - 1);
      const pattern = "*.".repeat(LEVEL_MAX - level);
      await client.assertExchange(name, "topic", exchangeOptions);
      await client.assertQueue(name, {
        ...{ durable: true, autoDelete: false, exclusive: false },
        arguments: writeTable({
          "x-queue-type": type,
          "x-overflow": "reject-publish",
          "x-message-ttl": 2 ** level * MS_PER_SECOND,
          "x-dead-letter-exchange": below,
          ...(type === "quorum" ? { "x-dead-letter-strategy": "at-least-once" } : {}),
        }),
      });
      await client.bindQueue(name, name, `${pattern}1.#`, {});
      await client.bindExchange(below, name, `${pattern}0.#`, {});
    });
  }
}

/** Lets a queue that is bound to a topic or fanout exchange get the delayed messages of that exchange too. */
export async function bindDelayed(
  call: AmqpCall,
  { queue, exchange, routingKey }: BindingDefinition,
  definition: ExchangeDefinition | undefined,
): Promise<void> {
  if (definition?.type !== "topic" && definition?.type !== "fanout") return;
  const pattern = routingKey.startsWith("#") ? routingKey : `#.${routingKey}`;
  await call("binding delayed delivery", async (client) => {
    await client.bindExchange(exchange, DELIVERY_EXCHANGE, pattern, {});
    await client.bindQueue(queue, exchange, pattern, {});
  });
}

/** Lets a queue get the delayed messages that are sent to it by its name. */
export async function bindDelayedQueue(call: AmqpCall, queue: string): Promise<void> {
  await call("binding delayed delivery", (client) =>
    client.bindQueue(queue, DELIVERY_EXCHANGE, `#.${queue}`, {}),
  );
}
