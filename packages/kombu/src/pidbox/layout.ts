import { Exchange } from "../exchange.js";
import { Queue, type QueueOptions } from "../queue.js";

/** Names and shapes of remote control, kombu's to the letter, so that Python's nodes and mailboxes are at home in them. */

/** How requests find nodes: all of them (`fanout`, Celery's) or, by Kombu's default, all that are bound with the empty key. */
export type MailboxType = "direct" | "fanout";

/** What one node answered: its name, and what its handler returned, or `{ error }` with what it threw. */
export type PidboxReply = Readonly<Record<string, unknown>>;

/** What a handler is called with, by name. */
export type PidboxArguments = Readonly<Record<string, unknown>>;

/** A request, as it travels. */
export interface PidboxRequest {
  readonly method: string;
  readonly arguments: PidboxArguments;
  /** Names of nodes; null: whom the pattern fits, or all. */
  readonly destination: readonly string[] | null;
  readonly pattern: string | null;
  readonly matcher: string | null;
  readonly ticket?: string;
  readonly reply_to?: ReplyAddress;
}

/** Where replies go. */
export interface ReplyAddress {
  readonly exchange: string;
  readonly routing_key: string;
}

/** Where requests are published. */
export function requestExchange(namespace: string, type: MailboxType): Exchange {
  return new Exchange(`${namespace}.pidbox`, type, { durable: false, deliveryMode: "transient" });
}

/** Where replies are published. */
export function replyExchange(name: string): Exchange {
  return new Exchange(name, "direct", { durable: false, deliveryMode: "transient" });
}

/** The name of the exchange of a namespace's replies. */
export function replyExchangeName(namespace: string): string {
  return `reply.${namespace}.pidbox`;
}

/** How long queues and what is in them live. */
export interface PidboxQueueOptions {
  readonly durable: boolean;
  readonly exclusive: boolean;
  readonly expiresMs: number | undefined;
  readonly messageTtlMs: number | undefined;
}

/** The queue of a node. */
export function nodeQueue(hostname: string, exchange: Exchange, options: PidboxQueueOptions): Queue {
  return new Queue(`${hostname}.${exchange.name}`, { ...lifeOf(options), exchange });
}

/** The queue of a mailbox's replies; `oid` is its identity. */
export function replyQueueName({ exchange, routing_key: oid }: ReplyAddress): string {
  return `${oid}.${exchange}`;
}

/** The queue of a mailbox's replies. */
export function mailboxQueue(address: ReplyAddress, options: PidboxQueueOptions): Queue {
  const exchange = replyExchange(address.exchange);
  return new Queue(replyQueueName(address), {
    ...{ ...lifeOf(options), exchange, routingKey: address.routing_key },
  });
}

function lifeOf({ durable, exclusive, expiresMs, messageTtlMs }: PidboxQueueOptions): QueueOptions {
  return {
    ...{ durable, exclusive, autoDelete: !durable },
    ...(expiresMs === undefined ? {} : { expiresMs }),
    ...(messageTtlMs === undefined ? {} : { messageTtlMs }),
  };
}
