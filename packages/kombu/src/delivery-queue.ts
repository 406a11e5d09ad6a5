import { answered } from "./answering.js";
import type { Channel } from "./channel.js";
import { isLeaseLost } from "./errors.js";
import { giveBackAll, type Holding, type HoldingWatcher, type Settlement } from "./holding.js";
import { RECEIVE_MS_MAX } from "./limits.js";
import { Lineup } from "./lineup.js";
import type { Receiver } from "./transport.js";
import { type LinkedSignal, linkSignals, Notifier } from "./waiting.js";

/** What a delivery queue asks its owner. */
export interface DeliveryQueueOwner {
  /** The queues to receive from now. */
  queueNames(): readonly string[];
  /** Whether messages of a queue are acknowledged before they are handed over. */
  noAck(queue: string): boolean;
  /** The channel's generation in which the queues were declared. Default: they never were, and will not be. */
  declaredIn?(): number | undefined;
  declare?(): Promise<void>;
  /** The consumer tag of a queue. Default: the broker's choice. */
  tag?(queue: string): string | undefined;
  /** `x-*` arguments of consuming from a queue. Default: none. */
  consumerArguments?(queue: string): Readonly<Record<string, unknown>>;
}

/** How long to wait for a message. */
export interface NextRequest {
  /** In milliseconds; 0 looks once. Undefined: without end. */
  readonly waitMs?: number | undefined;
  readonly signal?: AbortSignal | undefined;
}

const US_PER_MS = 1000;

/** Why receiving ended: to begin again, because there are other queues, or to take what another receive has brought. */
const RESTART = new Error("receiving begins again");

/** Received messages that nobody has asked for yet, oldest first, and how many more may be received. */
export class DeliveryQueue {
  /** Most messages held at the same time, waiting ones included and those not that are being acknowledged; 0 is no limit. */
  prefetchCount = 0;
  /** How many a broker that pushes may send ahead where there is no limit; 0: none before it is asked. */
  aheadCount = 0;
  readonly #receiver: Receiver;
  readonly #channel: Channel;
  readonly #owner: DeliveryQueueOwner;
  readonly #changed: Notifier;
  readonly #held = new Lineup<Holding>();
  /** How many of them the broker is being told of that they are done. */
  #acknowledging = 0;
  readonly #watcher: HoldingWatcher = {
    ended: (holding) => this.#freed(holding),
    acknowledging: () => {
      this.#acknowledging += 1;
      this.#tellChange();
    },
    unclear: (holding) => this.#acknowledged(holding),
  };
  readonly #fills = new Set<LinkedSignal>();
  #waiting: Holding[] = [];
  #requested = 0;

  constructor(channel: Channel, owner: DeliveryQueueOwner) {
    this.#channel = channel;
    this.#owner = owner;
    this.#changed = new Notifier(channel.clock);
    const prefetch = () => this.prefetchCount || this.aheadCount;
    this.#receiver = {
      get prefetch() {
        return prefetch();
      },
      tag: (queue) => owner.tag?.(queue),
      consumerArguments: (queue) => owner.consumerArguments?.(queue) ?? {},
    };
  }

  /** Messages held: waiting ones, and those handed over and not settled. */
  get held(): number {
    return this.#held.size;
  }

  /** Messages that nobody has asked for yet. */
  get waiting(): number {
    return this.#waiting.length;
  }

  /**
   * How many messages may be received now. Undefined: no limit, so that the transport decides. What is being acknowledged makes room
   * before the broker has answered, as it does where brokers count themselves, so that the next come meanwhile; but not without end.
   */
  get room(): number | undefined {
    const { prefetchCount } = this;
    if (prefetchCount === 0) return undefined;
    const held = this.#held.size - Math.min(this.#acknowledging, prefetchCount);
    return Math.max(0, prefetchCount - held - this.#requested);
  }

  /** Whether receiving is worth a call now: not for each bit of room while messages wait, for then a call would bring one at a time. */
  get isThirsty(): boolean {
    return this.#waiting.length === 0 || (this.room ?? 1) * 2 >= this.prefetchCount;
  }

  get canReceive(): boolean {
    return this.room !== 0 && this.#owner.queueNames().length > 0;
  }

  /** Told when a message came or went. */
  get changed(): Notifier {
    return this.#changed;
  }

  /** Receives once, waiting up to `waitMs` for the first message. `max` further limits how many. */
  async fill(request: {
    readonly waitMs: number;
    readonly signal?: AbortSignal | undefined;
    readonly max?: number;
  }): Promise<void> {
    const { waitMs, max = this.room } = request;
    const queues = this.#owner.queueNames();
    const link = linkSignals(request.signal);
    const { signal } = link;
    const receiver = this.#receiver;
    this.#fills.add(link);
    this.#requested += max ?? 0;
    try {
      const request = { queues, max, waitMs, signal, receiver };
      const received = await this.#channel.receive(request, this.#watcher, () => this.#declareElsewhere());
      for (const holding of received) if (!holding.isEnded) holding.inConsumer = this.#held.enter(holding);
      const wanted = new Set(this.#owner.queueNames());
      const isWanted = ({ delivery }: Holding) => wanted.has(delivery.info.queue);
      this.#waiting.push(...received.filter(isWanted));
      // What came in the very moment in which its queue was cancelled.
      await giveBackAll(received.filter((holding) => !isWanted(holding)));
      // The first is for whoever called this; the others are for those who wait for more.
      const others = [...this.#fills].filter((other) => other !== link);
      for (const other of others.slice(0, Math.max(0, this.#waiting.length - 1))) other.abort(RESTART);
    } catch (error) {
      if (error !== RESTART) throw error; // Whoever waits looks again.
    } finally {
      link.end();
      this.#fills.delete(link);
      this.#requested -= max ?? 0;
      this.#tellChange();
    }
  }

  /** Ends receiving that is under way, because the owner's queues are others now. */
  restart(): void {
    for (const link of this.#fills) link.abort(RESTART);
    this.#tellChange();
  }

  /** The oldest waiting message, where nothing has to be asked or told first; undefined otherwise: then `take` knows. */
  takeReady(): Holding | undefined {
    const [holding] = this.#waiting;
    if (holding === undefined || !holding.isOpen || holding.left !== undefined) return undefined;
    const { expiresAtUs, info } = holding.delivery;
    if (expiresAtUs !== undefined || this.#owner.noAck(info.queue)) return undefined;
    this.#waiting.shift();
    return handOut(holding);
  }

  /**
   * The oldest waiting message, acknowledged if its queue wants that; undefined when none is waiting. Whoever stops waiting for that
   * leaves the message to the next who asks.
   */
  async take(signal?: AbortSignal): Promise<Holding | undefined> {
    for (let holding = this.#waiting.shift(); holding !== undefined; holding = this.#waiting.shift()) {
      if (holding.state === "acknowledged") return handOut(holding); // When whoever had asked for it was gone.
      const isLeft = holding.left !== undefined;
      if (!holding.isOpen && !isLeft) continue; // Lost while it waited.
      const { expiresAtUs = Number.POSITIVE_INFINITY, info } = holding.delivery;
      const isExpired = !isLeft && expiresAtUs <= this.#channel.clock.nowUs();
      if (!isExpired && !this.#owner.noAck(info.queue)) return handOut(holding);
      const isOurs = await this.#finish(
        holding,
        isExpired ? { kind: "rejected", reason: "expired" } : { kind: "acknowledged" },
        signal,
      );
      if (isOurs && !isExpired) return handOut(holding);
    }
    return undefined;
  }

  /** The next message, or undefined when none came in time. Errors: the signal's reason, `closed`, the broker's. */
  async next({ waitMs = Number.POSITIVE_INFINITY, signal }: NextRequest): Promise<Holding | undefined> {
    const untilUs = this.#channel.clock.nowUs() + waitMs * US_PER_MS;
    for (let hasLooked = false; ; hasLooked = true) {
      signal?.throwIfAborted();
      const holding = await this.take(signal);
      if (holding !== undefined) return holding;
      const leftMs = (untilUs - this.#channel.clock.nowUs()) / US_PER_MS;
      if (hasLooked && leftMs <= 0) return undefined;
      const stepMs = Math.min(Math.max(0, leftMs), RECEIVE_MS_MAX);
      if (this.canReceive) await this.#fillFor(leftMs, stepMs, signal);
      else await this.#waitForRoom(stepMs, signal);
    }
  }

  /** Receives for somebody who waits that long, and no longer than that. */
  #fillFor(leftMs: number, stepMs: number, signal: AbortSignal | undefined): Promise<void> {
    const channel = this.#channel;
    const waitMs = leftMs > stepMs ? undefined : stepMs;
    const asking = { clock: channel.clock, waitMs, signal, failure: () => channel.failure };
    return answered(asking, (either) => this.fill({ waitMs: stepMs, signal: either }));
  }

  /** Gives back the messages that nobody has asked for, or those of one queue. */
  async giveBack(queue?: string): Promise<void> {
    // First, so that nothing of what is given back is pushed to us again.
    await this.#channel.unsubscribe(this.#receiver, queue);
    const isMeant = ({ delivery }: Holding) => queue === undefined || delivery.info.queue === queue;
    const meant = this.#waiting.filter(isMeant);
    this.#waiting = this.#waiting.filter((holding) => !isMeant(holding));
    await giveBackAll(meant);
  }

  /** Gives back everything that is held, handed over or not. */
  async recover(): Promise<void> {
    this.#waiting = [];
    await giveBackAll([...this.#held]);
  }

  /** Another broker does not know the queues yet. */
  async #declareElsewhere(): Promise<void> {
    const { generation } = this.#channel;
    if ((this.#owner.declaredIn?.() ?? generation) !== generation) await this.#owner.declare?.();
  }

  /** Settles before anybody sees the message; false when it was not ours any more. */
  async #finish(holding: Holding, settlement: Settlement, signal: AbortSignal | undefined): Promise<boolean> {
    try {
      await holding.settle(settlement, { signal });
      return true;
    } catch (error) {
      if (isLeaseLost(error)) return false;
      this.#waiting.unshift(holding); // Unclear: the next caller tries again.
      throw error;
    }
  }

  async #waitForRoom(ms: number, signal: AbortSignal | undefined): Promise<void> {
    const link = linkSignals(this.#channel.closing, signal);
    try {
      await this.#changed.wait(ms, link.signal);
    } finally {
      link.end();
    }
  }

  #acknowledged(holding: Holding): void {
    if (holding.isAcknowledging) this.#acknowledging -= 1;
  }

  #freed(holding: Holding): void {
    this.#acknowledged(holding);
    if (this.#held.leave(holding.inConsumer)) this.#tellChange();
  }

  #tellChange(): void {
    this.#changed.notify();
    this.#channel.changed.notify();
  }
}

function handOut(holding: Holding): Holding {
  holding.handedOut = true;
  return holding;
}
