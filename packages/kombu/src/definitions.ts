/** What a broker is told about exchanges, queues and bindings: plain data, made by `entity.ts`. */

/** How an exchange finds queues: by the exact key, by a pattern of words, or all of them. `headers` exists on AMQP alone. */
export type ExchangeType = "direct" | "topic" | "fanout" | "headers";

/** An exchange as the broker is told about it. */
export interface ExchangeDefinition {
  readonly name: string;
  readonly type: ExchangeType;
  readonly durable: boolean;
  readonly autoDelete: boolean;
  readonly arguments: Readonly<Record<string, unknown>>;
}

/** A queue as the broker is told about it. */
export interface QueueDefinition {
  readonly name: string;
  readonly durable: boolean;
  readonly exclusive: boolean;
  readonly autoDelete: boolean;
  /** AMQP's `x-*` arguments. */
  readonly arguments: Readonly<Record<string, unknown>>;
}

/** A queue bound to an exchange. Two bindings with the same three names are the same; the arguments of the first stay. */
export interface BindingDefinition {
  readonly exchange: string;
  readonly queue: string;
  readonly routingKey: string;
  readonly arguments?: Readonly<Record<string, unknown>>;
}

/** An exchange that gets what another one routes to it. */
export interface ExchangeBindingDefinition {
  /** Where messages come from. */
  readonly source: string;
  readonly destination: string;
  readonly routingKey: string;
  readonly arguments?: Readonly<Record<string, unknown>>;
}

/** When a queue may be deleted, and how long that may take. */
export interface DeleteQueueOptions {
  /** Leaves one that has messages. Default false. */
  readonly ifEmpty?: boolean;
  /** Leaves one that has consumers, where the broker knows of them, as RabbitMQ does. Default false. */
  readonly ifUnused?: boolean;
  readonly signal?: AbortSignal | undefined;
}

/** What a queue looks like from outside. */
export interface QueueState {
  readonly name: string;
  /** Messages that could be received now. Undefined where this caller may not know. */
  readonly messageCount: number | undefined;
}
