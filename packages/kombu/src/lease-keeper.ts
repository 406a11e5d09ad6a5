import type { Clock } from "@pullqueue/core";
import { KombuError } from "./errors.js";
import { RENEW_DUE_SHARE, RENEW_EARLIER_SHARE, RENEW_RETRY_SHARE } from "./limits.js";
import { Lineup, type Standing } from "./lineup.js";
import type { Lease, LeaseStandby, LeaseTerms } from "./transport.js";

/** Whoever has a message whose lease is to be kept. */
export interface LeaseHolder {
  readonly delivery: Lease;
  /** Work on the message should stop; it can still be settled. */
  interrupt(reason: KombuError): void;
  /** Somebody else may have the message. */
  lose(error: KombuError): void;
  /** For its keeper alone. */
  kept?: unknown;
}

/** What keeps leases. */
export interface LeaseKeeperOptions<H extends LeaseHolder> {
  readonly clock: Clock;
  /** Renews a lease now, and moves its `leaseEndsAtUs`. */
  readonly extend: (holder: H) => Promise<void>;
  /** Hears what is kept. Default: nobody. */
  readonly standby?: LeaseStandby | undefined;
  /** Longest time one message is kept, in milliseconds. Default: as long as it is held. */
  readonly holdMsMax?: number | undefined;
  /** How much of a lease may be over when it is renewed, from 0 to 1. Default `RENEW_DUE_SHARE`. */
  readonly dueShare?: number;
}

/** A lease that is being kept. */
interface KeptLease<H> extends LeaseTerms {
  readonly holder: H;
  /** When a renewal is due. */
  dueUs: number;
  isRenewing: boolean;
}

const US_PER_MS = 1000;

/**
 * Renews the leases of all messages in our hands, so that a handler may take its time. One timer stands for the lease that is
 * due first; whatever is not far from being due is renewed along with it, and a store makes one call of them.
 */
export class LeaseKeeper<H extends LeaseHolder> {
  readonly #clock: Clock;
  readonly #extend: (holder: H) => Promise<void>;
  readonly #standby: LeaseStandby | undefined;
  readonly #holdUsMax: number;
  readonly #dueShare: number;
  readonly #kept = new Lineup<KeptLease<H>>();
  #timer: { readonly dueUs: number; readonly cancel: () => void } | undefined;

  constructor({ clock, extend, standby, holdMsMax, dueShare = RENEW_DUE_SHARE }: LeaseKeeperOptions<H>) {
    this.#clock = clock;
    this.#extend = extend;
    this.#standby = standby;
    this.#holdUsMax = holdMsMax === undefined ? Number.POSITIVE_INFINITY : holdMsMax * US_PER_MS;
    this.#dueShare = dueShare;
  }

  /** Begins to renew. A lease that never ends needs nothing. Default terms: it began now, and is kept for as long as it may. */
  keep(holder: H, terms?: LeaseTerms, nowUs = this.#clock.nowUs()): void {
    const { leaseEndsAtUs } = holder.delivery;
    if (leaseEndsAtUs === undefined) return;
    const { lengthUs = Math.max(0, leaseEndsAtUs - nowUs), untilUs = nowUs + this.#holdUsMax } = terms ?? {};
    const lease = { holder, lengthUs, untilUs, dueUs: 0, isRenewing: false };
    this.#kept.leave(standingOf(holder));
    holder.kept = this.#kept.enter(lease);
    this.#renewed(lease);
  }

  /** The same for leases that came together. */
  keepAll(holders: readonly H[]): void {
    const nowUs = this.#clock.nowUs();
    for (const holder of holders) this.keep(holder, undefined, nowUs);
  }

  /** Stops renewing. */
  drop(holder: H): void {
    if (!this.#kept.leave(standingOf(holder))) return;
    this.#standby?.drop(holder.delivery);
    if (this.#kept.size === 0) this.#sleep();
  }

  /** A lease has a new end: it is due again when its share of the length is over, or the longest time that it may be held. */
  #renewed(lease: KeptLease<H>): void {
    const { lengthUs, untilUs, holder } = lease;
    lease.dueUs = Math.min(endUs(lease) - lengthUs * (1 - this.#dueShare), untilUs);
    this.#standby?.keep(holder.delivery, lease);
    this.#wakeAt(lease.dueUs);
  }

  #wakeAt(dueUs: number): void {
    if (this.#timer !== undefined && this.#timer.dueUs <= dueUs) return;
    this.#sleep();
    const delayMs = Math.max(0, dueUs - this.#clock.nowUs()) / US_PER_MS;
    this.#timer = { dueUs, cancel: this.#clock.timer(delayMs, () => this.#wake()) };
  }

  #sleep(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
  }

  #wake(): void {
    this.#timer = undefined;
    // After a time without the event loop, leases may be better off than we know.
    this.#standby?.refresh();
    const nowUs = this.#clock.nowUs();
    for (const lease of this.#kept) {
      if (lease.isRenewing) {
        if (nowUs >= endUs(lease)) this.#giveUpLost(lease); // No answer will come in time.
      } else if (nowUs >= lease.untilUs) this.#giveUp(lease);
      else if (nowUs >= lease.dueUs - lease.lengthUs * RENEW_EARLIER_SHARE) void this.#renew(lease);
    }
    this.#wakeForNext();
  }

  #wakeForNext(): void {
    let nextUs = Number.POSITIVE_INFINITY;
    for (const lease of this.#kept) {
      nextUs = Math.min(nextUs, lease.isRenewing ? endUs(lease) : lease.dueUs);
    }
    if (nextUs !== Number.POSITIVE_INFINITY) this.#wakeAt(nextUs);
  }

  /** Never rejects: nobody awaits it. */
  async #renew(lease: KeptLease<H>): Promise<void> {
    const isKept = () => {
      const standing = standingOf(lease.holder);
      return standing?.isIn === true && standing.item === lease;
    };
    lease.isRenewing = true;
    try {
      await this.#extend(lease.holder);
      if (isKept()) this.#renewed(lease);
    } catch (error) {
      this.#notRenewed(lease, error);
    }
    lease.isRenewing = false;
    if (isKept()) this.#wakeAt(lease.dueUs);
  }

  /** Unclear renewals are tried again until the lease has certainly ended; then the handler is told to stop. */
  #notRenewed(lease: KeptLease<H>, error: unknown): void {
    const { holder, lengthUs } = lease;
    this.#standby?.refresh();
    const nowUs = this.#clock.nowUs();
    if (error instanceof KombuError && error.code === "lease_lost") {
      this.drop(holder);
      holder.lose(error);
    } else if (nowUs >= endUs(lease)) {
      this.#giveUpLost(lease, error);
    } else {
      lease.dueUs = Math.min(endUs(lease), nowUs + Math.max(US_PER_MS, lengthUs * RENEW_RETRY_SHARE));
    }
  }

  /** The lease has ended by our own clock, and no renewal is known to have arrived before. */
  #giveUpLost({ holder }: KeptLease<H>, cause?: unknown): void {
    this.drop(holder);
    holder.interrupt(notRenewedInTime(holder, cause));
  }

  /** The message was held for as long as it may be. Until its last lease ends, it can still be settled. */
  #giveUp({ holder }: KeptLease<H>): void {
    this.drop(holder);
    const heldMs = this.#holdUsMax / US_PER_MS;
    holder.interrupt(
      new KombuError(
        "timeout",
        `message ${holder.delivery.deliveryTag} was held for ${heldMs} ms (holdMsMax), and its lease is not renewed any more; finish it now, or raise holdMsMax`,
      ),
    );
  }
}

function standingOf<H extends LeaseHolder>(holder: H): Standing<KeptLease<H>> | undefined {
  return holder.kept as Standing<KeptLease<H>> | undefined;
}

function endUs({ holder }: KeptLease<LeaseHolder>): number {
  return holder.delivery.leaseEndsAtUs ?? Number.POSITIVE_INFINITY;
}

function notRenewedInTime({ delivery }: LeaseHolder, cause: unknown): KombuError {
  const text = `the lease of message ${delivery.deliveryTag} could not be renewed in time, so that somebody else may have it now; stop working on it`;
  return new KombuError("lease_lost", text, { cause });
}
