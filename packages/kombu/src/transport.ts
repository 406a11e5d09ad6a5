import type { Clock } from "@pullqueue/core";
import type { BackoffPolicy } from "./backoff.js";
import type {
  BindingDefinition,
  DeleteQueueOptions,
  ExchangeBindingDefinition,
  ExchangeDefinition,
  QueueDefinition,
  QueueState,
} from "./definitions.js";
import type { KombuError } from "./errors.js";
import type { MessageContent } from "./message-content.js";

/**
 * What a connection needs from a broker. Brokers that can lease (every QueueStore) are all served by one
 * implementation, `transports/virtual.ts`; the others implement this contract themselves.
 */

/** How a transport provides something: by the broker, by this library, only remembered, or not at all (an error says so). */
export type Support = "native" | "emulated" | "recorded" | "refused";

/** What differs between brokers. The capability matrix in docs/kombu.md is made from these and checked by a test. */
export interface TransportManifest {
  readonly name: string;
  readonly direct: Support;
  readonly topic: Support;
  readonly fanout: Support;
  readonly headers: Support;
  readonly priority: Support;
  readonly delay: Support;
  readonly messageExpiry: Support;
  readonly queueExpiry: Support;
  readonly maxLength: Support;
  readonly exclusive: Support;
  readonly autoDelete: Support;
  readonly durable: Support;
  readonly mandatory: Support;
  /** Moving rejected and expired messages to where a queue's definition says. */
  readonly deadLetters: Support;
  /** Whether a receipt names the queues that took the message. */
  readonly receiptQueues: Support;
  /** Whether publishing again with the same `idempotencyKey` adds nothing. */
  readonly idempotency: Support;
  /** Ids and tags of stored tasks that the caller chooses. */
  readonly taskIds: Support;
  /** Counting how often a message was handed out, which `attemptsMax` needs. */
  readonly attempts: Support;
  /** Hiding a message for a while when it is given back. */
  readonly requeueDelay: Support;
  readonly exchangeBindings: Support;
  /** Messages are stored as kombu's JSON envelopes, which may have any property. Otherwise as AMQP's body and properties. */
  readonly envelopes: boolean;
  /** The priority of messages that are handed out first, 0 or 9. Undefined: priorities change nothing, the oldest goes first. */
  readonly urgentPriority: number | undefined;
  /** Exchanges live in the connection that declared them. Otherwise in the broker, where all know them. */
  readonly localExchanges: boolean;
  /** Bindings live in the connection that made them, so that others reach a queue by its name alone. Otherwise in the broker. */
  readonly localBindings: boolean;
  /** Deliveries are leases that end unless renewed. Otherwise the connection itself is the lease, and `extend` does nothing. */
  readonly leases: boolean;
  /**
   * Who renews leases: the event `loop` alone; a `thread` of ours too, so that nothing is lost while the loop is blocked; or nobody,
   * because the `connection` is the lease.
   */
  readonly renewal: "thread" | "loop" | "connection";
  /** Largest message the broker takes, in bytes as stored; undefined when it has no limit of its own. */
  readonly messageBytesMax: number | undefined;
}

/** Where a message goes and how. */
export interface Route {
  /** The empty name is the default exchange: the routing key names the queue. */
  readonly exchange: string;
  readonly routingKey: string;
  /** Fail with `unroutable` when no queue takes the message. */
  readonly mandatory: boolean;
  /** False writes the body alone, for consumers that are not kombu. */
  readonly envelope: boolean;
  /** Makes a repeated publish harmless; every queue's copy derives its own key from it. */
  readonly idempotencyKey: string;
  /**
   * The caller chose that key, relies on it, and may come again with it, so that a broker that cannot keep it must refuse;
   * otherwise only a repetition of the transport's own does.
   */
  readonly keyChosen?: boolean | undefined;
  /** Nobody but the transport itself comes again with that key. Default false. */
  readonly isKeyUsedOnce?: boolean | undefined;
  readonly tag?: string | undefined;
  readonly delayMs?: number | undefined;
  readonly taskId?: string | undefined;
}

/** What became of a publish. */
export interface PublishReceipt {
  /** The queues that now have the message; empty when nothing was bound. Undefined: some have it, and the broker does not say which. */
  readonly queues: readonly string[] | undefined;
}

/** What the broker says about one delivery of a message. */
export interface DeliveryInfo {
  readonly queue: string;
  readonly exchange: string;
  readonly routingKey: string;
  readonly redelivered: boolean;
  /** The stored task, where the broker has tasks. */
  readonly taskId: string | undefined;
  readonly tag: string | undefined;
  /** Leases applied to the task so far, this one included. */
  readonly retryCount: number | undefined;
  /** How many of those were handed to somebody, this one included; the others were given back unseen. */
  readonly attempts: number | undefined;
  /** Milliseconds since the epoch, by the broker's clock. */
  readonly enqueuedAtMs: number | undefined;
  /** The producer's span: what the stored task has beside the message, or else the headers (https://www.w3.org/TR/trace-context/). */
  readonly traceparent?: string | undefined;
  readonly tracestate?: string | undefined;
}

/** What has to be known of a delivery to keep its lease. */
export interface Lease {
  /** Unique within the connection; never an integer, as in kombu's virtual transports. */
  readonly deliveryTag: string;
  /** When it ends, in microseconds by the connection's clock; undefined: never. Moved by renewals. */
  leaseEndsAtUs: number | undefined;
  /** Where its standby finds it; nobody else's affair. */
  standbyId?: number | undefined;
}

/** A message in our hands: held until it is acknowledged, released, rejected, or its lease ends. */
export interface Delivery extends Lease {
  readonly content: MessageContent;
  readonly info: DeliveryInfo;
  /** When the message expires, in microseconds by the connection's clock; undefined: never. Not to be handed out after. */
  readonly expiresAtUs: number | undefined;
  /** Fires with `lease_lost` when the broker took the message back by itself: its connection broke, say. */
  readonly lost?: AbortSignal | undefined;
}

/** One consumer, as brokers know it that push: told apart by identity. */
export interface Receiver {
  /** Most messages in its hands, those that were pushed and not received yet included; 0: nothing is fetched ahead. */
  readonly prefetch: number;
  /** What the broker shows as the name of its subscription to a queue. */
  tag(queue: string): string | undefined;
  /** `x-*` arguments of that subscription. */
  consumerArguments(queue: string): Readonly<Record<string, unknown>>;
}

/** What is asked of the broker. */
export interface ReceiveRequest {
  /** Queues taken in turn, so that a busy one does not starve the others. */
  readonly queues: readonly string[];
  /** At most this many deliveries. Undefined: the batch that the transport was configured with, else one. */
  readonly max: number | undefined;
  /** How long to wait for the first, in milliseconds; 0 looks once. */
  readonly waitMs: number;
  readonly signal?: AbortSignal | undefined;
  /**
   * Who asks. A broker that pushes keeps a subscription for it while its prefetch is above 0, until `unsubscribe`; those that
   * are asked take no notice. Undefined: nobody who will ask again.
   */
  readonly receiver?: Receiver | undefined;
}

/** How a delivery is given back. */
export interface ReleaseOptions {
  /** Hide it for this long first, in milliseconds. Default 0. */
  readonly delayMs?: number;
  /** A handler failed, and the next one must know: a broker that does not count deliveries has to be helped. */
  readonly counted?: boolean;
  /** No handler saw it, so it does not count as an attempt. */
  readonly uncounted?: boolean;
  /** Its holder goes: where there is an order, it is taken next again. Otherwise it may go behind the others. */
  readonly inPlace?: boolean;
}

/** Why a message is dead. The first three are RabbitMQ's words; `undecodable` is what its reader cannot or may not read. */
export type DeathReason = "rejected" | "expired" | "delivery_limit" | "undecodable";

/** Where dead letters go. */
export interface DeadLetterTarget {
  /** The empty name is the default exchange: the routing key names the queue. */
  readonly exchange: string;
  /** Default: the one that the message was published with. */
  readonly routingKey?: string | undefined;
}

/** How a delivery is rejected. */
export interface RejectOptions {
  /** Default `rejected`. */
  readonly reason?: DeathReason | undefined;
  /** Where it goes. Default: where its queue's definition says, else nowhere. */
  readonly to?: DeadLetterTarget | undefined;
}

/** A lease as plain data, which names it to the broker: what is in it is its transport's own affair. */
export type LeaseTicket = Readonly<Record<string, string | number>>;

/** How a transport writes leases down for another one to the same broker, in another thread. */
export interface LeaseTickets {
  /** Undefined: this delivery has no lease. */
  write(lease: Lease): LeaseTicket | undefined;
  /** Takes over what a renewal elsewhere has changed. */
  take(lease: Lease, ticket: LeaseTicket): void;
}

/** How a lease is to be kept. */
export interface LeaseTerms {
  readonly lengthUs: number;
  /** When renewing ends, by the connection's clock. */
  readonly untilUs: number;
}

/** Stands by to renew leases while this thread's event loop is blocked. Nothing of it throws or rejects. */
export interface LeaseStandby {
  /** A lease is to be renewed when it nears its end. Again after each renewal of ours. */
  keep(lease: Lease, terms: LeaseTerms): void;
  /** A lease need not be renewed any more. */
  drop(lease: Lease): void;
  /** Takes over what has been renewed meanwhile, so that `leaseEndsAtUs` is right. */
  refresh(): void;
  /** The same as `drop`, and resolves when no renewal of this lease is on its way any more. */
  quiet(lease: Lease): Promise<void>;
  /** Idempotent. */
  close(): Promise<void>;
}

/** The data path. Every method rejects with a `KombuError`; `lease_lost` means that somebody else may have the message. */
export interface Transport extends AsyncDisposable {
  readonly manifest: TransportManifest;
  readonly topology: Topology;
  /** Whether its broker is known to be there now. Absent where each call is a conversation of its own. */
  readonly isConnected?: boolean;
  /** Resolves when its broker was reached; one attempt. Rejects with `unavailable`, and what trying again would not change. */
  connect?(signal?: AbortSignal): Promise<void>;
  /** Resolves when every queue bound to the route has the message. */
  publish(content: MessageContent, route: Route, signal?: AbortSignal): Promise<PublishReceipt>;
  /** Oldest first. Never throws for an undecodable message: it arrives raw. After an abort nothing stays held. */
  receive(request: ReceiveRequest): Promise<Delivery[]>;
  /** Done: the broker forgets the message. */
  ack(delivery: Delivery): Promise<void>;
  /** Gives back the same message. */
  release(delivery: Delivery, options?: ReleaseOptions): Promise<void>;
  /**
   * The broker forgets the message, after it has it where dead letters go, if they go anywhere. Nothing is lost in between; a crash
   * may double it.
   */
  reject(delivery: Delivery, options?: RejectOptions): Promise<void>;
  /** Holds on for another lease from now, the length being the transport's. */
  extend(delivery: Delivery): Promise<void>;
  /** The same for a lease of another transport to the same broker; gives the ticket as it is then. Absent: leases stay where they are. */
  renew?(ticket: LeaseTicket): Promise<LeaseTicket>;
  /** Renews also while the event loop is blocked; closed with the transport. Absent: nobody does. */
  readonly standby?: LeaseStandby | undefined;
  /** Ends a receiver's subscriptions, or that to one queue, and gives back what was pushed and not received. Never rejects. */
  unsubscribe?(receiver: Receiver, queue?: string): Promise<void>;
  /** Idempotent. Waiting receives end with `closed`. Deliveries still held are the caller's to release before. */
  close(): Promise<void>;
}

/** Exchanges, queues and bindings. */
export interface Topology {
  /** Passive: only checks that it is there (`not_found`). A different definition under the same name is `precondition_failed`. */
  declareExchange(exchange: ExchangeDefinition, passive: boolean, signal?: AbortSignal): Promise<void>;
  declareQueue(queue: QueueDefinition, passive: boolean, signal?: AbortSignal): Promise<QueueState>;
  bind(binding: BindingDefinition): Promise<void>;
  unbind(binding: BindingDefinition): Promise<void>;
  /** Lets one exchange feed another. Absent where brokers cannot. */
  bindExchange?(binding: ExchangeBindingDefinition): Promise<void>;
  unbindExchange?(binding: ExchangeBindingDefinition): Promise<void>;
  /** `ifUnused`: `precondition_failed` while queues are bound to it. Quiet for an unknown exchange. */
  deleteExchange(name: string, options?: { readonly ifUnused?: boolean }): Promise<void>;
  /** How many messages went with it; quiet for an unknown queue. */
  deleteQueue(name: string, options?: DeleteQueueOptions): Promise<number>;
  /** How many messages were removed. */
  purge(queue: string, signal?: AbortSignal): Promise<number>;
  count(queue: string, signal?: AbortSignal): Promise<number>;
}

/** What every transport is opened with. */
export interface TransportContext {
  /** Decides about lease ends and expiry, and makes pauses. */
  readonly clock: Clock;
  /** Chance from 0 to below 1, for the part of pauses that is left to it. */
  readonly random: () => number;
  /** Told of what goes wrong where nobody waits for an answer: the error says what. Undefined: nobody listens. */
  readonly warn?: ((warning: KombuError) => void) | undefined;
  /** Whether `clock` is the system's, so that another thread can have the same, and the broker may know better. Default false. */
  readonly isSystemTime?: boolean;
  /** Fires when the connection begins to close: an attempt to reach the broker then ends. */
  readonly closing?: AbortSignal | undefined;
  /** Gives leases somebody who renews them while the event loop is blocked. Absent: nobody does. */
  readonly openStandby?: ((tickets: LeaseTickets) => LeaseStandby) | undefined;
  /** How a broker is waited for that is away. Default: the transport's own way, for up to a minute. */
  readonly reconnect?: ReconnectSettings | undefined;
  /** Told why a call is tried again by the transport itself. For the error that its caller gets who stops waiting. */
  readonly report?: ((error: unknown) => void) | undefined;
}

/** How a transport waits for its broker. */
export interface ReconnectSettings {
  /** How long calls wait for it at most, in milliseconds. 0 where there is another broker to go to. */
  readonly patienceMs: number;
  /** Pauses between attempts. */
  readonly backoff: BackoffPolicy;
}
