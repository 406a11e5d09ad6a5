import { LeaseSheet, SHEET_LEASES_MAX, type SheetLine } from "./lease-sheet.js";
import type { FromRenewalThread, KeptTicket, TicketSheet, ToRenewalThread } from "./renewal-messages.js";
import type { Lease, LeaseTicket } from "./transport.js";

/** A lease that is kept, as its thread has to know it. */
interface KeptLine extends SheetLine {
  readonly ticket: LeaseTicket;
}

/** A sheet with what only this thread has to know. */
interface KeptSheet {
  readonly firstId: number;
  readonly sheet: LeaseSheet;
  readonly tickets: LeaseTicket[];
  /** Undefined where one is over. */
  readonly leases: (Lease | undefined)[];
  left: number;
}

/** The leases that the event loop keeps, on the sheets that it shares with the thread which stands by for it. */
export class RenewalSheets {
  readonly #ids = new Map<Lease, number>();
  readonly #sheets = new Map<number, KeptSheet>();
  /** On no sheet yet. */
  #fresh = new Map<Lease, KeptLine>();
  #renewedIds = new Set<number>();
  #done: number[] = [];
  #nextId = 0;

  /** How many leases are kept. */
  get size(): number {
    return this.#ids.size;
  }

  /** A new lease, or a known one that the event loop has renewed. */
  keep(lease: Lease, line: KeptLine): void {
    const id = this.#ids.get(lease);
    if (id === undefined) this.#fresh.set(lease, line);
    else {
      const { sheet, tickets } = this.#sheetOf(id)!;
      sheet.write(id % SHEET_LEASES_MAX, line);
      tickets[id % SHEET_LEASES_MAX] = line.ticket;
      this.#renewedIds.add(id);
    }
  }

  /** A lease is over, which the other thread sees when it looks. Its id, if it was told of it. */
  drop(lease: Lease): number | undefined {
    const id = this.#ids.get(lease);
    if (id === undefined) {
      this.#fresh.delete(lease);
      return undefined;
    }
    this.#ids.delete(lease);
    this.#renewedIds.delete(id);
    const kept = this.#sheetOf(id)!;
    kept.sheet.end(id % SHEET_LEASES_MAX);
    kept.leases[id % SHEET_LEASES_MAX] = undefined;
    kept.left -= 1;
    if (kept.left === 0) {
      this.#sheets.delete(kept.firstId);
      this.#done.push(kept.firstId);
    }
    return id;
  }

  /** What the other thread has to be told since it was told last. */
  news(): ToRenewalThread {
    const kept = [...this.#renewedIds].map((id) => this.#keptTicket(id));
    const done = this.#done;
    this.#renewedIds = new Set();
    this.#done = [];
    return { sheets: this.#writeFresh(), kept, done };
  }

  /** All that a new thread has to be told. */
  everything(): ToRenewalThread {
    const fresh = this.#fresh;
    this.#fresh = new Map();
    for (const { sheet, tickets, leases } of this.#sheets.values()) {
      leases.forEach((lease, index) => {
        if (lease !== undefined) this.#fresh.set(lease, { ...sheet.read(index), ticket: tickets[index]! });
      });
    }
    for (const [lease, line] of fresh) this.#fresh.set(lease, line);
    this.#ids.clear();
    this.#sheets.clear();
    this.#renewedIds.clear();
    this.#done = [];
    return { sheets: this.#writeFresh() };
  }

  /** A lease that the other thread has renewed; undefined if that is over. */
  renewed({ id, ticket, leaseEndsAtUs }: NonNullable<FromRenewalThread["renewed"]>): Lease | undefined {
    const kept = this.#sheetOf(id);
    const index = id % SHEET_LEASES_MAX;
    const lease = kept?.leases[index];
    if (kept === undefined || lease === undefined) return undefined;
    const endsAtUs = Math.max(lease.leaseEndsAtUs ?? 0, leaseEndsAtUs);
    lease.leaseEndsAtUs = endsAtUs;
    kept.sheet.write(index, { ...kept.sheet.read(index), leaseEndsAtUs: endsAtUs });
    kept.tickets[index] = ticket;
    return lease;
  }

  clear(): void {
    this.#ids.clear();
    this.#sheets.clear();
    this.#fresh.clear();
  }

  #sheetOf(id: number): KeptSheet | undefined {
    return this.#sheets.get(id - (id % SHEET_LEASES_MAX));
  }

  #keptTicket(id: number): KeptTicket {
    const { sheet, tickets } = this.#sheetOf(id)!;
    const index = id % SHEET_LEASES_MAX;
    return { id, ticket: tickets[index]!, ...sheet.read(index) };
  }

  #writeFresh(): readonly TicketSheet[] {
    if (this.#fresh.size === 0) return [];
    const fresh = [...this.#fresh];
    this.#fresh = new Map();
    const starts = Array.from(
      { length: Math.ceil(fresh.length / SHEET_LEASES_MAX) },
      (_, index) => index * SHEET_LEASES_MAX,
    );
    return starts.map((start) => this.#writeSheet(fresh.slice(start, start + SHEET_LEASES_MAX)));
  }

  #writeSheet(fresh: readonly (readonly [Lease, KeptLine])[]): TicketSheet {
    const firstId = this.#nextId;
    this.#nextId += SHEET_LEASES_MAX;
    const sheet = LeaseSheet.of(fresh.length);
    const tickets = fresh.map(([, { ticket }]) => ticket);
    const leases = fresh.map(([lease]) => lease);
    fresh.forEach(([lease, line], index) => {
      sheet.write(index, line);
      this.#ids.set(lease, firstId + index);
    });
    this.#sheets.set(firstId, { firstId, sheet, tickets, leases, left: fresh.length });
    return { firstId, shared: sheet.shared, tickets: JSON.stringify(tickets) };
  }
}
