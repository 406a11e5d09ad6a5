/** An exchange as the broker is told about it. */
export interface ExchangeDefinition {
  readonly name: string;
  readonly type: "direct" | "topic" | "fanout" | "headers";
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
