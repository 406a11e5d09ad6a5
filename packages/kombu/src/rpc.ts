import { newUuid } from "@pullqueue/core";
import type { Channel } from "./channel.js";
import { channelCheck } from "./channel-check.js";
import {
  acceptCheck,
  type Check,
  checkOptions,
  checkValue,
  integerCheck,
  keyCheck,
  numberCheck,
} from "./check.js";
import { checkAccept, queueOrNameCheck } from "./consumer-options.js";
import { KombuError } from "./errors.js";
import { RPC_REPLY_EXPIRES_MS, RPC_TIMEOUT_MS, TIMEOUT_MS_MAX } from "./limits.js";
import { Producer } from "./producer.js";
import { checkPublishOptions, type PublishOptions } from "./publish-options.js";
import { Queue } from "./queue.js";
import { ReplyQueue } from "./reply-queue.js";
import { type Schema, schemaCheck } from "./schema.js";

/** How remote calls are made. */
export interface RpcOptions<Reply = unknown> {
  /** How long a call waits for its reply, in milliseconds. Default 30 seconds. */
  readonly timeoutMs?: number;
  /** A serializer's name, for requests. Default: bytes and text as they are, anything else as JSON. */
  readonly serializer?: string;
  /** Serializer names or content types of replies that may be decoded. Default: all that are enabled. */
  readonly accept?: readonly string[];
  /** What replies must be, of any library with Standard Schema. Another one fails its call. */
  readonly replySchema?: Schema<unknown, Reply> | undefined;
  /** The queue for replies goes after being unused for this long, in milliseconds, when the program was killed. Default 2 minutes. */
  readonly replyExpiresMs?: number;
}

const RPC_CHECKS: Readonly<Record<keyof RpcOptions, Check>> = {
  timeoutMs: numberCheck(1, TIMEOUT_MS_MAX, "milliseconds"),
  serializer: keyCheck,
  accept: acceptCheck,
  replySchema: schemaCheck,
  replyExpiresMs: integerCheck(1, Number.MAX_SAFE_INTEGER, "milliseconds"),
};

/** What can be said about one call: what can be said about its request, but for what makes it a call. */
export type RpcCallOptions = Omit<
  PublishOptions,
  "exchange" | "routingKey" | "replyTo" | "correlationId" | "envelope"
>;

/**
 * Remote calls: a request to a queue, and its reply, told by a correlation id, in a queue of this client's own. The layout is that of
 * kombu's and RabbitMQ's examples (and of Celery's `rpc://` results): both go through the default exchange, the reply queue is
 * transient and named by a UUID. Calls go side by side. `close` removes the reply queue, and so does closing the connection.
 */
export class RpcClient<In = unknown, Reply = unknown> implements AsyncDisposable {
  readonly #producer: Producer<In>;
  readonly #target: Queue<In, unknown> | undefined;
  readonly #replies: ReplyQueue<Reply>;
  readonly #replyTo: string;
  readonly #timeoutMs: number;

  /** A `Queue` is declared with the first call, a name is not. Throws `invalid_argument`. */
  constructor(channel: Channel, target: Queue<In, unknown> | string, options: RpcOptions<Reply> = {}) {
    checkValue("the channel of an RPC client", channel, channelCheck);
    checkValue("the target of an RPC client", target, queueOrNameCheck);
    checkOptions("an RPC client", options, RPC_CHECKS);
    checkAccept(options.accept, channel.serializers);
    const { serializer, accept, replySchema, replyExpiresMs = RPC_REPLY_EXPIRES_MS } = options;
    this.#target = target instanceof Queue ? target : undefined;
    const isDefault = (this.#target?.exchange.name ?? "") === "";
    this.#producer = new Producer<In>(channel, {
      ...(this.#target === undefined ? {} : { exchange: this.#target.exchange, schema: this.#target.schema }),
      ...(serializer === undefined ? {} : { serializer }),
      routingKey: isDefault ? nameOf(target) : (this.#target?.routingKey ?? ""),
    });
    this.#timeoutMs = options.timeoutMs ?? RPC_TIMEOUT_MS;
    this.#replyTo = newUuid();
    this.#replies = new ReplyQueue<Reply>({
      ...{ channel, owner: "RPC client", accept, schema: replySchema },
      queue: new Queue(this.#replyTo, { durable: false, autoDelete: true, expiresMs: replyExpiresMs }),
      idOf: (message) => message.properties.correlation_id,
    });
  }

  /**
   * Sends a request, and returns what its reply has as payload. A request that nobody has taken when the time is up is not handled any more
   * (`expirationMs`, unless given). Errors: `timeout` without a reply in time, `unroutable` where there is no such queue, `closed`, the
   * signal's reason; those of `publish`, and of decoding the reply.
   */
  async call(body: In, options: RpcCallOptions = {}): Promise<Reply> {
    checkPublishOptions(options);
    const { timeoutMs = this.#timeoutMs, signal, ...others } = options;
    const correlationId = newUuid();
    let reply: { readonly payload: Reply } | undefined;
    const send = (stop: AbortSignal) =>
      this.#producer.publish(body, {
        ...{ mandatory: true, expirationMs: timeoutMs, ...others },
        declare: [...(others.declare ?? []), ...(this.#target === undefined ? [] : [this.#target as Queue])],
        ...{ correlationId, replyTo: this.#replyTo, signal: stop },
      });
    await this.#replies.request({
      ...{ id: correlationId, limit: 1, timeoutMs, signal, send },
      onReply: ({ payload }) => {
        reply = { payload };
      },
    });
    if (reply === undefined) throw noReply(timeoutMs);
    return reply.payload;
  }

  /** Ends waiting calls with `closed`, and removes the reply queue. Idempotent. */
  close(): Promise<void> {
    return this.#replies.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}

function nameOf(target: Queue | string): string {
  return typeof target === "string" ? target : target.name;
}

function noReply(timeoutMs: number): KombuError {
  return new KombuError(
    "timeout",
    `no reply came within ${timeoutMs} ms (timeoutMs); is somebody consuming the queue, and does it answer to reply_to?`,
  );
}
