import { setMaxListeners } from "node:events";
import type { Clock } from "@pullqueue/core";
import { sendDeadLetter } from "../dead-letter.js";
import { KombuError } from "../errors.js";
import {
  PRIORITY_MAX,
  REDIS_MESSAGE_BYTES_MAX,
  REDIS_PATIENCE_MS,
  REDIS_SETTLE_PATIENCE_MS,
} from "../limits.js";
import type { MessageContent } from "../message-content.js";
import type { RedisSettings } from "../redis-options.js";
import type {
  DeadLetterTarget,
  DeathReason,
  Delivery,
  LeaseStandby,
  LeaseTicket,
  PublishReceipt,
  ReceiveRequest,
  RejectOptions,
  ReleaseOptions,
  Route,
  Transport,
  TransportContext,
  TransportManifest,
} from "../transport.js";
import { linkSignals } from "../waiting.js";
import { RedisBatches } from "./redis-batches.js";
import { RedisFanout } from "./redis-fanout.js";
import { markRedelivered, priorityOf } from "./redis-item.js";
import { RedisLayout } from "./redis-layout.js";
import { INVALIDATIONS, RedisLink, type RedisSockets } from "./redis-link.js";
import { delayedMember, RedisPublisher } from "./redis-publisher.js";
import { type HeldItem, RedisReceiver } from "./redis-receiver.js";
import { RedisRestorer, scoreOf } from "./redis-restorer.js";
import { ACK, EXTEND, RESTORE, runScript } from "./redis-scripts.js";
import { RedisTime } from "./redis-time.js";
import { RedisTopology } from "./redis-topology.js";
import { RedisWaker } from "./redis-waker.js";

const US_PER_MS = 1000;
const US_PER_SECOND = 1_000_000;

/**
 * Kombu's transport on Redis, in kombu's own layout, so that both sides share queues. What is better than there: a message is
 * taken and recorded as held in one step; what holds it is a name of this delivery, not of the message, so that a late
 * acknowledgement is refused; leases are renewed; a message goes back to the queue that it came from.
 */
export class RedisTransport implements Transport {
  readonly manifest: TransportManifest;
  readonly standby: LeaseStandby | undefined;
  readonly topology: RedisTopology;
  readonly #settings: RedisSettings;
  readonly #clock: Clock;
  readonly #time: RedisTime;
  readonly #link: RedisLink;
  readonly #layout: RedisLayout;
  readonly #fanout: RedisFanout;
  readonly #restorer: RedisRestorer;
  readonly #receiver: RedisReceiver;
  readonly #publisher: RedisPublisher;
  readonly #stop = new AbortController();
  readonly #acks: RedisBatches<string, number>;
  #returning: Return[] = [];
  #closing: Promise<void> | undefined;

  constructor(settings: RedisSettings, context: TransportContext) {
    setMaxListeners(0, this.#stop.signal); // Each receive that waits listens; Node would suspect a leak at eleven.
    const { clock } = context;
    const layout = new RedisLayout(settings);
    const time = new RedisTime(clock, context.isSystemTime === true);
    const waker = new RedisWaker(clock, this.#stop.signal);
    const fanout = new RedisFanout(layout, (queue) => waker.changed([Buffer.from(layout.group(queue)[0]!)]));
    const link = new RedisLink({
      ...{ settings, context },
      onOpen: async (sockets) => {
        await time.ask(sockets.main);
        await fanout.resubscribe(sockets);
        await topology.redeclare(sockets);
        await this.#receiver.putBackUnanswered(sockets);
      },
      onCheck: ({ main }) => time.ask(main),
      onMessage: (channel, payload) => {
        const name = channel.toString("utf8");
        if (name === INVALIDATIONS) waker.changed(payload as readonly Buffer[] | null);
        else fanout.heard(name, payload as Buffer);
      },
      onLost: () => waker.changed(null),
    });
    const nowScore = () => scoreOf(time.nowUs());
    const topology = new RedisTopology({ link, layout, fanout, nowScore });
    const bury = async (delivery: Delivery, target: DeadLetterTarget) => {
      await this.#bury(delivery, "expired", target).catch((error: KombuError) => context.warn?.(error)); // It comes again when its lease has ended.
    };
    const restorer = new RedisRestorer(layout, settings, time);
    this.topology = topology;
    this.#settings = settings;
    this.#clock = clock;
    this.#time = time;
    this.#link = link;
    this.#layout = layout;
    this.#fanout = fanout;
    this.#restorer = restorer;
    this.#receiver = new RedisReceiver({
      link,
      layout,
      topology,
      fanout,
      restorer,
      waker,
      settings,
      clock,
      time,
      bury,
    });
    this.#publisher = new RedisPublisher({
      ...{ link, layout, topology, settings, time, warn: context.warn },
    });
    this.#acks = new RedisBatches({
      run: async (client, fields) => {
        const { unacked, unackedIndex } = layout;
        return (await runScript(client, ACK, [unacked, unackedIndex], fields)) as readonly number[];
      },
    });
    this.standby = context.openStandby?.({
      write: (lease) => {
        const { field } = this.#receiver.held(lease);
        return field === undefined ? undefined : { field };
      },
      take: () => {}, // The name of a delivery stays.
    });
    this.manifest = redisManifest(this.standby === undefined ? "loop" : "thread", settings);
  }

  /** Begins to connect. A server that is away is tried for as long as the transport is open. */
  async start(): Promise<this> {
    await this.#link.start();
    return this;
  }

  get isConnected(): boolean {
    return this.#link.isOpen;
  }

  async connect(signal?: AbortSignal): Promise<void> {
    await this.#link.sockets({ patienceMs: 0, signal });
  }

  publish(content: MessageContent, route: Route, signal?: AbortSignal): Promise<PublishReceipt> {
    return this.#publisher.publish(content, route, signal);
  }

  /** Waits also while the connection is away, for as long as it was asked to wait and `REDIS_PATIENCE_MS` at most. */
  async receive(request: ReceiveRequest): Promise<Delivery[]> {
    const untilUs = this.#clock.nowUs() + request.waitMs * US_PER_MS;
    const patienceMs = Math.min(request.waitMs, REDIS_PATIENCE_MS);
    const link = linkSignals(this.#stop.signal, request.signal);
    try {
      return await this.#link.call(
        (sockets) => {
          const waitMs = Math.max(0, (untilUs - this.#clock.nowUs()) / US_PER_MS);
          return this.#receiver.receive({ ...request, waitMs, signal: link.signal }, sockets);
        },
        { patienceMs, signal: link.signal },
      );
    } finally {
      link.end();
    }
  }

  async ack(delivery: Delivery): Promise<void> {
    const held = this.#receiver.held(delivery);
    const { field } = held;
    if (field !== undefined) {
      await this.#settle(delivery, ({ main }) => this.#acks.add(main, field));
    }
    this.#receiver.forget(held);
  }

  async reject(delivery: Delivery, { reason = "rejected", to }: RejectOptions = {}): Promise<void> {
    const target = to ?? this.topology.deadLetters(delivery.info.queue);
    // What is not ours any more is not ours to bury; and what is stays so until it is.
    if (target !== undefined) await this.extend(delivery);
    await this.#bury(delivery, reason, target);
  }

  async #bury(delivery: Delivery, reason: DeathReason, target: DeadLetterTarget | undefined): Promise<void> {
    const time = Math.floor(this.#clock.nowUs() / US_PER_SECOND);
    if (target !== undefined) await sendDeadLetter(this, delivery, { target, reason, time });
    await this.ack(delivery);
  }

  async extend(delivery: Delivery): Promise<void> {
    const { field } = this.#receiver.held(delivery);
    if (field === undefined) return;
    // Counted from before the call, so that our own end is never later than what others see.
    const fromUs = this.#clock.nowUs();
    if (!(await this.#isExtended(field))) throw leaseLost(delivery);
    delivery.leaseEndsAtUs = fromUs + this.#settings.leaseMs * US_PER_MS;
  }

  async renew(ticket: LeaseTicket): Promise<LeaseTicket> {
    const field = String(ticket.field);
    if (await this.#isExtended(field)) return ticket;
    throw new KombuError("lease_lost", `delivery ${field} is not held any more`);
  }

  async release(delivery: Delivery, options: ReleaseOptions = {}): Promise<void> {
    const held = this.#receiver.held(delivery);
    const { delayMs = 0, uncounted = false, inPlace = false } = options;
    if (held.fanout !== undefined) {
      if (uncounted) held.fanout.deliveries -= 1;
      this.#fanout.giveBack(held.queue, held.fanout, inPlace);
      return;
    }
    this.#receiver.remember(held, uncounted);
    if (delayMs === 0 && inPlace) return this.#inOrder(delivery, held, uncounted);
    return this.#restore(delivery, held, {
      uncounted,
      how: delayMs === 0 ? "LPUSH" : this.#dueScore(delayMs),
    });
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #close(): Promise<void> {
    this.#stop.abort(new KombuError("closed", "the transport is closed; make a new connection"));
    await this.standby?.close();
    await this.#link.close();
  }

  /** False: somebody else restored it. */
  #isExtended(field: string): Promise<boolean> {
    const { unacked, unackedIndex } = this.#layout;
    const args = [field, this.#restorer.leaseScore];
    return this.#link.call(
      async ({ main }) => (await runScript(main, EXTEND, [unacked, unackedIndex], args)) === 1,
      { patienceMs: REDIS_SETTLE_PATIENCE_MS },
    );
  }

  #dueScore(delayMs: number): string {
    return scoreOf(this.#time.nowUs() + delayMs * US_PER_MS);
  }

  /** Several that go back to the front go newest first, so that in the end the oldest is the next. */
  #inOrder(delivery: Delivery, held: HeldItem, uncounted: boolean): Promise<void> {
    return new Promise((resolve, reject) => {
      if (this.#returning.length === 0) setImmediate(() => this.#returnAll());
      const start = () => this.#restore(delivery, held, { uncounted, how: "RPUSH" }).then(resolve, reject);
      this.#returning.push({ sequence: held.sequence, start });
    });
  }

  #returnAll(): void {
    const returning = this.#returning.toSorted((one, other) => other.sequence - one.sequence);
    this.#returning = [];
    for (const { start } of returning) void start();
  }

  async #restore(
    delivery: Delivery,
    { queue, item, field, attempts }: HeldItem,
    { uncounted, how }: { readonly uncounted: boolean; readonly how: string },
  ): Promise<void> {
    const { unacked, unackedIndex, width } = this.#layout;
    const bytes = uncounted
      ? item.bytes
      : markRedelivered(item, this.#settings.deliveryCount ? attempts : undefined);
    const priority = priorityOf(item.content);
    const isDelayed = how !== "LPUSH" && how !== "RPUSH";
    const what = isDelayed ? delayedMember(field!, this.#layout.step(priority), bytes) : bytes;
    const keys = [unacked, unackedIndex, ...this.#layout.group(queue)];
    const args = [field!, "", width, how, this.#layout.place(priority), what];
    await this.#settle(delivery, async ({ main }) => Number(await runScript(main, RESTORE, keys, args)));
  }

  /**
   * A script about one held message that answers whether it was still held (1). Where the answer to the first call was lost, a
   * second finds nothing to do; before the end of our lease nobody else can have been the reason.
   */
  async #settle(delivery: Delivery, run: (sockets: RedisSockets) => Promise<number>): Promise<void> {
    const work = async (sockets: RedisSockets, isRepeated: boolean) => {
      const isHeld = (await run(sockets)) === 1;
      this.standby?.refresh();
      const isOwnDoing = isRepeated && this.#clock.nowUs() < (delivery.leaseEndsAtUs ?? 0);
      if (!isHeld && !isOwnDoing) throw leaseLost(delivery);
    };
    await this.#link.call(work, { patienceMs: REDIS_SETTLE_PATIENCE_MS });
  }
}

/** Something that goes back to the front of its queue. */
interface Return {
  readonly sequence: number;
  readonly start: () => Promise<void>;
}

const MANIFEST: Omit<TransportManifest, "renewal" | "urgentPriority"> = Object.freeze({
  name: "redis",
  direct: "native",
  topic: "native",
  fanout: "native",
  headers: "refused",
  priority: "native",
  delay: "emulated",
  messageExpiry: "emulated",
  queueExpiry: "native",
  maxLength: "refused",
  exclusive: "recorded",
  autoDelete: "recorded",
  durable: "recorded",
  mandatory: "emulated",
  deadLetters: "emulated",
  receiptQueues: "native",
  idempotency: "emulated",
  taskIds: "refused",
  attempts: "emulated",
  requeueDelay: "emulated",
  exchangeBindings: "refused",
  envelopes: true,
  localExchanges: true,
  localBindings: false,
  leases: true,
  messageBytesMax: REDIS_MESSAGE_BYTES_MAX,
});

function redisManifest(
  renewal: TransportManifest["renewal"],
  { urgentFirst }: RedisSettings,
): TransportManifest {
  const urgentPriority = urgentFirst === "highest" ? PRIORITY_MAX : 0;
  return Object.freeze({ ...MANIFEST, renewal, urgentPriority });
}

function leaseLost({ info, deliveryTag }: Delivery): KombuError {
  return new KombuError(
    "lease_lost",
    `delivery ${deliveryTag} of queue ${JSON.stringify(info.queue)} is not held any more: its lease ended and it was restored, so that somebody else may have it`,
  );
}
