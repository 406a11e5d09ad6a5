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

/** A lease that is on no sheet yet. */
interface FreshLease {
  readonly lease: Lease;
  readonly line: KeptLine;
}

/**
 * The leases that the event loop keeps, on the sheets that it shares with the thread which stands by for it. A lease's `standbyId` is its id
 * there from 0 on; below that it is told where it waits to be put on a sheet, -1 being the first place.
 */
export class RenewalSheets {
  readonly #sheets = new Map<number, KeptSheet>();
  /** On no sheet yet. Undefined: dropped before that. */
  #fresh: (FreshLease | undefined)[] = [];
  #renewedIds = new Set<number>();
  #done: number[] = [];
  #nextId = 0;
  #size = 0;

  /** How many leases are on sheets. */
  get size(): number {
    return this.#size;
  }

  /** A new lease, or a known one that the event loop has renewed. */
  keep(lease: Lease, line: KeptLine): void {
    const { standbyId: id } = lease;
    const kept = id === undefined || id < 0 ? undefined : this.#sheetOf(id);
    if (id !== undefined && kept !== undefined) {
      kept.sheet.write(id % SHEET_LEASES_MAX, line);
      kept.tickets[id % SHEET_LEASES_MAX] = line.ticket;
      this.#renewedIds.add(id);
    } else if (id !== undefined && this.#fresh[-1 - id]?.lease === lease)
      this.#fresh[-1 - id] = { lease, line };
    else lease.standbyId = -this.#fresh.push({ lease, line });
  }

  /** A lease is over, which the other thread sees when it looks. Its id, if it was told of it. */
  drop(lease: Lease): number | undefined {
    const { standbyId: id } = lease;
    lease.standbyId = undefined;
    if (id === undefined) return undefined;
    if (id < 0) {
      this.#fresh[-1 - id] = undefined;
      return undefined;
    }
    const kept = this.#sheetOf(id);
    if (kept === undefined) return undefined;
    this.#size -= 1;
    this.#renewedIds.delete(id);
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
    this.#fresh = [];
    for (const { sheet, tickets, leases } of this.#sheets.values()) {
      leases.forEach((lease, index) => {
        if (lease !== undefined)
          this.#fresh.push({ lease, line: { ...sheet.read(index), ticket: tickets[index]! } });
      });
    }
    this.#fresh.push(...fresh);
    this.#size = 0;
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
    this.#size = 0;
    this.#sheets.clear();
    this.#fresh = [];
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
    if (this.#fresh.length === 0) return [];
    const fresh = this.#fresh.filter((one) => one !== undefined);
    this.#fresh = [];
    const sheets: TicketSheet[] = [];
    for (let start = 0; start < fresh.length; start += SHEET_LEASES_MAX) {
      sheets.push(this.#writeSheet(fresh.slice(start, start + SHEET_LEASES_MAX)));
    }
    return sheets;
  }

  #writeSheet(fresh: readonly FreshLease[]): TicketSheet {
    const firstId = this.#nextId;
    this.#nextId += SHEET_LEASES_MAX;
    const sheet = LeaseSheet.of(fresh.length);
    const tickets = fresh.map(({ line }) => line.ticket);
    const leases = fresh.map(({ lease }) => lease);
    fresh.forEach(({ lease, line }, index) => {
      sheet.write(index, line);
      lease.standbyId = firstId + index;
    });
    this.#size += fresh.length;
    this.#sheets.set(firstId, { firstId, sheet, tickets, leases, left: fresh.length });
    return { firstId, shared: sheet.shared, tickets: JSON.stringify(tickets) };
  }
}
