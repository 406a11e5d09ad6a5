// The thread that renews leases while the event loop of its connection is blocked. `renewal-thread.ts` starts it.
import { workerData } from "node:worker_threads";
import { clockOfReading, randomFraction } from "@pullqueue/core";
import { LeaseKeeper } from "./lease-keeper.js";
import { RENEW_BLOCKED_LEASES, RENEW_STANDBY_SHARE, RENEW_THREAD_OPENING_MS } from "./limits.js";
import type {
  FromRenewalThread,
  KeptTicket,
  RenewalThreadData,
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
  renewal: Promise<void> | undefined;

  constructor({ id, ticket, leaseEndsAtUs, lengthUs }: KeptTicket) {
    this.delivery = { deliveryTag: String(id), leaseEndsAtUs };
    this.ticket = ticket;
    this.lengthUs = lengthUs;
  }

  /** Whoever is to stop is told by the event loop, when it runs again and asks the broker. */
  interrupt(): void {}

  lose(): void {}
}

const { transport: settings, isToldTokens, clock: reading, port } = workerData as RenewalThreadData;
const clock = clockOfReading(reading);
const tokens = isToldTokens ? new ToldTokens() : undefined;
const leases = new Map<number, RemoteLease>();
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

function renew(lease: RemoteLease): Promise<void> {
  const renewal = renewNow(lease);
  lease.renewal = renewal;
  return renewal;
}

async function renewNow(lease: RemoteLease): Promise<void> {
  const broker = await opened();
  // Counted from before the call, so that the end is never later here than at the broker.
  const fromUs = clock.nowUs();
  lease.ticket = await broker.renew!(lease.ticket);
  const leaseEndsAtUs = fromUs + lease.lengthUs;
  lease.delivery.leaseEndsAtUs = Math.max(lease.delivery.leaseEndsAtUs, leaseEndsAtUs);
  say({ renewed: { id: Number(lease.delivery.deliveryTag), ticket: lease.ticket, leaseEndsAtUs } });
}

function keep(kept: KeptTicket): void {
  const { id, ticket, leaseEndsAtUs, lengthUs } = kept;
  const lease = leases.get(id) ?? new RemoteLease(kept);
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

port.on("message", ({ kept = [], dropped = [], quiet: quieted, token, close: isEnd }: ToRenewalThread) => {
  if (token !== undefined) tokens?.tell(token);
  for (const one of kept) keep(one);
  for (const id of dropped) drop(id);
  if (quieted !== undefined) void quiet(quieted);
  if (isEnd === true) void close();
});

// At once, because a first use when the event loop is blocked already may come too late. Who needs it tries again.
opened().catch(() => {});
