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
    return [...this.#entries.values()].filter(
      (entry) => entry.published && entry.acknowledgedUnder === undefined && entry.unclearUnder === undefined,
    ).length;
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
    for (const other of entry.inHand) {
      if (!other.signal.aborted && !delivery.signal.aborted) {
        this.#complaints.push(`${key}: leases ${other.retryCount} and ${retryCount} are held at once`);
      }
    }
    // It came again, so the broker had not taken it.
    if (retryCount > (entry.unclearUnder ?? retryCount)) entry.unclearUnder = undefined;
    entry.seen.add(retryCount);
    entry.inHand.add(delivery);
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
