import { setMaxListeners } from "node:events";
import { inspect } from "node:util";
import { type Clock, randomFraction, systemClock } from "@pullqueue/core";
import { Channel } from "./channel.js";
import { type Check, checkOptions, checkSignal, checkValue, functionCheck, objectCheck } from "./check.js";
import { CompressionRegistry } from "./compression.js";
import type { ConnectionAddress, ConnectionInfo } from "./connection-address.js";
import { addressesOf, areSamePlaces, copyOf, extrasOf, orderOf } from "./connection-target.js";
import { Consumer } from "./consumer.js";
import type { ConsumerOptions, PayloadOf } from "./consumer-options.js";
import { DRAIN_CHECKS, type DrainOptions, drainOne, nothingToDrain } from "./drain.js";
import { KombuError } from "./errors.js";
import type { EventSource } from "./event-source.js";
import { Failover } from "./failover.js";
import type { ConnectionExtras, ConnectionTarget, FailoverStrategy, PlaceTarget } from "./options.js";
import { Mailbox, type MailboxOptions } from "./pidbox/mailbox.js";
import type { PoolOptions } from "./pool-options.js";
import { Producer, type ProducerOptions } from "./producer.js";
import type { Queue } from "./queue.js";
import { ResourcePool } from "./resource-pool.js";
import { checkRetryOptions, type RetryOptions } from "./retry.js";
import { RpcClient, type RpcOptions } from "./rpc.js";
import { SerializerRegistry } from "./serialization.js";
import { closedError, Session } from "./session.js";
import { SimpleQueue, type SimpleQueueOptions, simpleBufferOptions } from "./simple-queue.js";
import { openTracing } from "./tracing.js";
import type { TransportManifest } from "./transport.js";
import { URI_CHECKS, type UriOptions } from "./transport-uri.js";
import { linkSignals } from "./waiting.js";
import { processWarnings } from "./warnings.js";

/**
 * A connection to a broker, from options or a URL. Nothing is opened until first use. Producers, consumers and simple queues
 * share its default channel; `channel()` makes another, with which they share only the transport.
 */
export class Connection implements AsyncDisposable {
  readonly #target: ConnectionTarget;
  /** As they were given. */
  readonly #given: ConnectionExtras;
  readonly #failoverStrategy: FailoverStrategy;
  readonly #extras: ConnectionExtras;
  readonly #addresses: readonly ConnectionAddress[];
  readonly #failover: Failover<ConnectionAddress>;
  readonly #clock: Clock;
  readonly #session: Session;
  readonly #stop = new AbortController();
  readonly #channels = new Set<Channel>();
  #defaultChannel: Channel | undefined;
  #turn = 0;
  #closing: Promise<void> | undefined;

  /** `extras` stand in the options, or beside a URL. Throws one `invalid_argument` with every complaint. */
  constructor(target: ConnectionTarget, extras: ConnectionExtras = {}) {
    this.#given = extrasOf(target, extras);
    const {
      alternates,
      failoverStrategy = "round-robin",
      clock: ownClock,
      random = randomFraction,
      onWarning = processWarnings(),
      serializers = new SerializerRegistry(),
      compressions = new CompressionRegistry(),
      tracing: wanted,
    } = this.#given;
    const clock = ownClock ?? systemClock();
    const addresses = addressesOf(target, alternates);
    this.#addresses = addresses;
    this.#failover = new Failover(addresses, orderOf(failoverStrategy, random));
    this.#failoverStrategy = failoverStrategy;
    this.#target = copyOf(target);
    this.#extras = { ...extras, serializers, compressions };
    this.#clock = clock;
    this.#session = new Session({
      ...{ clock, random, serializers, compressions, closing: this.#stop.signal },
      context: { clock, random, warn: onWarning, isSystemTime: ownClock === undefined },
      tracing: openTracing(wanted, addresses[0]!.transport),
      failover: this.#failover,
      onLeft: (transport, cause) => {
        for (const channel of this.#channels) channel.left(transport, cause);
      },
    });
    // Each declaration that runs listens; Node would suspect a leak at eleven.
    setMaxListeners(0, this.#stop.signal);
  }

  /** The transport's name. */
  get transport(): string {
    return this.#addresses[0]!.transport;
  }

  /** Whether its transport is open and, as far as is known, has its broker. Opens nothing. */
  get connected(): boolean {
    const { opened } = this.#session;
    return opened !== undefined && (opened.isConnected ?? true);
  }

  /** What it tells the time and waits by. */
  get clock(): Clock {
    return this.#clock;
  }

  /** The serializers of its producers and consumers. */
  get serializers(): SerializerRegistry {
    return this.#session.serializers;
  }

  /** The compressions of its producers and consumers. */
  get compressions(): CompressionRegistry {
    return this.#session.compressions;
  }

  /**
   * Another connection to the same place, not opened yet. It shares this one's serializers, compressions and clock unless `overrides`
   * give others, and nothing else.
   */
  clone(overrides: ConnectionExtras = {}): Connection {
    checkValue("the overrides of clone", overrides, objectCheck);
    return new Connection(this.#target, { ...this.#extras, ...overrides });
  }

  /** What it is made of. Nothing in it is secret. */
  info(): ConnectionInfo {
    const { current } = this.#failover;
    return {
      transport: current.transport,
      uri: current.uri({}),
      alternates: this.#addresses.map((address) => address.uri({})),
      failoverStrategy: this.#failoverStrategy,
      transportOptions: current.settings,
    };
  }

  /**
   * Reaches the broker: with several URLs the first of them that answers, each tried once. Errors: `unavailable`, `closed`, what
   * trying again would not change.
   */
  async connect(options: { readonly signal?: AbortSignal | undefined } = {}): Promise<this> {
    checkSignal("connect", options);
    return this.ensureConnection({ ...options, maxRetries: 0 });
  }

  /**
   * Reaches the broker, and tries again until it does: every URL once, then again after waits that grow. Errors: that of the last
   * attempt when no retry or no time is left, `timeout` when the time is up during an attempt, `closed`, the signal's reason.
   */
  async ensureConnection(options: RetryOptions = {}): Promise<this> {
    checkRetryOptions("ensureConnection", options);
    const policy = { ...this.#session.policy, ...options };
    await this.#session.retry((signal) => this.#session.connect(signal), policy);
    return this;
  }

  /**
   * Does work that uses this connection, and does it again after errors that may pass (`isRecoverable`), elsewhere where there are
   * several URLs. Opening and everything the work waits for share one deadline: give its calls the signal. Errors: as `ensureConnection`,
   * and what the work throws.
   */
  ensure<T>(work: (signal: AbortSignal) => Promise<T>, options: RetryOptions = {}): Promise<T> {
    checkValue("the work of ensure", work, functionCheck);
    return this.autoretry((_channel, signal) => work(signal), options);
  }

  /** The same for work on a channel: the default channel, which goes on to be the same after a failure. */
  async autoretry<T>(
    work: (channel: Channel, signal: AbortSignal) => Promise<T>,
    options: RetryOptions = {},
  ): Promise<T> {
    checkValue("the work of ensure", work, functionCheck);
    checkRetryOptions("ensure", options);
    const channel = this.defaultChannel;
    return channel.retry((signal) => work(channel, signal), options);
  }

  /**
   * Goes to another broker of the same transport from now on, in the list of URLs or not: gives back what is held, closes the transport,
   * and declares again at use. Connects at next use. Errors: `invalid_argument`, `closed`.
   */
  async switch(target: PlaceTarget): Promise<void> {
    const place = this.#addresses.find((address) => address.target === target);
    const [address, ...others] = place === undefined ? addressesOf(target) : [place];
    if (address!.transport !== this.transport || others.length > 0) throw noSwitch(this.transport);
    await this.#moveTo(address);
  }

  /** The same with the next of several URLs. Does nothing where there is one. */
  async maybeSwitchNext(): Promise<void> {
    if (this.#addresses.length > 1) await this.#moveTo(undefined);
  }

  /** The channel of its producers, consumers and simple queues. */
  get defaultChannel(): Channel {
    this.#defaultChannel ??= this.#newChannel();
    return this.#defaultChannel;
  }

  /** A new channel, on the opened transport. Errors: `closed`, and what opening says. */
  async channel(): Promise<Channel> {
    await this.#session.transport();
    return this.#newChannel();
  }

  /**
   * A pool of connections like this one, each opened when it is first used: for the few programs that need several. This connection is
   * not among them. Throws `invalid_argument`.
   */
  pool(options: PoolOptions = {}): ResourcePool<Connection> {
    return new ResourcePool<Connection>(
      {
        ...{ name: "connection", clock: this.#clock },
        create: () => this.clone(),
        close: (connection) => connection.close(),
        isUsable: (connection) => !connection.#stop.signal.aborted,
      },
      options,
    );
  }

  /** A pool of this connection's channels. Throws `invalid_argument`. */
  channelPool(options: PoolOptions = {}): ResourcePool<Channel> {
    return new ResourcePool<Channel>(
      {
        ...{ name: "channel", clock: this.#clock },
        create: () => this.channel(),
        close: (channel) => channel.close(),
        isUsable: (channel) => !channel.closing.aborted,
      },
      options,
    );
  }

  /**
   * Whether another connection goes to the same place with the same options, so that both could be of one pool. Registries, clock and
   * the like are the same if they are one object, or were left to their defaults in both.
   */
  isLike(other: Connection): boolean {
    checkValue("the other connection of isLike", other, CONNECTION_CHECK);
    const isGivenAlike = (name: keyof ConnectionExtras) => this.#given[name] === other.#given[name];
    const { serializers, compressions } = other;
    return (
      areSamePlaces(this.#addresses, other.#addresses) &&
      (["failoverStrategy", "tracing", "clock", "random"] as const).every(isGivenAlike) &&
      (isGivenAlike("serializers") || this.serializers === serializers) &&
      (isGivenAlike("compressions") || this.compressions === compressions)
    );
  }

  /** What its broker can do. Opens the transport. Errors: `closed`, and what opening says. */
  async manifest(): Promise<TransportManifest> {
    return (await this.#session.transport()).manifest;
  }

  /** A producer on the default channel. */
  producer<In = unknown>(options: ProducerOptions<In> = {}): Producer<In> {
    return new Producer<In>(this.defaultChannel, options);
  }

  /** A consumer on the default channel. What its payloads are follows from the queues' schemas, or from its own. */
  consumer<Q extends Queue, T = PayloadOf<Q>>(
    queues: Q | readonly Q[],
    options: ConsumerOptions<T> = {},
  ): Consumer<T> {
    return new Consumer<T>(this.defaultChannel, queues, options);
  }

  /** A queue as programs know them, on the default channel. */
  simpleQueue<In = unknown, Out = In>(
    queue: Queue<In, Out> | string,
    options: SimpleQueueOptions<In, Out> = {},
  ): SimpleQueue<In, Out> {
    return new SimpleQueue<In, Out>(this.defaultChannel, queue, options);
  }

  /** A simple queue whose messages may be lost with the broker and are acknowledged before they are handed over. */
  simpleBuffer<In = unknown, Out = In>(
    queue: Queue<In, Out> | string,
    options: SimpleQueueOptions<In, Out> = {},
  ): SimpleQueue<In, Out> {
    return new SimpleQueue<In, Out>(this.defaultChannel, queue, simpleBufferOptions(options));
  }

  /** Calls to a queue whose consumers reply, on the default channel. */
  rpc<In = unknown, Reply = unknown>(
    queue: Queue<In, unknown> | string,
    options: RpcOptions<Reply> = {},
  ): RpcClient<In, Reply> {
    return new RpcClient<In, Reply>(this.defaultChannel, queue, options);
  }

  /** Remote control of the nodes of a namespace, on the default channel. */
  mailbox(namespace: string, options: MailboxOptions = {}): Mailbox {
    return new Mailbox(this.defaultChannel, namespace, options);
  }

  /**
   * Waits for one message of the consumers that have been started, hands it to its consumer's callbacks and awaits them.
   * Consumers have turns. Errors: `timeout`, `closed`, the signal's reason; what a callback throws, and its message stays held.
   */
  async drainEvents(options: DrainOptions = {}): Promise<void> {
    checkOptions("drainEvents", options, DRAIN_CHECKS);
    const { timeoutMs, signal } = options;
    this.#stop.signal.throwIfAborted();
    const turn = this.#turn++;
    const sources = () => this.#sourcesFrom(turn);
    if (timeoutMs === undefined && sources().length === 0) throw nothingToDrain();
    const link = linkSignals(this.#stop.signal, signal);
    const session = this.#session;
    try {
      await drainOne({ session, sources, timeoutMs, signal: link.signal });
    } finally {
      link.end();
    }
  }

  /** Tells everybody who works on one of its messages to stop, by `message.signal`. The messages stay held, to be settled. */
  interrupt(reason: unknown): void {
    for (const channel of this.#channels) channel.interrupt(reason);
  }

  /**
   * Stops receiving, waits for running publishes and acknowledgements, gives back what is held, and closes the transport: for five seconds at
   * most, or two in which the broker is silent, which `onWarning` is then told. Waiting calls end with `closed`. Idempotent; calls at the same time share one promise.
   */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /** The connection as a URL, or several with `;` between them. Passwords and tokens are masked unless asked for. */
  asUri(options: UriOptions = {}): string {
    checkOptions("asUri", options, URI_CHECKS);
    return this.#addresses.map((address) => address.uri(options)).join(";");
  }

  toString(): string {
    return this.asUri();
  }

  toJSON(): { readonly transport: string; readonly uri: string } {
    return { transport: this.transport, uri: this.asUri() };
  }

  [inspect.custom](): string {
    return `Connection <${this.asUri()}>`;
  }

  async #close(): Promise<void> {
    this.#stop.abort(closedError("connection"));
    await Promise.all([...this.#channels].map((channel) => channel.close()));
    await this.#session.close();
  }

  async #moveTo(address: ConnectionAddress | undefined): Promise<void> {
    this.#stop.signal.throwIfAborted();
    await Promise.all([...this.#channels].map((channel) => channel.recover()));
    await this.#session.moveTo(address);
  }

  #newChannel(): Channel {
    this.#stop.signal.throwIfAborted();
    const channel = new Channel(this.#session, (closed) => this.#channels.delete(closed));
    this.#channels.add(channel);
    return channel;
  }

  /** Another one is first in each turn, so that a busy consumer does not starve the others. */
  #sourcesFrom(turn: number): readonly EventSource[] {
    const sources = [...this.#channels].flatMap((channel) => [...channel.sources]);
    const first = sources.length === 0 ? 0 : turn % sources.length;
    return [...sources.slice(first), ...sources.slice(0, first)];
  }
}

const CONNECTION_CHECK: Check = { expected: "a Connection", holds: (v) => v instanceof Connection };

function noSwitch(transport: string): KombuError {
  const why = `a connection of ${transport} can be switched to one other place of ${transport}, and to nothing else; make another connection`;
  return new KombuError("invalid_argument", why);
}
