import { decodePayload } from "@pullqueue/core";
import type { RestTask } from "../rest-client.js";

/** What is known about something that was asked for: no answer came (yet), it was answered 200, or it is known not to be. */
type Knowledge = "unclear" | "yes" | "no";

/** One lease as its holder knows it. The server may have moved its end further without the answer having come. */
export interface HeldLease {
  readonly id: string;
  readonly retryCount: number;
  /** Microseconds since the epoch, by the server's clock. */
  readonly startUs: number;
  readonly endUs: number;
}

/** Everything known about one task. */
interface Entry {
  readonly key: string;
  readonly payload: string;
  id: string | undefined;
  inserted: Knowledge;
  deleted: Knowledge;
  /** The step at which the answer to its delete had come. */
  deletedAt: number;
  /** By retry count. */
  readonly leases: Map<number, HeldLease>;
}

/** Less than this before its end a lease counts as ended: the time that a call may be on its way, in microseconds. */
const NEARLY_ENDED_US = 500_000;

/**
 * The truth as the clients of a server know it from its answers, and the complaints where the server contradicts
 * itself. Tasks are told apart by their payload, because an insert whose answer was lost has no id.
 */
export class Ledger {
  readonly #complaints: string[] = [];
  readonly #byKey = new Map<string, Entry>();
  readonly #byId = new Map<string, Entry>();
  #step = 0;

  /** What the server did wrong so far. */
  get complaints(): readonly string[] {
    return this.#complaints;
  }

  /** How many tasks are there for certain. */
  get size(): number {
    return [...this.#byKey.values()].filter(({ inserted, deleted }) => inserted === "yes" && deleted === "no")
      .length;
  }

  /** A step of this ledger's own time; larger means later. */
  now(): number {
    return ++this.#step;
  }

  /** An insert is about to be sent. */
  inserting(key: string, payload: string): void {
    const leases = new Map<number, HeldLease>();
    this.#byKey.set(key, {
      key,
      payload,
      id: undefined,
      inserted: "unclear",
      deleted: "no",
      deletedAt: 0,
      leases,
    });
  }

  /** An insert was acknowledged. */
  inserted(key: string, id: string): void {
    const entry = this.#byKey.get(key)!;
    if (entry.id !== undefined && entry.id !== id) this.#complain(entry, `was answered with the id ${id}`);
    entry.id = id;
    entry.inserted = "yes";
    this.#byId.set(id, entry);
  }

  /** A lease for `leaseUs`, sent at the step `askedAt`, was answered. Returns what is held now. */
  leased(tasks: readonly RestTask[], leaseUs: number, askedAt: number): HeldLease[] {
    return tasks.flatMap((task) => {
      const entry = this.#recognize(task);
      if (entry === undefined) return [];
      if (entry.deleted === "yes" && askedAt > entry.deletedAt)
        this.#complain(entry, "was leased after its delete");
      const endUs = Number(task.leaseTimestamp);
      const held = { id: task.id, retryCount: task.retry_count, startUs: endUs - leaseUs, endUs };
      if (entry.leases.has(held.retryCount))
        this.#complain(entry, `lease ${held.retryCount} was given twice`);
      entry.leases.set(held.retryCount, held);
      return [held];
    });
  }

  /** A renewal was acknowledged. Returns what is held now. */
  renewed(held: HeldLease, endUs: number): HeldLease {
    const renewed = { ...held, endUs };
    this.#byId.get(held.id)!.leases.set(held.retryCount, renewed);
    return renewed;
  }

  /** A lease is about to be given back: from now on it may have ended. */
  releasing(held: HeldLease): void {
    this.#byId.get(held.id)!.leases.set(held.retryCount, { ...held, endUs: held.startUs });
  }

  /** A delete is about to be sent. */
  deleting(id: string): void {
    const entry = this.#byId.get(id)!;
    if (entry.deleted === "no") entry.deleted = "unclear";
  }

  /** A delete was acknowledged. */
  deleted(id: string): void {
    const entry = this.#byId.get(id)!;
    entry.deleted = "yes";
    entry.deletedAt = this.now();
  }

  /**
   * A holder was refused a renewal, a delete or a release, at `nowUs` of the server's clock, with this answer. A release that is repeated
   * because its answer was lost is rightly refused when it was done and somebody else has the task.
   */
  refused(held: HeldLease, answer: string, nowUs: number): void {
    const entry = this.#byId.get(held.id)!;
    if (entry.deleted === "unclear") entry.deleted = "no";
    const { endUs } = entry.leases.get(held.retryCount) ?? held;
    const isLive = endUs - nowUs > NEARLY_ENDED_US;
    if (isLive) this.#complain(entry, `its holder was refused (${answer}) within the lease`);
  }

  /** Compares with all tasks, payloads included, that a restarted server has while nobody talks to it. */
  restarted(tasks: readonly RestTask[]): void {
    const shown = new Map(tasks.map((task) => [this.#recognize(task), task]));
    for (const entry of this.#byKey.values()) {
      const task = shown.get(entry);
      if (task === undefined) this.#settleMissing(entry);
      else this.#settleShown(entry, task);
    }
    if (shown.size < tasks.length) {
      this.#complaints.push(`${tasks.length} tasks are shown, but only ${shown.size} differ`);
    }
  }

  /** Compares all leases with each other. */
  compareLeases(): void {
    for (const entry of this.#byKey.values()) {
      const leases = [...entry.leases.values()].sort((a, b) => a.retryCount - b.retryCount);
      for (const [index, lease] of leases.entries()) {
        const before = leases[index - 1];
        if (before === undefined || lease.startUs >= before.endUs) continue;
        const early = (before.endUs - lease.startUs) / 1000;
        this.#complain(
          entry,
          `lease ${lease.retryCount} began ${early} ms before lease ${before.retryCount} ended`,
        );
      }
    }
  }

  /** The entry of a task that the server shows; complains about strangers and torn payloads. */
  #recognize(task: RestTask): Entry | undefined {
    const payload = task.payloadBase64 ?? "";
    const key = keyOf(payload);
    const entry = this.#byKey.get(key);
    if (entry === undefined || entry.payload !== payload) {
      const what = `a torn or unknown payload of ${payload.length} characters, key "${key}"`;
      this.#complaints.push(`task ${task.id}: ${what}`);
      return undefined;
    }
    if (entry.id !== undefined && entry.id !== task.id) this.#complain(entry, `is there again as ${task.id}`);
    if (entry.inserted === "no") this.#complain(entry, "was not there after a restart, and now is");
    entry.id ??= task.id;
    entry.inserted = "yes";
    this.#byId.set(task.id, entry);
    return entry;
  }

  /** The server has no such task: fine when it was deleted or never known to be there, and settled from now on. */
  #settleMissing(entry: Entry): void {
    if (entry.deleted !== "no") entry.deleted = "yes";
    else if (entry.inserted === "yes") this.#complain(entry, "was acknowledged and is missing");
    else entry.inserted = "no";
  }

  /** The server has the task: fine unless it was deleted or its lease has been forgotten. */
  #settleShown(entry: Entry, task: RestTask): void {
    if (entry.deleted === "yes") this.#complain(entry, "was deleted and is back");
    entry.deleted = "no";
    const last = Math.max(0, ...entry.leases.keys());
    if (task.retry_count < last) {
      this.#complain(entry, `lease ${last} was forgotten: retry_count is ${task.retry_count}`);
    }
    const lease = entry.leases.get(task.retry_count);
    if (lease !== undefined && Number(task.leaseTimestamp) < lease.endUs) {
      this.#complain(entry, `lease ${task.retry_count} ends earlier than was acknowledged`);
    }
  }

  #complain(entry: Entry, what: string): void {
    this.#complaints.push(`${entry.key} (id ${entry.id ?? "unknown"}): ${what}`);
  }
}

/** A payload that names itself: the key, a colon, and bytes that nobody else has. */
export function payloadFor(key: string, noise: Uint8Array): Uint8Array {
  return Buffer.concat([Buffer.from(`${key}:`), noise]);
}

function keyOf(payloadBase64: string): string {
  const text = Buffer.from(decodePayload(payloadBase64)).toString("latin1");
  return text.slice(0, Math.max(0, text.indexOf(":")));
}
