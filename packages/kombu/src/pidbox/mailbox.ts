import { newUuid } from "@pullqueue/core";
import type { Channel } from "../channel.js";
import { channelCheck } from "../channel-check.js";
import {
  acceptCheck,
  booleanCheck,
  type Check,
  checkOptions,
  checkSignal,
  checkValue,
  integerCheck,
  keyCheck,
  objectCheck,
  oneOfCheck,
} from "../check.js";
import { LamportClock } from "../clocks.js";
import { checkAccept } from "../consumer-options.js";
import { isKombuError, KombuError } from "../errors.js";
import type { Exchange } from "../exchange.js";
import { CAST_EXPIRES_MS, MAILBOX_REPLY_EXPIRES_MS, MULTI_CALL_MS } from "../limits.js";
import { MatcherRegistry } from "../matcher.js";
import { Producer } from "../producer.js";
import type { PublishOptions } from "../publish-options.js";
import { Queue } from "../queue.js";
import { ReplyQueue } from "../reply-queue.js";
import {
  ABCAST_CHECKS,
  CALL_CHECKS,
  type CallOptions,
  type ChoiceOptions,
  MULTI_CALL_CHECKS,
  type MultiCallOptions,
} from "./call-options.js";
import {
  type MailboxType,
  mailboxQueue,
  nodeQueue,
  type PidboxArguments,
  type PidboxReply,
  type PidboxRequest,
  type ReplyAddress,
  replyExchange,
  replyExchangeName,
  replyQueueName,
  requestExchange,
} from "./layout.js";
import { PidboxNode, type PidboxNodeOptions } from "./node.js";

/** How a mailbox is set up. All programs of a namespace need the same `type`, `queueDurable` and `queueExclusive`. */
export interface MailboxOptions {
  /** `fanout` reaches nodes that are there now (Celery's), `direct` queues requests for them. Default `direct`, kombu's. */
  readonly type?: MailboxType;
  /** Shared with other mailboxes and whatever else the program orders. Default: a new one. */
  readonly clock?: LamportClock;
  /** Serializer names or content types of requests and replies that may be decoded. Default: `json` alone. */
  readonly accept?: readonly string[];
  /** A serializer's name. Default: JSON. */
  readonly serializer?: string;
  /** Requests in a node's queue go after this long, in milliseconds. Default: never. */
  readonly queueTtlMs?: number;
  /** A node's queue goes after being unused for this long, in milliseconds. Default: with its last consumer. */
  readonly queueExpiresMs?: number;
  /** Queues survive a restart of the broker, and their nodes and mailboxes. Not with `queueExclusive`. Default false. */
  readonly queueDurable?: boolean;
  /** Queues are for one connection only. Default false: a lost connection may outlive its successor's first attempt. */
  readonly queueExclusive?: boolean;
  /** Replies go after this long, in milliseconds. Default: never. */
  readonly replyQueueTtlMs?: number;
  /** The queue for replies goes after being unused for this long, in milliseconds. Default 10 seconds. */
  readonly replyQueueExpiresMs?: number;
  /** What `matcher` may name. Default: `glob` and `pcre`. */
  readonly matchers?: MatcherRegistry;
}

const durationCheck = integerCheck(1, Number.MAX_SAFE_INTEGER, "milliseconds");

const MAILBOX_CHECKS: Readonly<Record<keyof MailboxOptions, Check>> = {
  type: oneOfCheck(["direct", "fanout"]),
  clock: { expected: "a LamportClock", holds: (v) => v instanceof LamportClock },
  accept: acceptCheck,
  serializer: keyCheck,
  queueTtlMs: durationCheck,
  queueExpiresMs: durationCheck,
  queueDurable: booleanCheck,
  queueExclusive: booleanCheck,
  replyQueueTtlMs: durationCheck,
  replyQueueExpiresMs: durationCheck,
  matchers: { expected: "a MatcherRegistry", holds: (v) => v instanceof MatcherRegistry },
};

const destinationsCheck: Check = {
  expected: "an array of at least one node's name",
  holds: (v) => Array.isArray(v) && v.length > 0 && v.every((name) => keyCheck.holds(name)),
};

/**
 * Remote control of processes: commands for nodes of a namespace, and their replies. Kombu's `pidbox.Mailbox`, whose layout it has:
 * Python's nodes hear it, and its nodes hear Python; `connection.mailbox("celery", { type: "fanout" })` controls Celery's workers. Calls go
 * side by side. `close` removes the queue for replies, and so does closing the connection.
 */
export class Mailbox implements AsyncDisposable {
  readonly namespace: string;
  readonly type: MailboxType;
  readonly clock: LamportClock;
  /** Where requests go: `<namespace>.pidbox`. */
  readonly exchange: Exchange;
  /** Its identity, the routing key of replies. */
  readonly oid: string = newUuid();
  readonly #channel: Channel;
  readonly #options: MailboxOptions;
  readonly #producer: Producer;
  readonly #accept: readonly string[];
  readonly #replyTo: ReplyAddress;
  readonly #replies: ReplyQueue;
  readonly #matchers: MatcherRegistry;

  /** Throws `invalid_argument`. Nothing is declared before the first request. */
  constructor(channel: Channel, namespace: string, options: MailboxOptions = {}) {
    checkValue("the channel of a mailbox", channel, channelCheck);
    this.namespace = checkValue("a mailbox's namespace", namespace, keyCheck);
    checkOptions(`mailbox ${JSON.stringify(namespace)}`, options, MAILBOX_CHECKS);
    const { type = "direct", accept = ["json"] } = options;
    checkAccept(accept, channel.serializers);
    const { queueDurable: durable = false, queueExclusive: exclusive = false } = options;
    if (durable && exclusive) {
      throw new KombuError(
        "invalid_argument",
        "a mailbox's queues cannot be durable and exclusive: those of one connection go with it; choose one",
      );
    }
    this.type = type;
    this.clock = options.clock ?? new LamportClock();
    this.exchange = requestExchange(namespace, type);
    this.#channel = channel;
    this.#options = { ...options };
    this.#matchers = options.matchers ?? new MatcherRegistry();
    this.#accept = accept;
    this.#replyTo = { exchange: replyExchangeName(namespace), routing_key: this.oid };
    const {
      serializer,
      replyQueueTtlMs: messageTtlMs,
      replyQueueExpiresMs = MAILBOX_REPLY_EXPIRES_MS,
    } = options;
    this.#producer = new Producer(channel, serializer === undefined ? {} : { serializer });
    this.#replies = new ReplyQueue({
      ...{ channel, owner: "mailbox", accept },
      queue: mailboxQueue(this.#replyTo, {
        durable,
        exclusive,
        messageTtlMs,
        expiresMs: replyQueueExpiresMs,
      }),
      idOf: (message) => {
        this.clock.adjust(message.headers.clock);
        return message.headers.ticket;
      },
    });
  }

  /** A node that can be controlled: by its name, which no other node of the namespace may have. `listen` starts it. */
  node<State = undefined>(hostname: string, options: PidboxNodeOptions<State> = {}): PidboxNode<State> {
    checkValue("a node's name", hostname, keyCheck);
    const { queueDurable: durable = false, queueExclusive: exclusive = false } = this.#options;
    const { queueTtlMs: messageTtlMs, queueExpiresMs: expiresMs } = this.#options;
    return new PidboxNode<State>(hostname, options, {
      ...{ channel: this.#channel, clock: this.clock, accept: this.#accept },
      matchers: this.#matchers,
      queue: nodeQueue(hostname, this.exchange, { durable, exclusive, messageTtlMs, expiresMs }),
      reply: (body, address, ticket) => this.#publishReply(body, address, ticket),
    });
  }

  /** Tells these nodes to do something, and waits for no reply. The request is good for a second. Errors: those of `publish`. */
  async cast(
    destination: readonly string[],
    command: string,
    args: PidboxArguments = {},
    options: Pick<PublishOptions, "signal"> = {},
  ): Promise<void> {
    checkValue("the destination of a cast", destination, destinationsCheck);
    checkSignal("cast", options);
    const request = requestOf(command, args, { destination });
    await this.#publish(request, { timeoutMs: CAST_EXPIRES_MS, signal: options.signal });
  }

  /** Tells all nodes, or those that fit the pattern, and waits for no reply. The request is good for a second. Errors: as `cast`. */
  async abcast(
    command: string,
    args: PidboxArguments = {},
    options: ChoiceOptions & Pick<PublishOptions, "signal"> = {},
  ): Promise<void> {
    checkOptions("abcast", options, ABCAST_CHECKS);
    this.#checkChoice(options);
    const request = requestOf(command, args, options);
    await this.#publish(request, { timeoutMs: CAST_EXPIRES_MS, signal: options.signal });
  }

  /**
   * Asks these nodes, and returns their replies: as many as nodes (or `limit`), or those that came in time. Without `timeoutMs` it waits
   * without end, and the request does not expire. Errors: `timeout` when the request could not be sent in time, `closed`, the signal's
   * reason, those of `publish`, and of decoding a reply. A handler's error is a reply.
   */
  async call(
    destination: readonly string[],
    command: string,
    args: PidboxArguments = {},
    options: CallOptions = {},
  ): Promise<PidboxReply[]> {
    checkValue("the destination of a call", destination, destinationsCheck);
    checkOptions("a call", options, CALL_CHECKS);
    const request = requestOf(command, args, { destination });
    return this.#request(request, { limit: destination.length, ...options });
  }

  /** Asks all nodes, or those that fit the pattern, and returns what came within `timeoutMs`, or as soon as there are `limit` replies. Errors: as `call`. */
  async multiCall(
    command: string,
    args: PidboxArguments = {},
    options: MultiCallOptions = {},
  ): Promise<PidboxReply[]> {
    checkOptions("multiCall", options, MULTI_CALL_CHECKS);
    this.#checkChoice(options);
    const request = requestOf(command, args, options);
    return this.#request(request, { timeoutMs: MULTI_CALL_MS, ...options });
  }

  /** Ends waiting calls with `closed`, and removes the queue for replies. Nodes are closed by themselves. Idempotent. */
  close(): Promise<void> {
    return this.#replies.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /** What nodes would not understand, they tell nobody. */
  #checkChoice({ pattern, matcher }: ChoiceOptions): void {
    if (pattern !== undefined) this.#matchers.checkPattern(pattern, matcher);
    else if (matcher !== undefined) throw matcherAlone();
  }

  async #request(request: PidboxRequest, options: CallOptions): Promise<PidboxReply[]> {
    const { limit, timeoutMs, signal, onReply } = options;
    const ticket = newUuid();
    const asked = { ...request, ticket, reply_to: this.#replyTo };
    const replies: PidboxReply[] = [];
    await this.#replies.request({
      ...{ id: ticket, limit, timeoutMs, signal },
      send: (stop) => this.#publish(asked, { timeoutMs, signal: stop }),
      onReply: ({ payload }) => {
        const reply = replyOf(payload);
        replies.push(reply);
        onReply?.(reply);
      },
    });
    return replies;
  }

  async #publish(
    request: PidboxRequest,
    {
      timeoutMs,
      signal,
    }: { readonly timeoutMs: number | undefined; readonly signal: AbortSignal | undefined },
  ): Promise<void> {
    const nowS = this.#channel.clock.nowUs() / US_PER_S;
    const expires = timeoutMs === undefined ? 0 : nowS + timeoutMs / MS_PER_S;
    const headers = { clock: this.clock.forward(), expires };
    // Kombu publishes to the exchange's name, so that the exchange's own delivery mode does not count.
    const options = { headers, deliveryMode: "persistent", signal } as const;
    const { destination } = request;
    if (destination !== null && (await this.#isLocal())) {
      await Promise.all(
        destination.map((name) => this.#publishToQueue(`${name}.${this.exchange.name}`, request, options)),
      );
    } else {
      await this.#producer.publish(request, { ...options, exchange: this.exchange });
    }
  }

  /** A mailbox that is gone wants no reply any more. */
  async #publishReply(body: PidboxReply, address: ReplyAddress, ticket: string | undefined): Promise<void> {
    const headers = { ticket: ticket ?? null, clock: this.clock.forward() };
    const exchange = replyExchange(address.exchange);
    const options = { headers, deliveryMode: "transient" } as const;
    if (await this.#isLocal()) await this.#publishToQueue(replyQueueName(address), body, options);
    else await this.#producer.publish(body, { ...options, exchange, routingKey: address.routing_key });
  }

  /** Whether others' bindings are unknown here, so that a queue is only reached by its name. */
  async #isLocal(): Promise<boolean> {
    return (await this.#channel.manifest()).localBindings;
  }

  /** If it is there: brokers that make queues on first use would keep what nobody comes for. */
  async #publishToQueue(name: string, body: unknown, options: PublishOptions): Promise<void> {
    try {
      await new Queue(name).bind(this.#channel).declare({ passive: true, signal: options.signal });
    } catch (error) {
      if (isKombuError(error, "not_found")) return;
      throw error;
    }
    await this.#producer.publish(body, { ...options, exchange: "", routingKey: name });
  }
}

const US_PER_S = 1_000_000;
const MS_PER_S = 1_000;

/** In kombu's order. A pattern alone would be ignored by its nodes, so that it gets the matcher that it means. */
function requestOf(
  command: string,
  args: PidboxArguments,
  { destination, pattern, matcher = "glob" }: ChoiceOptions & { readonly destination?: readonly string[] },
): PidboxRequest {
  checkValue("a command", command, keyCheck);
  checkValue(`the arguments of ${JSON.stringify(command)}`, args, objectCheck);
  return {
    method: command,
    arguments: args,
    destination: destination ?? null,
    pattern: pattern ?? null,
    matcher: pattern === undefined ? null : matcher,
  };
}

function matcherAlone(): KombuError {
  return new KombuError("invalid_argument", "a matcher without a pattern chooses nothing; give pattern too");
}

function replyOf(payload: unknown): PidboxReply {
  if (typeof payload === "object" && payload !== null && !Array.isArray(payload))
    return payload as PidboxReply;
  throw new KombuError(
    "decode_failed",
    "a reply is not an object of a node's name and what it says; who sends to this queue?",
  );
}
