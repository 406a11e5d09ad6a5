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

/**
 * The truth as the clients of a server know it from its answers, and the complaints where the server contradicts
 * itself. Tasks are told apart by their payload, because an insert whose answer was lost has no id.
 */
export interface Ledger {
  readonly complaints: readonly string[];
  /** A step of this test's own time; larger means later. */
  now(): number;
  inserting(key: string, payload: string): void;
  inserted(key: string, id: string): void;
  /** `askedAt` is when the lease was sent. Returns what is held now. */
  leased(tasks: readonly RestTask[], leaseUs: number, askedAt: number): HeldLease[];
  renewed(held: HeldLease, endUs: number): HeldLease;
  deleting(id: string): void;
  deleted(id: string): void;
  /** A holder was refused a renewal or a delete, with this answer. */
  refused(held: HeldLease, why: string, nowUs: number): void;
  /** How many tasks are there for certain. */
  size(): number;
  /** Compares with all tasks, payloads included, that a restarted server has while nobody talks to it. */
  restarted(tasks: readonly RestTask[]): void;
  /** Compares all leases with each other. */
  compareLeases(): void;
}

/** Less than this before its end a lease counts as ended: the time that a call may be on its way, in microseconds. */
const NEARLY_ENDED_US = 500_000;

/** A new ledger, in which nothing is known. */
export function ledger(): Ledger {
  const complaints: string[] = [];
  const entries = new Map<string, Entry>();
  const byId = new Map<string, Entry>();
  let step = 0;
  const now = () => ++step;
  const complain = (entry: Entry | undefined, what: string) =>
    void complaints.push(`${entry?.key ?? "a task"} (id ${entry?.id ?? "unknown"}): ${what}`);

  /** The entry of a task that the server shows; complains about strangers and torn payloads. */
  const recognize = (task: RestTask): Entry | undefined => {
    const payload = task.payloadBase64 ?? "";
    const key = keyOf(payload);
    const entry = entries.get(key);
    if (entry === undefined || entry.payload !== payload) {
      complaints.push(
        `task ${task.id}: a torn or unknown payload of ${payload.length} characters, key "${key}"`,
      );
      return undefined;
    }
    if (entry.id !== undefined && entry.id !== task.id) complain(entry, `is there again as ${task.id}`);
    if (entry.inserted === "no") complain(entry, "was not there after a restart, and now is");
    entry.id ??= task.id;
    entry.inserted = "yes";
    byId.set(task.id, entry);
    return entry;
  };
  return {
    complaints,
    now,
    size: () =>
      [...entries.values()].filter((entry) => entry.inserted === "yes" && entry.deleted === "no").length,
    inserting(key, payload) {
      const leases = new Map<number, HeldLease>();
      entries.set(key, {
        key,
        payload,
        id: undefined,
        inserted: "unclear",
        deleted: "no",
        deletedAt: 0,
        leases,
      });
    },
    inserted(key, id) {
      const entry = entries.get(key)!;
      if (entry.id !== undefined && entry.id !== id) complain(entry, `was answered with the id ${id}`);
      entry.id = id;
      entry.inserted = "yes";
      byId.set(id, entry);
    },
    leased: (tasks, leaseUs, askedAt) =>
      tasks.flatMap((task) => {
        const entry = recognize(task);
        if (entry === undefined) return [];
        if (entry.deleted === "yes" && askedAt > entry.deletedAt)
          complain(entry, "was leased after its delete");
        const endUs = Number(task.leaseTimestamp);
        const held = { id: task.id, retryCount: task.retry_count, startUs: endUs - leaseUs, endUs };
        if (entry.leases.has(held.retryCount)) complain(entry, `lease ${held.retryCount} was given twice`);
        entry.leases.set(held.retryCount, held);
        return [held];
      }),
    renewed(held, endUs) {
      const renewed = { ...held, endUs };
      byId.get(held.id)!.leases.set(held.retryCount, renewed);
      return renewed;
    },
    deleting(id) {
      const entry = byId.get(id)!;
      if (entry.deleted === "no") entry.deleted = "unclear";
    },
    deleted(id) {
      const entry = byId.get(id)!;
      entry.deleted = "yes";
      entry.deletedAt = now();
    },
    refused(held, why, nowUs) {
      const entry = byId.get(held.id)!;
      if (entry.deleted === "unclear") entry.deleted = "no";
      if (held.endUs - nowUs > NEARLY_ENDED_US)
        complain(entry, `its holder was refused (${why}) within the lease`);
    },
    restarted(tasks) {
      const shown = new Map(tasks.map((task) => [recognize(task), task]));
      for (const entry of entries.values()) {
        const task = shown.get(entry);
        if (task === undefined) settleMissing(entry, complain);
        else settleShown(entry, task, complain);
      }
      if (shown.size < tasks.length)
        complaints.push(`${tasks.length} tasks are shown, but only ${shown.size} differ`);
    },
    compareLeases() {
      for (const entry of entries.values()) {
        const leases = [...entry.leases.values()].sort((a, b) => a.retryCount - b.retryCount);
        for (const [index, lease] of leases.entries()) {
          const before = leases[index - 1];
          if (before === undefined || lease.startUs >= before.endUs) continue;
          const early = (before.endUs - lease.startUs) / 1000;
          complain(
            entry,
            `lease ${lease.retryCount} began ${early} ms before lease ${before.retryCount} ended`,
          );
        }
      }
    },
  };
}

/** A payload that names itself: the key, a colon, and bytes that nobody else has. */
export function payloadFor(key: string, noise: Uint8Array): Uint8Array {
  return Buffer.concat([Buffer.from(`${key}:`), noise]);
}

function keyOf(payloadBase64: string): string {
  const text = Buffer.from(decodePayload(payloadBase64)).toString("latin1");
  return text.slice(0, Math.max(0, text.indexOf(":")));
}

type Complain = (entry: Entry, what: string) => void;

/** The server has no such task: fine when it was deleted or never known to be there, and settled from now on. */
function settleMissing(entry: Entry, complain: Complain): void {
  if (entry.deleted !== "no") entry.deleted = "yes";
  else if (entry.inserted === "yes") complain(entry, "was acknowledged and is missing");
  else entry.inserted = "no";
}

/** The server has the task: fine unless it was deleted or its lease has been forgotten. */
function settleShown(entry: Entry, task: RestTask, complain: Complain): void {
  if (entry.deleted === "yes") complain(entry, "was deleted and is back");
  entry.deleted = "no";
  const last = Math.max(0, ...entry.leases.keys());
  if (task.retry_count < last)
    complain(entry, `lease ${last} was forgotten: retry_count is ${task.retry_count}`);
  const lease = entry.leases.get(task.retry_count);
  if (lease !== undefined && Number(task.leaseTimestamp) < lease.endUs) {
    complain(entry, `lease ${task.retry_count} ends earlier than was acknowledged`);
  }
}
