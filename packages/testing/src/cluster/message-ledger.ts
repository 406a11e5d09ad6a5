/** One delivery as its handler knows it. */
export interface SeenDelivery {
  readonly key: string;
  /** The task's lease, which is what tells one delivery from the next. */
  readonly retryCount: number;
  /** Fires when the consumer says that its lease is lost. */
  readonly signal: AbortSignal;
}

interface Entry {
  published: boolean;
  /** The lease under which it was acknowledged. */
  acknowledgedUnder: number | undefined;
  /** The latest lease whose acknowledgement nobody answered: the broker may have taken it. */
  unclearUnder: number | undefined;
  /** Handlers that are at work on it. */
  readonly inHand: Set<SeenDelivery>;
  readonly seen: Set<number>;
}

function isOutstanding({ published, acknowledgedUnder, unclearUnder }: Entry): boolean {
  return published && acknowledgedUnder === undefined && unclearUnder === undefined;
}

/** How late a holder may learn that its lease has ended, in milliseconds. */
const TOLD_MS = 500;

/** The truth as publishers and consumers of one queue know it, and where the broker contradicts itself. */
export class MessageLedger {
  readonly #complaints: string[] = [];
  readonly #entries = new Map<string, Entry>();

  /** What went wrong so far. */
  get complaints(): readonly string[] {
    return this.#complaints;
  }

  /** How many messages were published for certain, and are there for certain: no acknowledgement was taken, or may have been. */
  get outstanding(): number {
    return [...this.#entries.values()].filter(isOutstanding).length;
  }

  /** Each of them with what is known about it. */
  get outstandingInWords(): readonly string[] {
    return [...this.#entries].flatMap(([key, entry]) => {
      if (!isOutstanding(entry)) return [];
      const inHand = [...entry.inHand].map(
        ({ retryCount, signal }) => `${retryCount}${signal.aborted ? " (told to stop)" : ""}`,
      );
      return [`${key}: delivered under leases [${[...entry.seen]}], in hand under [${inHand}]`];
    });
  }

  /** How many were acknowledged. */
  get acknowledged(): number {
    return [...this.#entries.values()].filter((entry) => entry.acknowledgedUnder !== undefined).length;
  }

  /** A message is about to be published. */
  publishing(key: string): void {
    this.#entries.set(key, {
      published: false,
      acknowledgedUnder: undefined,
      unclearUnder: undefined,
      inHand: new Set(),
      seen: new Set(),
    });
  }

  /** The broker has it. */
  published(key: string): void {
    this.#entries.get(key)!.published = true;
  }

  /** A handler begins. */
  began(delivery: SeenDelivery): void {
    const { key, retryCount } = delivery;
    const entry = this.#entries.get(key);
    if (entry === undefined) return void this.#complaints.push(`${key}: nobody published it`);
    if (entry.seen.has(retryCount)) this.#complaints.push(`${key}: lease ${retryCount} was delivered twice`);
    const { acknowledgedUnder = retryCount } = entry;
    // An older lease may come late to its handler, but none was given after the acknowledgement.
    if (retryCount > acknowledgedUnder) {
      this.#complaints.push(
        `${key}: lease ${retryCount} came after it was acknowledged under ${acknowledgedUnder}`,
      );
    }
    for (const other of entry.inHand) this.#watch(entry, other, delivery);
    // It came again, so the broker had not taken it.
    if (retryCount > (entry.unclearUnder ?? retryCount)) entry.unclearUnder = undefined;
    entry.seen.add(retryCount);
    entry.inHand.add(delivery);
  }

  /** A holder whose lease has ended is told so by a timer, and a busy event loop may hand the message to the next one before that. */
  #watch({ inHand }: Entry, first: SeenDelivery, second: SeenDelivery): void {
    const holds = (delivery: SeenDelivery) => inHand.has(delivery) && !delivery.signal.aborted;
    const look = () => {
      if (!holds(first) || !holds(second)) return;
      const leases = `${first.retryCount} and ${second.retryCount}`;
      this.#complaints.push(`${first.key}: leases ${leases} are held at once`);
    };
    if (holds(first)) setTimeout(look, TOLD_MS).unref();
  }

  /** Its handler has ended. */
  ended(delivery: SeenDelivery): void {
    this.#entries.get(delivery.key)?.inHand.delete(delivery);
  }

  /** Nobody answered its acknowledgement. */
  unclear({ key, retryCount }: SeenDelivery): void {
    const entry = this.#entries.get(key)!;
    // A later delivery has shown already that it was not taken.
    if ([...entry.seen].every((other) => other <= retryCount)) entry.unclearUnder = retryCount;
  }

  /** The broker took its acknowledgement. */
  settled(delivery: SeenDelivery): void {
    const entry = this.#entries.get(delivery.key)!;
    if (entry.acknowledgedUnder !== undefined) {
      this.#complaints.push(`${delivery.key}: was acknowledged twice`);
    }
    entry.acknowledgedUnder = delivery.retryCount;
  }
}
