import { isKombuError } from "../errors.js";
import { AMQP_IDLE_CHANNELS_MAX } from "../limits.js";
import type { Delivery, ReceiveRequest, Receiver, TransportContext } from "../transport.js";
import { Notifier } from "../waiting.js";
import type { AmqpConnection } from "./amqp-connection.js";
import type { AmqpLink } from "./amqp-link.js";
import { AmqpReader } from "./amqp-reader.js";
import { writeTable } from "./amqp-table.js";
import type { AmqpTopology } from "./amqp-topology.js";

/** Whoever asks and is not known: they share a reader for each queue. */
const ANYBODY: Receiver = Object.freeze({
  prefetch: 0,
  tag: () => undefined,
  consumerArguments: () => ({}),
});

/** A reader, or one that is being opened. */
interface Slot {
  readonly link: AmqpLink;
  readonly opening: Promise<AmqpReader>;
  reader: AmqpReader | undefined;
}

/** One receive, with its readers. */
interface Receive {
  readonly readers: readonly AmqpReader[];
  readonly max: number;
  readonly untilUs: number;
  readonly signal: AbortSignal | undefined;
}

const US_PER_MS = 1000;

/**
 * Makes a broker that pushes one that can be asked. Whoever may hold several messages (`prefetch`) has a subscription to each of
 * its queues that lasts, and finds what was pushed; the limit is shared between its queues, at least one for each. Whoever asks
 * without a limit looks first, and is subscribed only while it waits, for as many as it asks for.
 */
export class AmqpInbox {
  readonly #connection: AmqpConnection;
  readonly #context: TransportContext;
  readonly #topology: AmqpTopology;
  readonly #arrived: Notifier;
  readonly #slots = new Map<Receiver, Map<string, Slot>>();
  readonly #retired = new Set<AmqpReader>();
  /** How many messages those who are subscribed only while they wait are waiting for. */
  readonly #demand = new Map<AmqpReader, number>();
  /** How many receives are under way on a shared reader. */
  readonly #users = new Map<AmqpReader, number>();
  readonly #origin = new WeakMap<Delivery, AmqpReader>();
  #readerCount = 0;
  #turn = 0;

  constructor(connection: AmqpConnection, topology: AmqpTopology, context: TransportContext) {
    this.#connection = connection;
    this.#topology = topology;
    this.#context = context;
    this.#arrived = new Notifier(context.clock);
  }

  /** Where a delivery came from; undefined for those of other transports. */
  readerOf(delivery: Delivery): AmqpReader | undefined {
    return this.#origin.get(delivery);
  }

  /** As `Transport.receive`. A connection that breaks meanwhile is made again while there is time. */
  async receive(request: ReceiveRequest): Promise<Delivery[]> {
    const { waitMs, signal } = request;
    const untilUs = this.#nowUs() + waitMs * US_PER_MS;
    for (;;) {
      signal?.throwIfAborted();
      const link = await this.#connection.link({ untilUs, signal });
      try {
        const taken = await this.#receive(request, link, untilUs);
        if (taken.length > 0 || this.#nowUs() >= untilUs) return taken;
      } catch (error) {
        const isBroken = isKombuError(error, "unavailable") && this.#connection.current === undefined;
        if (!isBroken || this.#nowUs() >= untilUs || signal?.aborted === true) throw error;
      }
    }
  }

  /** As `Transport.unsubscribe`. */
  async unsubscribe(receiver: Receiver, queue?: string): Promise<void> {
    const slots = this.#slots.get(receiver);
    if (slots === undefined) return;
    const names = queue === undefined ? [...slots.keys()] : [queue];
    await Promise.all(
      names.map(async (name) => {
        const reader = await slots.get(name)?.opening.catch(() => undefined); // It did not come to be.
        slots.delete(name);
        if (slots.size === 0) this.#slots.delete(receiver);
        if (reader === undefined) return;
        await reader.giveBack();
        this.#topology.consumerEnded(name);
        this.#retired.add(reader);
        this.settled(reader);
      }),
    );
  }

  /** After a settlement: a reader that nobody needs any more gives up its channel with its last message. */
  settled(reader: AmqpReader): void {
    if (!this.#retired.has(reader) || !reader.isIdle) return;
    this.#retired.delete(reader);
    void reader.close();
  }

  /** Gives back everything that was pushed or waits to be given back. */
  async close(): Promise<void> {
    const slots = [...this.#slots.values()].flatMap((ofReceiver) => [...ofReceiver.values()]);
    this.#slots.clear();
    const opened = await Promise.all(slots.map(({ opening }) => opening.catch(() => undefined))); // As above.
    const readers = [...opened.filter((reader) => reader !== undefined), ...this.#retired];
    await Promise.all(readers.map((reader) => reader.close()));
  }

  async #receive(request: ReceiveRequest, link: AmqpLink, untilUs: number): Promise<Delivery[]> {
    const { queues, max = 1, receiver = ANYBODY, signal } = request;
    await this.#topology.finishReplay(link);
    const { prefetch } = receiver;
    // A queue that goes with its last consumer would go between two receives.
    const lasts =
      prefetch > 0 || (receiver !== ANYBODY && queues.some((name) => this.#topology.isAutoDelete(name)));
    const owner = lasts ? receiver : ANYBODY;
    const readers = await Promise.all(queues.map((queue) => this.#reader(owner, queue, link)));
    const receive = { readers, max, untilUs, signal };
    if (lasts) return this.#fromStream(receive, prefetch);
    for (const reader of readers) this.#users.set(reader, (this.#users.get(reader) ?? 0) + 1);
    try {
      return await this.#onDemand(receive);
    } finally {
      for (const reader of readers) this.#users.set(reader, this.#users.get(reader)! - 1);
      this.#closeUnused();
    }
  }

  /** Pushed messages, while a subscription with room brings more. */
  async #fromStream({ readers, max, untilUs, signal }: Receive, prefetch: number): Promise<Delivery[]> {
    const share = Math.max(1, Math.floor(prefetch / readers.length));
    for (;;) {
      const ready = this.#takeInTurn(readers, max);
      if (ready.length > 0) return ready;
      const subscribing = readers.map(async (reader) => {
        const wanted = prefetch === 0 ? max : share - reader.activeCount;
        if (wanted > 0) await reader.subscribe(wanted);
      });
      await Promise.all(subscribing);
      signal?.throwIfAborted();
      // Who looks once waits for what the broker is just pushing.
      const isLook = this.#nowUs() >= untilUs;
      if (isLook) await Promise.all(readers.map((reader) => reader.settled()));
      const hasNews = !isLook && (await this.#untilNews(readers, untilUs, signal));
      if (!hasNews) return this.#takeInTurn(readers, max);
    }
  }

  /** A look, and if there is nothing, a subscription for as long as the caller waits. */
  async #onDemand(receive: Receive): Promise<Delivery[]> {
    const { readers, max, untilUs, signal } = receive;
    const found = await this.#look(receive);
    if (found.length > 0 || this.#nowUs() >= untilUs) return found;
    for (const reader of readers) this.#demand.set(reader, (this.#demand.get(reader) ?? 0) + max);
    let taken: Delivery[] = [];
    try {
      for (let hasNews = true; hasNews && taken.length === 0; ) {
        await Promise.all(readers.map((reader) => reader.subscribe(this.#demand.get(reader)!)));
        hasNews = await this.#untilNews(readers, untilUs, signal);
        taken = this.#takeInTurn(readers, max);
      }
    } finally {
      await Promise.all(readers.map((reader) => this.#endDemand(reader, max)));
    }
    return taken;
  }

  /** One by one, each queue in its turn. */
  async #look({ readers, max, signal }: Receive): Promise<Delivery[]> {
    const found: Delivery[] = [];
    const first = this.#turn++;
    for (let offset = 0; offset < readers.length && found.length < max; offset++) {
      const reader = readers[(first + offset) % readers.length]!;
      for (let delivery = await reader.get(); delivery !== undefined; ) {
        this.#origin.set(delivery, reader);
        found.push(delivery);
        delivery = found.length < max ? await reader.get() : undefined;
      }
      if (signal?.aborted === true) {
        await Promise.all(found.map((delivery) => this.readerOf(delivery)!.release(delivery, {})));
        throw signal.reason;
      }
    }
    return found;
  }

  /** The last who waits ends the subscription; what came for nobody goes back. */
  async #endDemand(reader: AmqpReader, max: number): Promise<void> {
    const left = this.#demand.get(reader)! - max;
    if (left > 0) {
      this.#demand.set(reader, left);
      return;
    }
    this.#demand.delete(reader);
    await reader.giveBack();
  }

  #takeInTurn(readers: readonly AmqpReader[], max: number): Delivery[] {
    const taken: Delivery[] = [];
    for (; taken.length < max && readers.some(({ readyCount }) => readyCount > 0); this.#turn++) {
      const reader = readers[this.#turn % readers.length]!;
      for (const delivery of reader.take(1)) {
        this.#origin.set(delivery, reader);
        taken.push(delivery);
      }
    }
    return taken;
  }

  /** False when time is up. Rejects when a reader has ended: the caller begins again with others. */
  async #untilNews(
    readers: readonly AmqpReader[],
    untilUs: number,
    signal: AbortSignal | undefined,
  ): Promise<boolean> {
    for (;;) {
      if (readers.some(({ readyCount }) => readyCount > 0)) return true;
      for (const reader of readers) reader.check();
      const leftMs = (untilUs - this.#nowUs()) / US_PER_MS;
      if (leftMs <= 0) return false;
      await this.#arrived.wait(leftMs, signal);
    }
  }

  #reader(receiver: Receiver, queue: string, link: AmqpLink): Promise<AmqpReader> {
    const slots = this.#slots.get(receiver) ?? new Map<string, Slot>();
    this.#slots.set(receiver, slots);
    const known = slots.get(queue);
    if (known !== undefined && known.link === link && known.reader?.isOpen !== false) return known.opening;
    this.#readerCount += 1;
    const opening = AmqpReader.open({
      ...{ link, queue, clock: this.#context.clock, arrived: this.#arrived },
      name: `reader${this.#readerCount}`,
      tag: receiver.tag(queue) ?? "",
      consumerArguments: writeTable(receiver.consumerArguments(queue)),
      isAutoDelete: this.#topology.isAutoDelete(queue),
    });
    const slot: Slot = { link, opening, reader: undefined };
    slots.set(queue, slot);
    const forget = () => {
      if (slots.get(queue) === slot) slots.delete(queue);
    };
    opening.then((reader) => {
      slot.reader = reader;
    }, forget);
    return opening;
  }

  /** Keeps a few of the shared readers that nobody uses now. */
  #closeUnused(): void {
    const slots = this.#slots.get(ANYBODY) ?? new Map<string, Slot>();
    let spare = slots.size - AMQP_IDLE_CHANNELS_MAX;
    for (const [queue, { reader }] of slots) {
      if (spare <= 0) return;
      if (reader === undefined || (reader.isOpen && ((this.#users.get(reader) ?? 0) > 0 || !reader.isIdle)))
        continue;
      slots.delete(queue);
      this.#users.delete(reader);
      void reader.close();
      spare -= 1;
    }
  }

  #nowUs(): number {
    return this.#context.clock.nowUs();
  }
}
