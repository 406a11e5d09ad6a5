// The thread that renews leases while the event loop of its connection is blocked. `renewal-thread.ts` starts it.
import { workerData } from "node:worker_threads";
import { clockOfReading, randomFraction } from "@pullqueue/core";
import { LeaseKeeper } from "./lease-keeper.js";
import { LeaseSheet, SHEET_LEASES_MAX } from "./lease-sheet.js";
import { RENEW_BLOCKED_LEASES, RENEW_STANDBY_SHARE, RENEW_THREAD_OPENING_MS } from "./limits.js";
import type {
  FromRenewalThread,
  KeptTicket,
  RenewalThreadData,
  TicketSheet,
  ToRenewalThread,
} from "./renewal-messages.js";
import { ToldTokens } from "./renewal-tokens.js";
import type { LeaseTicket, Transport } from "./transport.js";
import { openTransport } from "./transport-registry.js";
import { forAtMost } from "./waiting.js";

/** A lease of the event loop's, as it is known here. */
class RemoteLease {
  readonly delivery: { readonly deliveryTag: string; leaseEndsAtUs: number };
  ticket: LeaseTicket;
  lengthUs: number;
  readonly sheet: LeaseSheet;
  renewal: Promise<void> | undefined;

  constructor({ id, ticket, leaseEndsAtUs, lengthUs }: KeptTicket, sheet: LeaseSheet) {
    this.sheet = sheet;
    this.delivery = { deliveryTag: String(id), leaseEndsAtUs };
    this.ticket = ticket;
    this.lengthUs = lengthUs;
  }

  get id(): number {
    return Number(this.delivery.deliveryTag);
  }

  /** Whether the event loop has settled or lost it. */
  get isOver(): boolean {
    return this.sheet.isOver(this.id % SHEET_LEASES_MAX);
  }

  /** Whoever is to stop is told by the event loop, when it runs again and asks the broker. */
  interrupt(): void {}

  lose(): void {}
}

/** A sheet whose leases are not watched one by one yet, or, without tickets, are. */
interface OpenSheet {
  readonly firstId: number;
  readonly sheet: LeaseSheet;
  tickets: string | undefined;
}

const US_PER_MS = 1000;

const { transport: settings, isToldTokens, clock: reading, port } = workerData as RenewalThreadData;
const clock = clockOfReading(reading);
const tokens = isToldTokens ? new ToldTokens() : undefined;
/** By first id. */
const sheets = new Map<number, OpenSheet>();
const leases = new Map<number, RemoteLease>();
/** The next look at the sheets. */
let planned: { readonly atUs: number; readonly cancel: () => void } | undefined;
const keeper = new LeaseKeeper<RemoteLease>({ clock, extend: renew, dueShare: RENEW_STANDBY_SHARE });
let opening: Promise<Transport> | undefined;
let transport: Transport | undefined;

/** Opened once; after a failure again, by the next who asks. */
function opened(): Promise<Transport> {
  opening ??= open().catch((error: unknown) => {
    opening = undefined;
    throw error;
  });
  return opening;
}

async function open(): Promise<Transport> {
  const target = tokens === undefined ? settings : tokens.into(settings);
  transport = await openTransport(target, { clock, random: randomFraction, isSystemTime: true });
  say({ isReady: true });
  return transport;
}

async function renew(lease: RemoteLease): Promise<void> {
  if (lease.isOver) return void drop(lease.id);
  lease.renewal = renewNow(lease);
  await lease.renewal;
}

async function renewNow(lease: RemoteLease): Promise<void> {
  const broker = await opened();
  // Counted from before the call, so that the end is never later here than at the broker.
  const fromUs = clock.nowUs();
  lease.ticket = await broker.renew!(lease.ticket);
  const leaseEndsAtUs = fromUs + lease.lengthUs;
  lease.delivery.leaseEndsAtUs = Math.max(lease.delivery.leaseEndsAtUs, leaseEndsAtUs);
  say({ renewed: { id: lease.id, ticket: lease.ticket, leaseEndsAtUs } });
}

function take({ firstId, shared, tickets }: TicketSheet): void {
  const sheet = LeaseSheet.at(shared);
  sheets.set(firstId, { firstId, sheet, tickets });
  lookAt(sheet.dueUs(RENEW_STANDBY_SHARE));
}

/** Nothing is done with leases before so much of one is over that the event loop should have renewed it or settled it. */
function look(): void {
  planned = undefined;
  for (const open of sheets.values()) {
    if (open.tickets === undefined) continue;
    // Asked anew, because the event loop may have renewed what it holds.
    const dueUs = open.sheet.dueUs(RENEW_STANDBY_SHARE);
    if (dueUs <= clock.nowUs()) watch(open, JSON.parse(open.tickets));
    else lookAt(dueUs);
  }
}

function lookAt(dueUs: number): void {
  if (dueUs === Number.POSITIVE_INFINITY || (planned !== undefined && planned.atUs <= dueUs)) return;
  planned?.cancel();
  const delayMs = Math.max(0, dueUs - clock.nowUs()) / US_PER_MS;
  planned = { atUs: dueUs, cancel: clock.timer(delayMs, look) };
}

/** Its leases are watched one by one from now on. */
function watch(open: OpenSheet, tickets: readonly LeaseTicket[]): void {
  open.tickets = undefined;
  tickets.forEach((ticket, index) => {
    const id = open.firstId + index;
    if (!open.sheet.isOver(index) && !leases.has(id)) keep({ id, ticket, ...open.sheet.read(index) });
  });
}

function keep(kept: KeptTicket): void {
  const { id, ticket, leaseEndsAtUs, lengthUs } = kept;
  const open = sheets.get(id - (id % SHEET_LEASES_MAX));
  if (open === undefined) return;
  const lease = leases.get(id) ?? new RemoteLease(kept, open.sheet);
  leases.set(id, lease);
  lease.ticket = ticket;
  lease.lengthUs = lengthUs;
  lease.delivery.leaseEndsAtUs = Math.max(lease.delivery.leaseEndsAtUs, leaseEndsAtUs);
  // From its last word on: an event loop that never comes back must not hold its messages for ever.
  const untilUs = Math.min(kept.untilUs, leaseEndsAtUs + lengthUs * (RENEW_BLOCKED_LEASES - 1));
  keeper.keep(lease, { lengthUs, untilUs });
}

function drop(id: number): RemoteLease | undefined {
  const lease = leases.get(id);
  leases.delete(id);
  if (lease !== undefined) keeper.drop(lease);
  return lease;
}

function forget(firstId: number): void {
  const open = sheets.get(firstId);
  sheets.delete(firstId);
  for (let index = 0; index < (open?.sheet.size ?? 0); index++) drop(firstId + index);
}

async function quiet(id: number): Promise<void> {
  await drop(id)?.renewal?.catch(() => {}); // Whether it succeeds is no matter.
  say({ quiet: id });
}

/** What is only being opened ends with the thread, when it has read its modules. */
async function close(): Promise<void> {
  for (const id of [...leases.keys()]) drop(id);
  const settled = opening?.then(
    () => {},
    () => {},
  );
  if (settled !== undefined) await forAtMost(clock, RENEW_THREAD_OPENING_MS, settled);
  await transport?.close().catch(() => {});
  process.exit(); // Of the thread alone.
}

function say(message: FromRenewalThread): void {
  port.postMessage(message);
}

port.on("message", (message: ToRenewalThread) => {
  const { sheets: fresh = [], kept = [], done = [], quiet: quieted, token, close: isEnd } = message;
  if (token !== undefined) tokens?.tell(token);
  for (const firstId of done) forget(firstId);
  for (const sheet of fresh) take(sheet);
  for (const one of kept) keep(one);
  if (quieted !== undefined) void quiet(quieted);
  if (isEnd === true) void close();
});

// At once, because a first use when the event loop is blocked already may come too late. Who needs it tries again.
opened().catch(() => {});
