import type { MessagePort } from "node:worker_threads";
import type { ClockReading } from "@pullqueue/core";
import type { TransportSettings } from "./options.js";
import type { LeaseTerms, LeaseTicket } from "./transport.js";

/** What the event loop and the thread that stands by for it say to each other: plain data. */

/** What the thread is started with. */
export interface RenewalThreadData {
  readonly transport: TransportSettings;
  /** Tokens are told as they come, because what makes them lives with the event loop. */
  readonly isToldTokens: boolean;
  readonly clock: ClockReading;
  readonly port: MessagePort;
}

/** A lease that is to be kept. */
export interface KeptTicket extends LeaseTerms {
  readonly id: number;
  readonly ticket: LeaseTicket;
  readonly leaseEndsAtUs: number;
}

/** Leases that came together. The id of each is that of the first and its place. */
export interface TicketSheet {
  readonly firstId: number;
  /** A `LeaseSheet`. */
  readonly shared: SharedArrayBuffer;
  /** A list of tickets as JSON, which nobody reads unless the event loop is blocked: most leases are over long before. */
  readonly tickets: string;
}

/** What the event loop says. */
export interface ToRenewalThread {
  /** New leases. */
  readonly sheets?: readonly TicketSheet[];
  /** Known ones that the event loop has just renewed. */
  readonly kept?: readonly KeptTicket[];
  /** Sheets on which all is over, by their first ids. */
  readonly done?: readonly number[];
  /** The id of one that is over, to be answered when no renewal of it is on its way any more. */
  readonly quiet?: number;
  readonly token?: string;
  /** Close what is open, and end. */
  readonly close?: true;
}

/** What the thread says. */
export interface FromRenewalThread {
  /** It has reached its broker, and can renew. */
  readonly isReady?: true;
  /** A lease that was renewed. */
  readonly renewed?: Pick<KeptTicket, "id" | "ticket" | "leaseEndsAtUs">;
  /** The answer to `quiet`. */
  readonly quiet?: number;
}
