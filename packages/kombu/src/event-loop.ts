import type { Channel } from "./channel.js";
import { channelCheck } from "./channel-check.js";
import {
  booleanCheck,
  type Check,
  checkOptions,
  checkSignal,
  checkValue,
  objectCheck,
  signalCheck,
  timeoutCheck,
} from "./check.js";
import { Connection } from "./connection.js";
import { Consumer } from "./consumer.js";
import { type ConsumerOptions, queueOrNameCheck } from "./consumer-options.js";
import { isIdleTimeout } from "./drain.js";
import { Exchange } from "./exchange.js";
import type { Message } from "./message.js";
import { Queue } from "./queue.js";
import { linkSignals } from "./waiting.js";

/** Kombu's `common`: small functions around connections and consumers. */

/** How many events, and how long for each. */
export interface EventLoopOptions {
  /** Most events; timeouts that are ignored count too. Default: without end. */
  readonly limit?: number | undefined;
  /** How long to wait for each, in milliseconds; 0 looks once. Default: without end. */
  readonly timeoutMs?: number | undefined;
  /** Go on when no message came in time. Default false: the loop throws `timeout`. */
  readonly ignoreTimeouts?: boolean | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** How many messages, and how long for each. */
export interface IterMessagesOptions {
  /** Most messages. Default 1, as in kombu; `Infinity` is no limit. */
  readonly limit?: number | undefined;
  /** The loop ends, without an error, when no message came for this long, in milliseconds. Default: wait without end. */
  readonly timeoutMs?: number | undefined;
  readonly signal?: AbortSignal | undefined;
}

const limitCheck: Check = {
  expected: "a whole number from 1, or Infinity",
  holds: (v) => v === Number.POSITIVE_INFINITY || (Number.isInteger(v) && (v as number) > 0),
};

const ITER_CHECKS: Readonly<Record<keyof IterMessagesOptions, Check>> = {
  limit: limitCheck,
  timeoutMs: timeoutCheck,
  signal: signalCheck,
};

const connectionCheck: Check = { expected: "a Connection", holds: (v) => v instanceof Connection };

const consumerCheck: Check = {
  expected: "a Consumer, such as connection.consumer(queue)",
  holds: (v) => v instanceof Consumer,
};

const LOOP_CHECKS: Readonly<Record<keyof EventLoopOptions, Check>> = {
  ...ITER_CHECKS,
  ignoreTimeouts: booleanCheck,
};

/** Why a wait for the next message ended: nobody throws it further. */
const IDLE = new Error("no message came in time");

/**
 * `drainEvents` again and again: one turn of the loop for each event, whose callbacks have ended by then. Errors: what `drainEvents`
 * throws, and the signal's reason.
 *
 *     for await (const _ of eventLoop(connection, { timeoutMs: 1_000, ignoreTimeouts: true })) …
 */
export async function* eventLoop(
  connection: Connection,
  options: EventLoopOptions = {},
): AsyncGenerator<void, void, undefined> {
  checkValue("the connection of eventLoop", connection, connectionCheck);
  checkOptions("eventLoop", options, LOOP_CHECKS);
  const { limit = Number.POSITIVE_INFINITY, timeoutMs, ignoreTimeouts = false, signal } = options;
  for (let count = 0; count < limit; count++) {
    try {
      await connection.drainEvents({ timeoutMs, signal });
    } catch (error) {
      if (ignoreTimeouts && isIdleTimeout(error)) continue;
      throw error;
    }
    yield;
  }
}

/**
 * A consumer's messages, up to a limit. At the end, however it comes, the consumer is cancelled and what was not settled is given
 * back. Errors: the broker's, and the signal's reason.
 */
export async function* drainConsumer<T>(
  consumer: Consumer<T>,
  options: IterMessagesOptions = {},
): AsyncGenerator<Message<T>, void, undefined> {
  checkValue("the consumer of drainConsumer", consumer, consumerCheck);
  checkOptions("drainConsumer", options, ITER_CHECKS);
  const { limit = 1, timeoutMs, signal } = options;
  const link = linkSignals(signal);
  const messages = consumer.messages({ signal: link.signal });
  try {
    await consumer.consume({ signal });
    for (let count = 0; count < limit; count++) {
      const { clock } = consumer.channel;
      const late = () => link.abort(IDLE);
      const cancelTimer =
        timeoutMs === undefined ? undefined : clock.timer(timeoutMs, late, { keepAlive: true });
      const { done, value } = await messages.next().finally(cancelTimer);
      if (done === true) return;
      yield value;
    }
  } catch (error) {
    if (error !== IDLE) throw error;
  } finally {
    link.end();
    await messages.return();
    await consumer.cancel();
  }
}

/** The messages of a queue, up to a limit, through a consumer that lives as long as the loop. As `drainConsumer`. */
export async function* iterMessages<T = unknown>(
  source: Connection | Channel,
  queue: Queue<never, T> | Queue<unknown, T> | string,
  options: IterMessagesOptions & ConsumerOptions<T> = {},
): AsyncGenerator<Message<T>, void, undefined> {
  checkValue("the options of iterMessages", options, objectCheck);
  const { limit, timeoutMs, signal, ...consumerOptions } = options;
  checkValue("the queue of iterMessages", queue, queueOrNameCheck);
  const entity = (typeof queue === "string" ? new Queue(queue) : queue) as Queue;
  const consumer =
    source instanceof Connection
      ? source.consumer<Queue, T>(entity, consumerOptions)
      : new Consumer<T>(source, entity, consumerOptions);
  yield* drainConsumer(consumer, { limit, timeoutMs, signal });
}

/**
 * Declares an exchange, or a queue with its exchanges and bindings, unless the channel's connection did so before; whether it did now.
 * What may go by itself (`autoDelete`, `expiresMs`) is declared each time. Errors: those of declaring.
 */
export async function maybeDeclare(
  entity: Exchange | Queue,
  channel: Channel,
  options: { readonly signal?: AbortSignal | undefined } = {},
): Promise<boolean> {
  checkValue("the entity", entity, entityCheck);
  checkValue("the channel", channel, channelCheck);
  checkSignal("maybeDeclare", options);
  return channel.declareOnce(entity, options.signal);
}

const entityCheck: Check = {
  expected: "an Exchange or a Queue",
  holds: (v) => v instanceof Exchange || v instanceof Queue,
};
