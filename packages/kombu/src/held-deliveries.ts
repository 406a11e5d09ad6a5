import {
  Holding,
  type HoldingParts,
  type HoldingWatcher,
  lostWithBroker,
  type SettlingWatcher,
} from "./holding.js";
import { LeaseKeeper } from "./lease-keeper.js";
import { Lineup } from "./lineup.js";
import type { Session } from "./session.js";
import type { Delivery, Transport } from "./transport.js";
import type { Running } from "./waiting.js";

/** What a channel has received and not settled, with its leases. */
export class HeldDeliveries {
  readonly #session: Session;
  readonly #running: Running;
  readonly #holdings = new Lineup<Holding>();
  readonly #keepers = new WeakMap<Transport, LeaseKeeper<Holding>>();

  /** What settles is counted as `running`. */
  constructor(session: Session, running: Running) {
    this.#session = session;
    this.#running = running;
  }

  /** All that is held now, oldest first. */
  get all(): readonly Holding[] {
    return [...this.#holdings];
  }

  /** Holds what came together. */
  hold(deliveries: readonly Delivery[], transport: Transport, watcher: HoldingWatcher): Holding[] {
    const keeper = this.#keeperOf(transport);
    const parts: HoldingParts = {
      clock: this.#session.clock,
      transport,
      settling: this.#settlingOn(transport),
      watcher: {
        ...watcher,
        ended: (holding) => {
          this.#holdings.leave(holding.inChannel);
          keeper.drop(holding);
          watcher.ended(holding);
        },
      },
    };
    const holdings = deliveries.map((delivery) => new Holding(delivery, parts));
    for (const holding of holdings) holding.inChannel = this.#holdings.enter(holding);
    keeper.keepAll(holdings);
    for (const holding of holdings) holding.watch();
    return holdings;
  }

  /** Tells everybody who works on a message to stop. */
  interrupt(reason: unknown): void {
    for (const holding of this.#holdings) holding.interrupt(reason);
  }

  /** The transport is not used any more, and what it held is not ours. */
  left(transport: Transport, cause: unknown): void {
    for (const holding of this.all) {
      if (holding.transport === transport) holding.lose(lostWithBroker(holding, cause));
    }
  }

  /** Settling goes to where the message came from, also when the channel is closing; that waits for it. */
  #settlingOn(transport: Transport): SettlingWatcher {
    const session = this.#session;
    const running = this.#running;
    return {
      begin: () => running.begin(),
      end: () => running.end(),
      answered: () => session.answered(),
      failed: (error) => session.failed(transport, error),
    };
  }

  #keeperOf(transport: Transport): LeaseKeeper<Holding> {
    const known = this.#keepers.get(transport);
    if (known !== undefined) return known;
    const { clock, holdMsMax } = this.#session;
    const extend = (holding: Holding) => transport.extend(holding.delivery);
    const keeper = new LeaseKeeper({ clock, holdMsMax, standby: transport.standby, extend });
    this.#keepers.set(transport, keeper);
    return keeper;
  }
}
