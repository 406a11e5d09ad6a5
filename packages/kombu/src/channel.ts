import { setMaxListeners } from "node:events";
import type { Clock } from "@pullqueue/core";
import { isUniqueBroadcast } from "./broadcast.js";
import type { CompressionRegistry } from "./compression.js";
import type {
  BindingDefinition,
  DeleteQueueOptions,
  ExchangeBindingDefinition,
  ExchangeDefinition,
  QueueDefinition,
  QueueState,
} from "./definitions.js";
import type { EntityChannel, GetOptions } from "./entity.js";
import { KombuError } from "./errors.js";
import type { EventSource } from "./event-source.js";
import type { Exchange } from "./exchange.js";
import { exchangeBinder } from "./exchange-binder.js";
import { HeldDeliveries } from "./held-deliveries.js";
import { giveBackAll, type Holding, type HoldingWatcher } from "./holding.js";
import { REPLY_QUEUE_REMOVE_MS } from "./limits.js";
import { Message, type MessageReading } from "./message.js";
import type { MessageContent } from "./message-content.js";
import type { Queue } from "./queue.js";
import type { RetryOptions } from "./retry.js";
import type { Schema } from "./schema.js";
import type { SerializerRegistry } from "./serialization.js";
import { closedError, type Session } from "./session.js";
import type { Tracing } from "./tracing.js";
import type {
  PublishReceipt,
  ReceiveRequest,
  Receiver,
  Route,
  Transport,
  TransportManifest,
} from "./transport.js";
import { inTime, linkSignals, type Notifier, orAbort, Running } from "./waiting.js";
import { whileAway } from "./while-away.js";

const US_PER_MS = 1000;

/**
 * A conversation with the broker: it holds what its consumers received, renews the leases of that, and gives it back when it
 * closes. Channels of one connection share nothing but the transport.
 */
export class Channel implements EntityChannel, AsyncDisposable {
  readonly #session: Session;
  readonly #onClosed: (channel: Channel) => void;
  readonly #stop = new AbortController();
  readonly #running: Running;
  readonly #declaring: Running;
  readonly #held: HeldDeliveries;
  readonly #sources = new Set<EventSource>();
  readonly #receivers = new Set<Receiver>();
  readonly #ownQueues = new Set<string>();
  #closing: Promise<void> | undefined;

  /** Made by `connection.channel()`. */
  constructor(session: Session, onClosed: (channel: Channel) => void) {
    this.#session = session;
    this.#onClosed = onClosed;
    this.#running = new Running(session.clock);
    this.#held = new HeldDeliveries(session, this.#running);
    this.#declaring = new Running(session.clock);
    setMaxListeners(0, this.#stop.signal); // Each call that waits listens; Node would suspect a leak at eleven.
  }

  get clock(): Clock {
    return this.#session.clock;
  }

  get random(): () => number {
    return this.#session.random;
  }

  get serializers(): SerializerRegistry {
    return this.#session.serializers;
  }

  get compressions(): CompressionRegistry {
    return this.#session.compressions;
  }

  /** Makes spans; undefined when there are none. */
  get tracing(): Tracing | undefined {
    return this.#session.tracing;
  }

  /** Fires with `closed` when the channel closes. */
  get closing(): AbortSignal {
    return this.#stop.signal;
  }

  /** Grows when the connection goes to another broker: what was declared before has to be declared again. */
  get generation(): number {
    return this.#session.generation;
  }

  /** What keeps calls from its broker now, as far as anybody was told. */
  get failure(): unknown {
    return this.#session.failure;
  }

  /** Told when a consumer of the connection starts or has room again. */
  get changed(): Notifier {
    return this.#session.changed;
  }

  /** Consumers that have been started here. */
  get sources(): ReadonlySet<EventSource> {
    return this.#sources;
  }

  /** What its broker can do. */
  async manifest(): Promise<TransportManifest> {
    return (await this.#session.transport()).manifest;
  }

  /** For a consumer tag: unique in the connection. */
  nextConsumerNumber(): number {
    return this.#session.nextConsumerNumber();
  }

  /** Lets `drainEvents` look at a consumer; the returned function ends that. */
  attach(source: EventSource): () => void {
    this.#sources.add(source);
    this.#session.changed.notify();
    return () => void this.#sources.delete(source);
  }

  /** Declares an exchange or a queue with its bindings, unless this connection declared its definition before. Whether it did so now. */
  async declareOnce(entity: Exchange | Queue, signal?: AbortSignal): Promise<boolean> {
    const { closing } = this.#session;
    // A queue for each start of a program would stay for ever where the broker does not remove it.
    if (isUniqueBroadcast(entity) && "autoDelete" in entity && entity.autoDelete) this.ownQueue(entity.name);
    const declare = async () => void (await entity.bind(this).declare({ signal: closing }));
    const counted = () => this.#running.during(() => this.#declaring.during(declare));
    return orAbort(this.#session.declareOnce(entity, counted), signal);
  }

  /** Whether an exchange or a queue was declared in this connection, and stays so. */
  isDeclared(entity: Exchange | Queue): boolean {
    return this.#session.isDeclared(entity);
  }

  /** Declares and sends under one deadline, opening the transport where it is not, and again after errors that may pass. */
  retry<T>(work: (signal: AbortSignal) => Promise<T>, options: RetryOptions): Promise<T> {
    return this.#session.retry(async (signal) => {
      await this.#session.attempt();
      return work(signal);
    }, options);
  }

  /** What a publish that began at `sinceUs` gets when its time is up. */
  lateError(timeoutMs: number, sinceUs: number): KombuError {
    return this.#session.lateError(timeoutMs, sinceUs);
  }

  /** Sends a message that is ready. Closing waits for it. */
  publish(content: MessageContent, route: Route, signal?: AbortSignal): Promise<PublishReceipt> {
    return this.#call(signal, (transport) => transport.publish(content, route, signal));
  }

  /**
   * Receives and holds. A broker that is unreachable is tried again for as long as there is time, at most `RECONNECT_MS`
   * in a row. `prepare` comes before each attempt, when the transport is open. After an abort nothing stays held.
   */
  async receive(
    request: ReceiveRequest,
    watcher: HoldingWatcher,
    prepare: () => Promise<void> = async () => {},
  ): Promise<Holding[]> {
    const link = linkSignals(this.#stop.signal, request.signal);
    const { signal } = link;
    if (request.receiver !== undefined) this.#receivers.add(request.receiver);
    try {
      return await whileAway(this.#session, { waitMs: request.waitMs, signal }, (waitMs) =>
        this.#attempt(signal, async (transport) => {
          await prepare();
          const startMs = this.clock.nowUs() / US_PER_MS;
          const deliveries = await transport.receive({ ...request, waitMs, signal });
          if (deliveries.length > 0) {
            this.tracing?.received(request.queues, deliveries, startMs, this.clock.nowUs() / US_PER_MS);
          }
          const holdings = this.#held.hold(deliveries, transport, watcher);
          if (!signal.aborted) return holdings;
          await giveBackAll(holdings);
          throw signal.reason;
        }),
      );
    } finally {
      link.end();
    }
  }

  /** Ends a receiver's subscriptions, where the broker pushes: what it was sent and has not received goes back. */
  async unsubscribe(receiver: Receiver, queue?: string): Promise<void> {
    if (!this.#receivers.has(receiver)) return;
    if (queue === undefined) this.#receivers.delete(receiver);
    await this.#session.opened?.unsubscribe?.(receiver, queue); // Where it is not open, nothing is subscribed.
  }

  /** One message of the queue, or null when there is none now. */
  async get(
    queue: string,
    { noAck = false, accept, schema, signal }: GetOptions & { readonly schema?: Schema | undefined },
  ): Promise<Message | null> {
    const [holding] = await this.receive({ queues: [queue], max: 1, waitMs: 0, signal }, { ended() {} });
    if (holding === undefined) return null;
    try {
      if (noAck) await holding.settle({ kind: "acknowledged" });
    } catch (error) {
      await giveBackAll([holding]); // Nobody has seen it, and nobody could settle it.
      throw error;
    }
    holding.handedOut = true;
    return this.message(holding, { accept, noAck, schema });
  }

  /** The message in a holding. Where it has a schema, its payload was held against that before anybody sees it. */
  message<T = unknown>(holding: Holding, reading: MessageReading<T>): Message<T> | Promise<Message<T>> {
    const message = new Message<T>(holding, reading, this.#session);
    return reading.schema === undefined ? message : message.prepare().then(() => message);
  }

  declareExchange(exchange: ExchangeDefinition, passive: boolean, signal?: AbortSignal): Promise<void> {
    return this.#call(signal, ({ topology }) => topology.declareExchange(exchange, passive, signal));
  }

  declareQueue(queue: QueueDefinition, passive: boolean, signal?: AbortSignal): Promise<QueueState> {
    return this.#call(signal, ({ topology }) => topology.declareQueue(queue, passive, signal));
  }

  bind(binding: BindingDefinition): Promise<void> {
    return this.#call(undefined, ({ topology }) => topology.bind(binding));
  }

  unbind(binding: BindingDefinition): Promise<void> {
    this.#session.forgetDeclared();
    return this.#call(undefined, ({ topology }) => topology.unbind(binding));
  }

  bindExchange(binding: ExchangeBindingDefinition): Promise<void> {
    return this.#call(undefined, async ({ topology }) => exchangeBinder(topology).bindExchange(binding));
  }

  unbindExchange(binding: ExchangeBindingDefinition): Promise<void> {
    return this.#call(undefined, async ({ topology }) => exchangeBinder(topology).unbindExchange(binding));
  }

  deleteExchange(name: string, options: { readonly ifUnused?: boolean } = {}): Promise<void> {
    this.#session.forgetDeclared();
    return this.#call(undefined, ({ topology }) => topology.deleteExchange(name, options));
  }

  deleteQueue(name: string, options: DeleteQueueOptions = {}): Promise<number> {
    this.#session.forgetDeclared();
    return this.#call(options.signal, ({ topology }) => topology.deleteQueue(name, options));
  }

  /** Says that a queue is for this channel alone: it goes when the channel closes, if not before. */
  ownQueue(queue: string): void {
    this.#ownQueues.add(queue);
  }

  /** Kombu's `after_reply_message_received`: removes an `autoDelete` queue that the broker did not remove by itself. Never rejects. */
  async afterReplyMessageReceived(queue: string): Promise<void> {
    this.#ownQueues.delete(queue);
    const late = () => new KombuError("timeout", "the broker did not remove the queue in time");
    const limit = { timeoutMs: REPLY_QUEUE_REMOVE_MS, signal: undefined, late };
    const remove = async (signal?: AbortSignal) => {
      await orAbort(this.#declaring.idle(), signal); // Whoever stopped waiting for a declaration did not stop it.
      const { topology } = await orAbort(this.#session.transport(), signal);
      await orAbort(topology.deleteQueue(queue, { ifUnused: true, signal }), signal);
    };
    await inTime(this.clock, limit, remove).catch(() => {});
  }

  purge(queue: string, signal?: AbortSignal): Promise<number> {
    return this.#call(signal, ({ topology }) => topology.purge(queue, signal));
  }

  count(queue: string, signal?: AbortSignal): Promise<number> {
    return this.#call(signal, ({ topology }) => topology.count(queue, signal));
  }

  /** Gives back everything that is held: what no handler has seen does not count as an attempt. */
  async recover(): Promise<void> {
    await giveBackAll(this.#held.all);
  }

  /** Tells everybody who works on a message of this channel to stop, by `message.signal`. The messages stay held. */
  interrupt(reason: unknown): void {
    this.#held.interrupt(reason);
  }

  /**
   * Stops receiving, tells handlers to stop (`message.signal`), waits for running publishes and acknowledgements, and gives
   * back what is held, for five seconds at most, or two in which the broker is silent. Waiting calls end with `closed`. Idempotent; calls at the same time share one promise.
   */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #close(): Promise<void> {
    const reason = closedError("channel");
    this.#stop.abort(reason);
    this.interrupt(reason);
    await this.#session.closeWhileAnswered(this.#giveBack());
    this.#onClosed(this);
  }

  async #giveBack(): Promise<void> {
    await this.#running.idle();
    const unsubscribed = Promise.all([...this.#receivers].map((receiver) => this.unsubscribe(receiver)));
    // Ours to give back from now on, so that no handler acknowledges because it was told to stop; but not to be pushed again.
    await Promise.all([giveBackAll(this.#held.all, unsubscribed), unsubscribed]);
    await Promise.all([...this.#ownQueues].map((queue) => this.afterReplyMessageReceived(queue)));
  }

  /** The transport is not used any more, and what it held is not ours. */
  left(transport: Transport, cause: unknown): void {
    this.#held.left(transport, cause);
  }

  /** Every call on the transport passes here: refused when closed, counted while it runs. */
  #call<T>(signal: AbortSignal | undefined, work: (transport: Transport) => Promise<T>): Promise<T> {
    const call = (transport: Transport) => orAbort(work(transport), signal);
    return this.#through(() => this.#session.transport(signal), signal, call);
  }

  /** The same where the caller tries again itself: opening is not. */
  #attempt<T>(signal: AbortSignal, work: (transport: Transport) => Promise<T>): Promise<T> {
    return this.#through(() => this.#session.attempt(), signal, work);
  }

  async #through<T>(
    open: () => Promise<Transport>,
    signal: AbortSignal | undefined,
    work: (transport: Transport) => Promise<T>,
  ): Promise<T> {
    this.#stop.signal.throwIfAborted();
    signal?.throwIfAborted();
    this.#running.begin();
    let transport = this.#session.opened;
    try {
      transport ??= await orAbort(open(), signal);
      const result = await work(transport);
      this.#session.answered();
      return result;
    } catch (error) {
      // It may mean that the connection has to go elsewhere.
      throw transport === undefined ? error : this.#session.failed(transport, error, signal);
    } finally {
      this.#running.end();
    }
  }
}
