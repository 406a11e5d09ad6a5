/** One lease as the line of a client told it. */
export interface ToldLease {
  /** `producer:number`. */
  readonly key: string;
  readonly retryCount: number;
  /** Microseconds since the epoch, by the server's clock. */
  readonly startUs: number;
  readonly endUs: number;
}

/** What is known of a task, as bits. */
const SENT = 1;
const STORED = 2;
const DELETING = 4;
const DELETED = 8;
const LEASED = 16;

/** Complaints that are kept; one defect makes thousands. */
const COMPLAINTS_MAX = 20;

/** The tasks of one producer, by their number: a long soak has millions, so two bytes for each. */
interface Sequence {
  known: Uint8Array;
  /** The retry count of the lease under which it was deleted; 255 stands for more. */
  deletedUnder: Uint8Array;
  length: number;
}

/**
 * What the clients of a soak told before they were killed, and where the server contradicts it. Lines of one client come
 * in order; those of two may overtake each other, so leases are compared by their times and not by when they were told, and
 * a task may be leased before its insert is told.
 */
export class SoakLedger {
  readonly #sequences = new Map<string, Sequence>();
  readonly #live = new Map<string, ToldLease[]>();
  /** Of deleted tasks, since the last `settle` and before: lines about them may still come. */
  #young = new Map<string, ToldLease[]>();
  #old = new Map<string, ToldLease[]>();
  readonly #complaints: string[] = [];
  #stored = 0;
  #deleted = 0;
  #complaintCount = 0;

  /** Tasks whose insert was acknowledged. */
  get stored(): number {
    return this.#stored;
  }

  /** Tasks whose delete was acknowledged. */
  get deleted(): number {
    return this.#deleted;
  }

  /** What the server did wrong: the first complaints, and how many there are. */
  get complaints(): readonly string[] {
    const more = this.#complaintCount - this.#complaints.length;
    return more === 0 ? this.#complaints : [...this.#complaints, `and ${more} more`];
  }

  /** Inserts of the numbers from `from` to below `to` are about to be sent. */
  sending(producer: string, from: number, to: number): void {
    const { known } = this.#sequenceOf(producer, to);
    for (let number = from; number < to; number++) known[number]! |= SENT;
  }

  /** They were acknowledged. */
  sent(producer: string, from: number, to: number): void {
    const { known } = this.#sequenceOf(producer, to);
    for (let number = from; number < to; number++) known[number]! |= STORED;
    this.#stored += to - from;
  }

  /** A task was handed out. */
  leased(lease: ToldLease): void {
    const { sequence, number } = this.#find(lease.key);
    sequence.known[number]! |= LEASED;
    if ((sequence.known[number]! & DELETED) !== 0 && lease.retryCount > sequence.deletedUnder[number]!) {
      this.#complain(lease.key, `was leased again (${lease.retryCount}) after its delete`);
      return;
    }
    const leases = this.#leasesOf(lease.key) ?? [];
    if (leases.some(({ retryCount }) => retryCount === lease.retryCount)) {
      this.#complain(lease.key, `its lease ${lease.retryCount} was given twice`);
      return;
    }
    if (leases.length === 0) this.#live.set(lease.key, leases);
    leases.push(lease);
  }

  /** A lease is about to be given back: it may end now. */
  releasing(key: string, retryCount: number): void {
    const leases = this.#leasesOf(key) ?? [];
    const index = leases.findIndex((lease) => lease.retryCount === retryCount);
    if (index >= 0) leases[index] = { ...leases[index]!, endUs: 0 };
  }

  /** A delete is about to be sent. */
  deleting(key: string): void {
    const { sequence, number } = this.#find(key);
    sequence.known[number]! |= DELETING;
  }

  /** A delete under this lease was acknowledged. */
  removed(key: string, retryCount: number): void {
    const { sequence, number } = this.#find(key);
    if ((sequence.known[number]! & DELETED) !== 0) this.#complain(key, "was deleted twice");
    sequence.known[number]! |= DELETED;
    sequence.deletedUnder[number] = Math.min(retryCount, 255);
    this.#deleted += 1;
    this.#young.set(key, this.#live.get(key) ?? []);
    this.#live.delete(key);
  }

  /** To be called every few seconds: compares the leases of tasks that were deleted before the last time, and forgets them. */
  settle(): void {
    for (const leases of this.#old.values()) this.#compare(leases);
    this.#old = this.#young;
    this.#young = new Map();
  }

  /** All is over and the queue is empty: whatever was stored and never deleted is lost. */
  finish(): void {
    this.settle();
    this.settle();
    for (const leases of this.#live.values()) this.#compare(leases);
    for (const [producer, { known, length }] of this.#sequences) {
      for (let number = 0; number < length; number++) {
        const has = (bit: number) => (known[number]! & bit) !== 0;
        if (has(STORED) && !has(DELETING))
          this.#complain(`${producer}:${number}`, "was acknowledged and is lost");
        if (has(LEASED) && !has(SENT))
          this.#complain(`${producer}:${number}`, "was leased and never inserted");
      }
    }
  }

  #leasesOf(key: string): ToldLease[] | undefined {
    return this.#live.get(key) ?? this.#young.get(key) ?? this.#old.get(key);
  }

  /** No two holders at once. */
  #compare(leases: readonly ToldLease[]): void {
    const sorted = leases.length < 2 ? leases : [...leases].sort((a, b) => a.retryCount - b.retryCount);
    for (let index = 1; index < sorted.length; index++) {
      const [before, after] = [sorted[index - 1]!, sorted[index]!];
      if (after.startUs >= before.endUs) continue;
      const earlyMs = (before.endUs - after.startUs) / 1000;
      this.#complain(
        after.key,
        `lease ${after.retryCount} began ${earlyMs} ms before the one before it ended`,
      );
    }
  }

  #find(key: string): { readonly sequence: Sequence; readonly number: number } {
    const colon = key.indexOf(":");
    const number = Number(key.slice(colon + 1));
    return { sequence: this.#sequenceOf(key.slice(0, colon), number + 1), number };
  }

  #sequenceOf(producer: string, length: number): Sequence {
    let sequence = this.#sequences.get(producer);
    if (sequence === undefined) {
      sequence = { known: new Uint8Array(1024), deletedUnder: new Uint8Array(1024), length: 0 };
      this.#sequences.set(producer, sequence);
    }
    if (sequence.known.length < length) {
      sequence.known = grown(sequence.known, length);
      sequence.deletedUnder = grown(sequence.deletedUnder, length);
    }
    sequence.length = Math.max(sequence.length, length);
    return sequence;
  }

  #complain(key: string, what: string): void {
    this.#complaintCount += 1;
    if (this.#complaints.length < COMPLAINTS_MAX) this.#complaints.push(`${key} ${what}`);
  }
}

function grown(bytes: Uint8Array, length: number): Uint8Array {
  const larger = new Uint8Array(Math.max(length, bytes.length * 2));
  larger.set(bytes);
  return larger;
}
