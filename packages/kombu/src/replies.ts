import type { Channel } from "./channel.js";
import { channelCheck } from "./channel-check.js";
import {
  acceptCheck,
  booleanCheck,
  type Check,
  checkOptions,
  checkValue,
  integerCheck,
  objectCheck,
  signalCheck,
  timeoutCheck,
} from "./check.js";
import { Consumer } from "./consumer.js";
import { queueCheck } from "./consumer-options.js";
import { KombuError } from "./errors.js";
import { PREFETCH_MAX, REPLIES_AHEAD } from "./limits.js";
import { type Message, messageCheck } from "./message.js";
import { Producer, type Receipt } from "./producer.js";
import { checkPublishOptions, type PublishOptions } from "./publish-options.js";
import type { Queue } from "./queue.js";
import { linkSignals } from "./waiting.js";

/** How a request is answered: the options of `publish`, and who publishes. */
export interface SendReplyOptions extends Omit<PublishOptions, "routingKey"> {
  readonly producer: Producer;
}

const producerCheck: Check = {
  expected: "a Producer, such as connection.producer()",
  holds: (v) => v instanceof Producer,
};

/** Content types that say how a request was written, but not how to write anything that is no text or bytes. */
const PLAIN = new Set(["text/plain", "application/data"]);

/**
 * Answers a request in the queue that it names (`reply_to`, the routing key), with its correlation id and its serializer. Kombu's
 * `send_reply`. The exchange is the default one unless given. Nobody there any more is no error: the receipt has no queues then, where brokers say.
 * Errors: `invalid_argument` for a request that wants no reply, and those of `publish`.
 */
export async function sendReply(
  request: Message,
  body: unknown,
  replyOptions: SendReplyOptions,
): Promise<Receipt> {
  checkValue("the request of sendReply", request, messageCheck);
  checkValue("the options of sendReply", replyOptions, objectCheck);
  const { producer, ...options } = replyOptions;
  checkValue("the producer of sendReply", producer, producerCheck);
  checkPublishOptions(options);
  const { reply_to: routingKey, correlation_id: correlationId } = request.properties;
  if (typeof routingKey !== "string" || routingKey === "") {
    throw new KombuError(
      "invalid_argument",
      `message ${request.deliveryTag} names no queue for a reply (reply_to); its sender wants none`,
    );
  }
  const { contentType } = request;
  const isOwnFormat = contentType !== undefined && !PLAIN.has(contentType);
  return producer.publish(body, {
    exchange: "",
    ...(isOwnFormat && options.contentType === undefined ? { serializer: contentType } : {}),
    ...(typeof correlationId === "string" ? { correlationId } : {}),
    ...options,
    routingKey,
  });
}

/** What is collected, and for how long. */
export interface CollectRepliesOptions {
  /** Ends after so many replies. Default 1, as in kombu. */
  readonly limit?: number | undefined;
  /** Ends when this time is over, in milliseconds, counted from the start of the loop. Default: wait without end. */
  readonly timeoutMs?: number | undefined;
  /** Acknowledge before a reply is handed over; otherwise when the next one is asked for. Default true. */
  readonly noAck?: boolean;
  /** Serializer names or content types that may be decoded. Default: all that are enabled. */
  readonly accept?: readonly string[] | undefined;
  /** Fails the loop with its reason. */
  readonly signal?: AbortSignal | undefined;
}

const COLLECT_CHECKS: Readonly<Record<keyof CollectRepliesOptions, Check>> = {
  limit: integerCheck(1, Number.MAX_SAFE_INTEGER, "replies"),
  timeoutMs: timeoutCheck,
  noAck: booleanCheck,
  accept: acceptCheck,
  signal: signalCheck,
};

/**
 * The bodies of replies in a queue, one by one, until there were as many as the limit or time is up. Kombu's `collect_replies`. Declares the
 * queue; at the end an `autoDelete` queue is removed, also by brokers that do not by themselves, unless nothing came.
 * Errors: those of receiving and of decoding, and the signal's reason.
 */
export async function* collectReplies<T = unknown>(
  channel: Channel,
  queue: Queue<unknown, T>,
  options: CollectRepliesOptions = {},
): AsyncGenerator<T, void, undefined> {
  checkValue("the channel of collectReplies", channel, channelCheck);
  checkValue("the queue of collectReplies", queue, queueCheck);
  checkOptions("collectReplies", options, COLLECT_CHECKS);
  const { limit = 1, timeoutMs, noAck = true, accept, signal } = options;
  const consumer = new Consumer<T>(channel, queue as Queue, {
    ...{ noAck, prefetchCount: Math.min(limit, REPLIES_AHEAD, PREFETCH_MAX) },
    ...(accept === undefined ? {} : { accept }),
  });
  const link = linkSignals(signal);
  const timeIsUp = new KombuError("timeout", "no more replies are waited for");
  const cancel =
    timeoutMs === undefined
      ? undefined
      : channel.clock.timer(timeoutMs, () => link.abort(timeIsUp), { keepAlive: true });
  let received = 0;
  try {
    for await (const message of consumer.messages({ signal: link.signal })) {
      received += 1;
      yield message.payload;
      await message.ack();
      if (received >= limit) return;
    }
  } catch (error) {
    if (error !== timeIsUp) throw error;
  } finally {
    cancel?.();
    link.end();
    if (received > 0 && queue.autoDelete) await channel.afterReplyMessageReceived(queue.name);
  }
}
