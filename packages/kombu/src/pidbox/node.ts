import type { Channel } from "../channel.js";
import {
  type Check,
  checkOptions,
  checkValue,
  functionCheck,
  integerCheck,
  keyCheck,
  numberCheck,
  objectCheck,
  optional,
  textCheck,
} from "../check.js";
import type { LamportClock } from "../clocks.js";
import { Consumer } from "../consumer.js";
import { isKombuError, KombuError } from "../errors.js";
import { CLOCK_SKEW_MS, CONCURRENCY_MAX, TIMEOUT_MS_MAX } from "../limits.js";
import type { MatcherRegistry } from "../matcher.js";
import { type Message, messageCheck } from "../message.js";
import type { Queue } from "../queue.js";
import { closedError } from "../session.js";
import type { PidboxArguments, PidboxReply, PidboxRequest, ReplyAddress } from "./layout.js";
import { readRequest } from "./read-request.js";

/** Does what a command says; what it returns is the reply, what it throws is an `{ error }`. */
export type PidboxHandler<State = undefined> = (state: State, args: PidboxArguments) => unknown;

/** How a node behaves. */
export interface PidboxNodeOptions<State = undefined> {
  /** Handed to each handler. */
  readonly state?: State;
  /** By the commands that they are for. */
  readonly handlers?: Readonly<Record<string, PidboxHandler<State>>>;
  /** Most handlers at the same time. Default 1: in the order of the requests. */
  readonly concurrency?: number;
  /**
   * How long after its end a request is still run, in milliseconds, because its end is by the sender's clock. Default 10 seconds: a command
   * may only be kept from running by a clock that is off by more.
   */
  readonly clockSkewMs?: number;
  /** Told of requests that were not run, of handlers' errors and of the broker's. Default: a process warning. */
  readonly onError?: (error: unknown) => void;
}

const NODE_CHECKS: Readonly<Record<keyof PidboxNodeOptions, Check>> = {
  state: { expected: "anything", holds: () => true },
  handlers: objectCheck,
  concurrency: integerCheck(1, CONCURRENCY_MAX, "handlers"),
  clockSkewMs: numberCheck(0, TIMEOUT_MS_MAX, "milliseconds"),
  onError: functionCheck,
};

const addressCheck: Check = {
  expected: "an object with an exchange and a routing_key",
  holds: (v) =>
    objectCheck.holds(v) &&
    ["exchange", "routing_key"].every((name) => textCheck.holds(Reflect.get(v as object, name))),
};

const ticketCheck: Check = optional(textCheck);

const anythingCheck: Check = { expected: "anything", holds: () => true };

/** What of a request is for those who run it; the rest has said whether it is for this node. */
const REQUEST_CHECKS: Readonly<Record<keyof PidboxRequest, Check>> = {
  method: keyCheck,
  arguments: objectCheck,
  destination: anythingCheck,
  pattern: anythingCheck,
  matcher: anythingCheck,
  ticket: textCheck,
  reply_to: addressCheck,
};

/** What a node needs of its mailbox. */
export interface PidboxNodeParts {
  readonly channel: Channel;
  readonly clock: LamportClock;
  readonly accept: readonly string[];
  readonly matchers: MatcherRegistry;
  readonly queue: Queue;
  readonly reply: (body: PidboxReply, address: ReplyAddress, ticket: string | undefined) => Promise<void>;
}

const US_PER_MS = 1000;
const MS_PER_S = 1000;

/** One process that can be controlled. Kombu's `pidbox.Node`. Made by `mailbox.node()`. */
export class PidboxNode<State = undefined> implements AsyncDisposable {
  readonly hostname: string;
  readonly #parts: PidboxNodeParts;
  readonly #options: PidboxNodeOptions<State>;
  readonly #handlers = new Map<string, PidboxHandler<State>>();
  readonly #stop = new AbortController();
  #listening: Promise<void> | undefined;
  #running: Promise<void> | undefined;
  #closing: Promise<void> | undefined;

  constructor(hostname: string, options: PidboxNodeOptions<State>, parts: PidboxNodeParts) {
    checkOptions(`node ${JSON.stringify(hostname)}`, options, NODE_CHECKS);
    this.hostname = hostname;
    this.#parts = parts;
    this.#options = { ...options };
    for (const [command, handler] of Object.entries(options.handlers ?? {})) this.handler(command, handler);
  }

  /** Adds a handler, or replaces the command's. */
  handler(command: string, handler: PidboxHandler<State>): void {
    checkValue("a command", command, keyCheck);
    this.#handlers.set(
      command,
      checkValue(`the handler of ${JSON.stringify(command)}`, handler, functionCheck),
    );
  }

  /**
   * Starts: resolves when requests reach it, and goes on until it is closed. Repeating it does nothing. Errors: those of declaring, after
   * which it may be called again; `closed`.
   */
  async listen(): Promise<void> {
    this.#stop.signal.throwIfAborted();
    this.#listening ??= this.#listen().catch((error: unknown) => {
      this.#listening = undefined;
      throw error;
    });
    await this.#listening;
  }

  /** Handles a request as `listen` does: if it is for this node, and not expired. Returns what the handler returned. Errors: of decoding. */
  async handleMessage(message: Message): Promise<unknown> {
    checkValue("the message of handleMessage", message, messageCheck);
    const { clock } = this.#parts;
    clock.adjust(message.headers.clock);
    const request = readRequest(message.payload);
    if (!this.#isMeant(request)) return undefined;
    this.#checkNotExpired(request, message.headers.expires);
    return this.dispatch(request);
  }

  /** Does what a request says, whoever it is for, and replies if it wants a reply. Returns the reply. Errors: of sending it. */
  async dispatch(
    request: Pick<PidboxRequest, "method" | "arguments" | "ticket" | "reply_to">,
  ): Promise<unknown> {
    checkOptions("a request", request, REQUEST_CHECKS, ["method", "arguments"]);
    const { reply_to: address, ticket } = request;
    const result = await this.#run(request.method, request.arguments);
    if (address !== undefined) await this.reply({ [this.hostname]: result }, address, ticket);
    return result;
  }

  /** Sends a reply. One that cannot be serialized becomes an `{ error }`, so that nobody waits in vain. Errors: those of `publish`. */
  async reply(body: PidboxReply, address: ReplyAddress, ticket?: string): Promise<void> {
    checkValue("a reply", body, objectCheck);
    checkValue("the address of a reply", address, addressCheck);
    checkValue("the ticket of a reply", ticket, ticketCheck);
    try {
      await this.#parts.reply(body, address, ticket);
    } catch (error) {
      if (!isKombuError(error, "not_serializable")) throw error;
      this.#report(error);
      await this.#parts.reply({ [this.hostname]: { error: String(error) } }, address, ticket);
    }
  }

  /** Stops, waits for running handlers, and removes the node's queue unless it is durable. Idempotent. */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #close(): Promise<void> {
    this.#stop.abort(closedError("node"));
    if (this.#listening === undefined) return;
    await this.#listening.catch(() => {}); // Whoever called listen() was told.
    await this.#running;
    const { channel, queue } = this.#parts;
    if (queue.autoDelete) await channel.afterReplyMessageReceived(queue.name);
  }

  async #listen(): Promise<void> {
    const { channel, queue, accept } = this.#parts;
    if (queue.autoDelete) channel.ownQueue(queue.name);
    const consumer = new Consumer(channel, queue, { noAck: true, autoDeclare: false, accept });
    await consumer.declare({ signal: this.#stop.signal });
    const { concurrency = 1 } = this.#options;
    const options = {
      concurrency,
      signal: this.#stop.signal,
      onError: (error: unknown) => this.#report(error),
    };
    this.#running = consumer
      .run((message) => this.handleMessage(message), options)
      .catch((error: unknown) => {
        if (!isKombuError(error, "closed")) this.#report(error);
      });
  }

  #isMeant({ destination, pattern, matcher }: PidboxRequest): boolean {
    if (destination !== null && destination.length > 0) return destination.includes(this.hostname);
    if (pattern === null || pattern === "") return true;
    return this.#parts.matchers.match(this.hostname, pattern, matcher ?? undefined);
  }

  /** Kombu sends the moment and does not look at it, so that a node that was away does what nobody waits for any more. */
  #checkNotExpired({ method }: PidboxRequest, expires: unknown): void {
    if (typeof expires !== "number" || expires <= 0) return;
    const { clockSkewMs = CLOCK_SKEW_MS } = this.#options;
    const lateMs = this.#parts.channel.clock.nowUs() / US_PER_MS - expires * MS_PER_S;
    if (lateMs <= clockSkewMs) return;
    throw new KombuError(
      "timeout",
      `the command ${JSON.stringify(method)} expired ${Math.round(lateMs)} ms ago and is not run; if it was sent just now, the clocks of the two machines differ (clockSkewMs)`,
    );
  }

  async #run(method: string, args: PidboxArguments): Promise<unknown> {
    try {
      const handler = this.#handlers.get(method);
      if (handler === undefined) throw this.#unknown(method);
      // What is returned is optional in TypeScript, and null in Python.
      return (await handler(this.#options.state as State, args)) ?? null;
    } catch (error) {
      this.#report(error);
      return { error: String(error) };
    }
  }

  #unknown(method: string): KombuError {
    const known = [...this.#handlers.keys()].join(", ");
    return new KombuError(
      "not_found",
      `node ${this.hostname} has no command ${JSON.stringify(method)}; it has ${known}`,
    );
  }

  #report(error: unknown): void {
    if (this.#options.onError !== undefined) this.#options.onError(error);
    else process.emitWarning(error instanceof Error ? error : String(error));
  }
}
