import type { Clock } from "@pullqueue/core";
import { KombuError } from "./errors.js";
import type { Holding } from "./holding.js";
import { RENEW_DUE_SHARE, RENEW_EARLIEST_SHARE, RENEW_RETRY_SHARE } from "./limits.js";
import type { Transport } from "./transport.js";

/** A lease that is being kept. */
interface KeptLease {
  readonly holding: Holding;
  /** When we began to hold the message. */
  readonly sinceUs: number;
  readonly lengthUs: number;
  /** When a renewal is due. */
  dueUs: number;
  isRenewing: boolean;
}

const US_PER_MS = 1000;

/**
 * Renews the leases of all messages in our hands, so that a handler may take its time. One timer stands for the lease that is
 * due first; whatever is not far from being due is renewed along with it, and a store makes one call of them.
 */
export class LeaseKeeper {
  readonly #clock: Clock;
  readonly #transport: Transport;
  readonly #holdUsMax: number;
  readonly #kept = new Map<Holding, KeptLease>();
  #timer: { readonly dueUs: number; readonly cancel: () => void } | undefined;

  /** `holdMsMax`: longest time one message is kept, in milliseconds. Default: as long as it is held. */
  constructor(clock: Clock, transport: Transport, holdMsMax?: number) {
    this.#clock = clock;
    this.#transport = transport;
    this.#holdUsMax = holdMsMax === undefined ? Number.POSITIVE_INFINITY : holdMsMax * US_PER_MS;
  }

  /** Begins to renew. A delivery whose lease never ends needs nothing. */
  keep(holding: Holding): void {
    const { leaseEndsAtUs } = holding.delivery;
    if (leaseEndsAtUs === undefined) return;
    const sinceUs = this.#clock.nowUs();
    const lengthUs = Math.max(0, leaseEndsAtUs - sinceUs);
    const dueUs = this.#dueUs(sinceUs, lengthUs, sinceUs);
    this.#kept.set(holding, { holding, sinceUs, lengthUs, dueUs, isRenewing: false });
    this.#wakeAt(dueUs);
  }

  /** Stops renewing. */
  drop(holding: Holding): void {
    this.#kept.delete(holding);
    if (this.#kept.size === 0) this.#sleep();
  }

  /** Half of the lease from now, or the end of the longest time it may be held. */
  #dueUs(nowUs: number, lengthUs: number, sinceUs: number): number {
    return Math.min(nowUs + lengthUs * RENEW_DUE_SHARE, sinceUs + this.#holdUsMax);
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
    const nowUs = this.#clock.nowUs();
    for (const lease of [...this.#kept.values()]) {
      if (lease.isRenewing) {
        if (nowUs >= endUs(lease)) this.#giveUpLost(lease); // No answer will come in time.
      } else if (nowUs - lease.sinceUs >= this.#holdUsMax) this.#giveUp(lease);
      else if (nowUs >= earliestUs(lease)) void this.#renew(lease);
    }
    this.#wakeForNext();
  }

  #wakeForNext(): void {
    let nextUs = Number.POSITIVE_INFINITY;
    for (const lease of this.#kept.values()) {
      nextUs = Math.min(nextUs, lease.isRenewing ? endUs(lease) : lease.dueUs);
    }
    if (nextUs !== Number.POSITIVE_INFINITY) this.#wakeAt(nextUs);
  }

  /** Never rejects: nobody awaits it. */
  async #renew(lease: KeptLease): Promise<void> {
    const { holding, lengthUs, sinceUs } = lease;
    lease.isRenewing = true;
    try {
      await this.#transport.extend(holding.delivery);
      lease.dueUs = this.#dueUs(this.#clock.nowUs(), lengthUs, sinceUs);
    } catch (error) {
      this.#notRenewed(lease, error);
    }
    lease.isRenewing = false;
    if (this.#kept.has(holding)) this.#wakeAt(lease.dueUs);
  }

  /** Unclear renewals are tried again until the lease has certainly ended; then the handler is told to stop. */
  #notRenewed(lease: KeptLease, error: unknown): void {
    const { holding, lengthUs } = lease;
    const nowUs = this.#clock.nowUs();
    if (error instanceof KombuError && error.code === "lease_lost") {
      this.drop(holding);
      holding.lose(error);
    } else if (nowUs >= endUs(lease)) {
      this.#giveUpLost(lease, error);
    } else {
      lease.dueUs = Math.min(endUs(lease), nowUs + Math.max(US_PER_MS, lengthUs * RENEW_RETRY_SHARE));
    }
  }

  /** The lease has ended by our own clock, and no renewal is known to have arrived before. */
  #giveUpLost({ holding }: KeptLease, cause?: unknown): void {
    this.drop(holding);
    holding.interrupt(notRenewedInTime(holding, cause));
  }

  /** The message was held for as long as it may be. Until its last lease ends, it can still be settled. */
  #giveUp({ holding }: KeptLease): void {
    this.drop(holding);
    const heldMs = this.#holdUsMax / US_PER_MS;
    holding.interrupt(
      new KombuError(
        "timeout",
        `message ${holding.delivery.deliveryTag} was held for ${heldMs} ms (holdMsMax), and its lease is not renewed any more; finish it now, or raise holdMsMax`,
      ),
    );
  }
}

function endUs({ holding }: KeptLease): number {
  return holding.delivery.leaseEndsAtUs ?? Number.POSITIVE_INFINITY;
}

function earliestUs({ dueUs, lengthUs }: KeptLease): number {
  return dueUs - lengthUs * (RENEW_DUE_SHARE - RENEW_EARLIEST_SHARE);
}

function notRenewedInTime({ delivery }: Holding, cause: unknown): KombuError {
  const text = `the lease of message ${delivery.deliveryTag} could not be renewed in time, so that somebody else may have it now; stop working on it`;
  return new KombuError("lease_lost", text, { cause });
}
