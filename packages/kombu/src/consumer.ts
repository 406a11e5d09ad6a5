import type { Channel } from "./channel.js";
import { booleanCheck, checkOptions, checkSignal, checkValue, functionCheck } from "./check.js";
import { inUse, nothingToCall } from "./consumer-errors.js";
import {
  CONSUME_CHECKS,
  type ConsumerOptions,
  checkConsumer,
  type MessageCallback,
  QOS_CHECKS,
  queueCheck,
  queueOrNameCheck,
  RUN_CHECKS,
  type RunOptions,
} from "./consumer-options.js";
import { ConsumerRun, type MessageHandler } from "./consumer-run.js";
import { type GivenUp, type ResolvedPolicy, resolvePolicy } from "./dead-letter-policy.js";
import { DeliveryQueue } from "./delivery-queue.js";
import type { EventSource } from "./event-source.js";
import { giveBackAll, type Holding } from "./holding.js";
import { type Message, type MessageReading, messageCheck } from "./message.js";
import { MessageIterator } from "./message-iterator.js";
import type { Queue } from "./queue.js";
import type { Schema } from "./schema.js";
import { closedError } from "./session.js";
import { linkSignals } from "./waiting.js";

/**
 * Receives the messages of queues: by `drainEvents` of its connection (with `callbacks` or `onMessage`), by
 * `for await (const message of consumer)`, or by `run`. Two consumers never share anything, not even on one queue.
 */
export class Consumer<T = unknown> implements EventSource, AsyncDisposable {
  /** Where it receives. */
  readonly channel: Channel;
  readonly #options: ConsumerOptions<T>;
  readonly #queues = new Map<string, Queue>();
  readonly #tags = new Map<string, string>();
  readonly #callbacks: MessageCallback<T>[];
  readonly #received: DeliveryQueue;
  readonly #policy: ResolvedPolicy | undefined;
  /** How its last message was read, and most are. */
  #reading: MessageReading<T> | undefined;
  #declaredIn: number | undefined; // The channel's generation in which its queues were declared.
  #noAck: boolean | undefined;
  #detach: (() => void) | undefined;
  #stop = new AbortController();
  #busy: string | undefined;
  #startedByUse = false;
  #isPaused = false;

  /** Throws `invalid_argument`. Nothing is declared or received until `consume`, a `for await` or `run`. */
  constructor(channel: Channel, queues: Queue | readonly Queue[], options: ConsumerOptions<T> = {}) {
    checkConsumer(channel, queues, options);
    this.channel = channel;
    for (const one of [queues].flat()) this.#queues.set(one.name, one);
    this.#options = { ...options };
    this.#noAck = options.noAck;
    this.#callbacks = [...(options.callbacks ?? [])];
    this.#policy = options.deadLetter && resolvePolicy(options.deadLetter, this.#queues.keys());
    this.#received = new DeliveryQueue(channel, {
      queueNames: () => (this.#isPaused ? [] : [...this.#tags.keys()]),
      declaredIn: () => this.#declaredIn,
      declare: () => this.declare(),
      noAck: (name) => this.#noAck ?? this.#queues.get(name)?.noAck ?? false,
      tag: (name) => this.#tags.get(name),
      consumerArguments: (name) => this.#queues.get(name)?.consumerArguments ?? {},
    });
    this.#received.prefetchCount = options.prefetchCount ?? 0;
  }

  /** The queues it is for, started or not. */
  get queues(): readonly Queue[] {
    return [...this.#queues.values()];
  }

  /** The consumer tag of each started queue; no two in a connection are the same. */
  get tags(): ReadonlyMap<string, string> {
    return this.#tags;
  }

  /** Adds a callback behind those that are there. */
  registerCallback(callback: MessageCallback<T>): void {
    this.#callbacks.push(checkValue("a callback", callback, functionCheck));
  }

  /** Starts the queues that are not started yet. Repeating it does nothing. */
  async consume(
    options: { readonly noAck?: boolean; readonly signal?: AbortSignal | undefined } = {},
  ): Promise<void> {
    checkOptions("consume", options, CONSUME_CHECKS);
    if (options.noAck !== undefined) this.#noAck = options.noAck;
    if (this.#stop.signal.aborted) this.#stop = new AbortController();
    const { signal: stopping } = this.#stop;
    if (this.#options.autoDeclare ?? true) await this.declare({ signal: options.signal });
    // Whoever cancels, aborts or closes while the queues are being declared wins.
    for (const signal of [options.signal, stopping, this.channel.closing]) signal?.throwIfAborted();
    const fresh = [...this.#queues.keys()].filter((name) => !this.#tags.has(name));
    for (const name of fresh) this.#tags.set(name, this.#newTag());
    this.#detach ??= this.channel.attach(this);
    if (fresh.length > 0) this.#received.restart();
  }

  /** Declares its queues with their exchanges and bindings, each once in a connection. */
  async declare(options: { readonly signal?: AbortSignal | undefined } = {}): Promise<void> {
    checkSignal("declare", options);
    const { generation } = this.channel;
    const { entity } = this.#policy ?? {};
    const entities = [...(entity === undefined ? [] : [entity]), ...this.#queues.values()];
    for (const one of entities) await this.channel.declareOnce(one, options.signal);
    this.#declaredIn = generation;
  }

  /** Adds a queue and declares it; `consume` starts it. */
  async addQueue(queue: Queue, options: { readonly signal?: AbortSignal | undefined } = {}): Promise<void> {
    checkValue("a consumer's queue", queue, queueCheck);
    checkSignal("addQueue", options);
    const { deadLetter } = this.#options;
    if (deadLetter !== undefined) resolvePolicy(deadLetter, [queue.name]);
    if (this.#options.autoDeclare ?? true) await this.channel.declareOnce(queue, options.signal);
    this.#queues.set(queue.name, queue);
  }

  /** Whether a queue is started. */
  consumingFrom(queue: Queue | string): boolean {
    checkValue("the queue of consumingFrom", queue, queueOrNameCheck);
    return this.#tags.has(typeof queue === "string" ? queue : queue.name);
  }

  /** Sets how many messages may be held at the same time; 0 is no limit. More that are held stay. */
  qos(settings: { readonly prefetchCount: number }): void {
    checkOptions("qos", settings, QOS_CHECKS, ["prefetchCount"]);
    this.#received.prefetchCount = settings.prefetchCount;
    this.#received.changed.notify();
    this.channel.changed.notify();
  }

  /**
   * False pauses: nothing is received until true, and what nobody has seen goes back. Messages that were handed over stay held.
   * On brokers that push, its subscriptions end meanwhile, and with the last one an `autoDelete` queue.
   */
  async flow(active: boolean): Promise<void> {
    this.#isPaused = !checkValue("active", active, booleanCheck);
    this.#received.restart();
    if (this.#isPaused) await this.#received.giveBack();
  }

  /** Gives back everything it holds, to come again; who still works on it can settle it no more (`message_state`). */
  recover(): Promise<void> {
    return this.#received.recover();
  }

  /** Stops one queue and forgets it; quiet when it is not there. Messages that were handed over stay held. */
  async cancelByQueue(queue: Queue | string): Promise<void> {
    checkValue("the queue of cancelByQueue", queue, queueOrNameCheck);
    const name = typeof queue === "string" ? queue : queue.name;
    this.#queues.delete(name);
    this.#tags.delete(name);
    this.#received.restart();
    if (this.#tags.size === 0) await this.cancel();
    else await this.#received.giveBack(name);
  }

  /**
   * Stops all queues, ends a running `for await` or `run`, and gives back what nobody has seen. Messages that were handed over
   * stay held, to be settled. `consume` starts again.
   */
  async cancel(): Promise<void> {
    this.#tags.clear();
    this.#detach?.();
    this.#detach = undefined;
    this.#stop.abort(closedError("consumer"));
    this.#received.restart();
    await this.#received.giveBack();
  }

  /** The same as `cancel`. */
  close(): Promise<void> {
    return this.cancel();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.cancel();
  }

  /** Removes the messages of its queues, and returns how many went. */
  async purge(options: { readonly signal?: AbortSignal | undefined } = {}): Promise<number> {
    checkSignal("purge", options);
    let removed = 0;
    for (const name of this.#queues.keys()) removed += await this.channel.purge(name, options.signal);
    return removed;
  }

  [Symbol.asyncIterator](): MessageIterator<T> {
    return this.messages();
  }

  /**
   * Its messages one by one; what becomes of each is up to the loop's body. Leaving the loop, in whatever way, gives back
   * what was not settled. Starts the consumer if that was not done. One loop at a time: another is `invalid_argument`.
   */
  messages(options: { readonly signal?: AbortSignal | undefined } = {}): MessageIterator<T> {
    checkSignal("messages", options);
    return new MessageIterator<T>({
      begin: (signal) => this.#begin("a for await", signal),
      next: (signal) => this.#next(signal),
      end: (handedOut) => this.#end(handedOut),
      stopping: () => this.#stop.signal,
      signal: options.signal,
    });
  }

  /**
   * Calls the handler for each message, several at a time, until the signal fires or the consumer is cancelled; then resolves
   * when the last handler has ended. A handler that returns acknowledges its message unless it settled it; one that throws
   * gives it back, to come again after a pause. An unreachable broker is tried again for ever. Errors: `closed`, those of declaring.
   */
  async run(handler: MessageHandler<T>, options: RunOptions = {}): Promise<void> {
    checkValue("the handler of run", handler, functionCheck);
    await this.#run(handler, options, true);
  }

  /** As `run`, with its callbacks or `onMessage`, which settle messages themselves: what they leave open stays held. */
  async runCallbacks(options: RunOptions = {}): Promise<void> {
    this.checkReady();
    await this.#run((message) => this.receive(message), options, false);
  }

  async #run(handler: MessageHandler<T>, options: RunOptions, settles: boolean): Promise<void> {
    checkOptions("run", options, RUN_CHECKS);
    this.#claim("run");
    const { signal, interruptSignal = signal } = options;
    const link = linkSignals(this.#stop.signal, signal, this.channel.closing);
    const interrupt = linkSignals(this.#stop.signal, interruptSignal, this.channel.closing);
    // What callbacks leave open does not keep others from coming, so that there is no number to send ahead.
    this.#received.aheadCount = settles ? (options.concurrency ?? 1) : 0;
    try {
      await new ConsumerRun<T>(handler, options, {
        clock: this.channel.clock,
        random: this.channel.random,
        start: () => this.consume({ signal: link.signal }),
        received: this.#received,
        message: (holding) => this.#message(holding),
        settles,
        readError: this.#reads(settles) ? (message) => this.#readError(message) : undefined,
        isTold: this.#options.onDecodeError !== undefined,
        giveUp: (holding, message, why) => this.#giveUp(holding, message, why),
        signal: link.signal,
        interrupting: interrupt.signal,
      }).untilStopped();
      this.channel.closing.throwIfAborted();
    } finally {
      link.end();
      interrupt.end();
      this.#received.aheadCount = 0;
      await this.#end([]);
    }
  }

  /** For `drainEvents`. */
  get canReceive(): boolean {
    return this.#busy === undefined && this.#received.canReceive;
  }

  /** For `drainEvents`. */
  get hasEvent(): boolean {
    return this.#busy === undefined && this.#received.waiting > 0;
  }

  /** For `drainEvents`. */
  checkReady(): void {
    if (this.#busy !== undefined || this.#callbacks.length > 0 || this.#options.onMessage !== undefined) {
      return;
    }
    throw nothingToCall();
  }

  /** For `drainEvents`. */
  fill(request: { readonly waitMs: number; readonly signal: AbortSignal }): Promise<void> {
    return this.#received.fill(request);
  }

  /** For `drainEvents`: hands one message to the callbacks. */
  async dispatch(): Promise<boolean> {
    if (this.#busy !== undefined) return false;
    const holding = await this.#received.take();
    if (holding === undefined) return false;
    const message = await this.#message(holding);
    const unread = this.#policy === undefined ? undefined : await this.#readError(message);
    if (unread === undefined) await message.traced(() => this.receive(message));
    else await this.#giveUp(holding, message, { reason: "undecodable", error: unread.error });
    return true;
  }

  /** Handles a message as `drainEvents` would: `onMessage`, or its body decoded and the callbacks in order. */
  async receive(message: Message<T>): Promise<void> {
    checkValue("the message of receive", message, messageCheck);
    const { onMessage, onDecodeError } = this.#options;
    if (onMessage !== undefined && !message.hasSchema) return void (await onMessage(message));
    let body: T;
    try {
      body = message.payload;
    } catch (error) {
      if (onDecodeError === undefined) throw error; // The message stays held, as after a callback's error.
      await onDecodeError(message, error);
      return;
    }
    if (onMessage !== undefined) await onMessage(message);
    else for (const callback of this.#callbacks) await callback(body, message);
  }

  async #begin(what: string, signal?: AbortSignal): Promise<void> {
    this.#claim(what);
    try {
      await this.consume({ signal });
    } catch (error) {
      this.#busy = undefined; // It did not begin.
      throw error;
    }
  }

  #claim(what: string): void {
    if (this.#busy !== undefined) throw inUse(this.#busy);
    this.#busy = what;
    this.#startedByUse = this.#detach === undefined;
    if (this.#stop.signal.aborted) this.#stop = new AbortController();
  }

  async #next(signal: AbortSignal): Promise<{ holding: Holding; message: Message<T> } | undefined> {
    for (;;) {
      const holding = await this.#received.next({ signal });
      if (holding === undefined) return undefined;
      try {
        const message = await this.#message(holding);
        if (await this.#isFit(message, holding, signal)) return { holding, message };
      } catch (error) {
        await giveBackAll([holding]); // Nobody else will.
        throw error;
      }
    }
  }

  /** What cannot be read is given up where somebody said what becomes of it; otherwise its payload throws in the loop's body. */
  async #isFit(message: Message<T>, holding: Holding, signal: AbortSignal): Promise<boolean> {
    if (message.hasSchema && signal.aborted) {
      holding.handedOut = false; // The loop was left while the schema took its time.
      throw signal.reason;
    }
    const hears = message.hasSchema && this.#options.onDecodeError !== undefined;
    const unread = hears || this.#policy !== undefined ? await this.#readError(message) : undefined;
    if (unread === undefined) return true;
    await this.#giveUp(holding, message, { reason: "undecodable", error: unread.error });
    return false;
  }

  /** Somebody said what becomes of messages that cannot be read, so that each is read before `run` hands it out. */
  #reads(settles: boolean): boolean {
    return this.#policy !== undefined || (settles && this.#options.onDecodeError !== undefined);
  }

  /** Why a message cannot be read, after `onDecodeError` was told. */
  async #readError(message: Message<T>): Promise<{ readonly error: unknown } | undefined> {
    try {
      void message.payload;
      return undefined;
    } catch (error) {
      await this.#options.onDecodeError?.(message, error);
      return { error };
    }
  }

  /** As the policy says. Whoever is told of it may settle the message. */
  async #giveUp(holding: Holding, message: Message<T>, why: GivenUp): Promise<void> {
    if (holding.isOpen) await this.#policy?.onGivenUp?.(message, why);
    if (holding.isOpen) await holding.settle({ kind: "rejected", reason: why.reason });
  }

  async #end(handedOut: readonly Holding[]): Promise<void> {
    this.#busy = undefined;
    // The older ones first, because the order in which they come back is that in which they go out again; and all at once, so
    // that a broker that puts them before all others can tell which of them is the first.
    const older = giveBackAll(handedOut);
    await Promise.all([older, this.#startedByUse ? this.cancel() : this.#received.giveBack()]);
  }

  #message(holding: Holding): Message<T> | Promise<Message<T>> {
    holding.rejection = this.#policy?.rejection;
    const { accept } = this.#options;
    const schema = this.#options.schema ?? this.#queues.get(holding.delivery.info.queue)?.schema;
    const noAck = holding.state === "acknowledged";
    if (this.#reading?.noAck !== noAck || this.#reading.schema !== schema) {
      // What the queues' schemas make of their payloads is what the type of this consumer says.
      this.#reading = { accept, noAck, schema: schema as Schema<unknown, T> | undefined };
    }
    return this.channel.message(holding, this.#reading);
  }

  #newTag(): string {
    return `${this.#options.tagPrefix ?? "consumer-"}${this.channel.nextConsumerNumber()}`;
  }
}
