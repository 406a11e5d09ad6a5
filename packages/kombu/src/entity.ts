import { acceptCheck, booleanCheck, type Check, methodsCheck, signalCheck } from "./check.js";
import type { DeleteQueueOptions } from "./definitions.js";
import { KombuError } from "./errors.js";
import type { Message } from "./message.js";
import type { Schema } from "./schema.js";
import type { Topology } from "./transport.js";

/** What exchanges and queues have in common: they are frozen values that need a channel to do something. */

/** AMQP's arguments of an exchange, queue, binding or consumer. */
export type Arguments = Readonly<Record<string, unknown>>;

/** What an entity needs of a channel to do something. */
export interface EntityChannel extends Required<Topology> {
  /** One message of the queue, or null when there is none now. */
  get(queue: string, options: GetOptions & { readonly schema?: Schema | undefined }): Promise<Message | null>;
}

/** How one message is fetched. */
export interface GetOptions {
  /** The message is acknowledged before it is handed over. Default: the queue's. */
  readonly noAck?: boolean;
  /** Serializer names or content types that may be decoded. Default: all that are enabled. */
  readonly accept?: readonly string[] | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** How an entity is declared. */
export interface DeclareOptions {
  /** Only check that it is there: `not_found` if it is not. */
  readonly passive?: boolean;
  readonly signal?: AbortSignal | undefined;
}

/** What can be asked of a broker: a channel, or what stands for one. */
export const entityChannelCheck: Check = methodsCheck(
  "a Channel, such as await connection.channel()",
  "declareQueue",
  "declareExchange",
);

/** What `declare` may be told. */
export const DECLARE_CHECKS: Readonly<Record<keyof DeclareOptions, Check>> = {
  passive: booleanCheck,
  signal: signalCheck,
};

/** What `get` may be told. */
export const GET_CHECKS: Readonly<Record<keyof GetOptions, Check>> = {
  noAck: booleanCheck,
  accept: acceptCheck,
  signal: signalCheck,
};

/** What `delete` of a queue may be told. */
export const DELETE_CHECKS: Readonly<Record<keyof DeleteQueueOptions, Check>> = {
  ifEmpty: booleanCheck,
  ifUnused: booleanCheck,
  signal: signalCheck,
};

/** The channel of a bound entity, or `not_bound`. */
export function needChannel(channel: EntityChannel | undefined, what: string, verb: string): EntityChannel {
  if (channel !== undefined) return channel;
  throw new KombuError(
    "not_bound",
    `${what} cannot ${verb} without a channel; call bind(channel) and use what it returns`,
  );
}
