import type { Clock } from "@pullqueue/core";
import { KombuError } from "./errors.js";
import type { Standing } from "./lineup.js";
import type { DeadLetterTarget, DeathReason, Delivery, ReleaseOptions, Transport } from "./transport.js";
import { inTime, orAbort } from "./waiting.js";

/** What becomes of a message. */
export type Settlement =
  | { readonly kind: "acknowledged" }
  | { readonly kind: "rejected"; readonly reason?: DeathReason }
  | ({ readonly kind: "requeued" } & ReleaseOptions);

/** How long whoever settles a message waits for the broker's word. */
export interface SettleLimit {
  /** `timeout` after this long, in milliseconds. Default: as long as the transport takes. */
  readonly timeoutMs?: number | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** Who is told of calls on the broker that settle: closing waits for them. */
export interface SettlingWatcher {
  begin(): void;
  /** After `begin`, whatever came of it. */
  end(): void;
  answered(): void;
  /** What a call failed with, as its caller is to see it. */
  failed(error: unknown): unknown;
}

/** Who wants to know what becomes of a holding. */
export interface HoldingWatcher {
  /** Told once, when it is settled or lost. */
  ended(holding: Holding): void;
  /** Told when the broker is, that it is done, and when that did not come about. */
  acknowledging?(holding: Holding): void;
  unclear?(holding: Holding): void;
}

/** What a holding stands on: the same for all that came together. */
export interface HoldingParts {
  readonly clock: Clock;
  readonly transport: Transport;
  readonly settling: SettlingWatcher;
  readonly watcher: HoldingWatcher;
}

const NO_LIMIT = {};

/** One attempt to settle. */
interface Attempt {
  readonly kind: Settlement["kind"];
  readonly done: Promise<void>;
  /** Whoever began it waits for it no more, so that it may be asked for again. */
  isLeft: boolean;
}

/**
 * One delivery in our hands.
 *
 *     held ──settle──> settling ──> acknowledged | rejected | requeued
 *      ^                  └── unclear: back to held, to be settled again
 *      └── lose ──> lost: somebody else may have it
 */
type HoldingState = "held" | "settling" | Settlement["kind"] | "lost";

/** Holds a delivery until it is settled or lost. Its message shows it to the program. */
export class Holding {
  readonly delivery: Delivery;
  /** Where it came from. */
  readonly transport: Transport;
  /** Somebody has seen the message, so that giving it back counts as an attempt. */
  handedOut = false;
  /** Where it stands among what its channel holds, and among what its consumer does; theirs to say. */
  inChannel: Standing<Holding> | undefined;
  inConsumer: Standing<Holding> | undefined;
  /** Where it stands among what handlers work on. */
  inHand: Standing<Holding> | undefined;
  /** For what renews its lease. */
  kept: unknown;
  /** What rejecting does. Undefined: what the queue's definition says. */
  rejection: DeadLetterTarget | "drop" | undefined;
  readonly #parts: HoldingParts;
  #state: HoldingState = "held";
  #isAcknowledging = false;
  #attempt: Attempt | undefined;
  #lost: KombuError | undefined;
  /** Why it is lost if settling it fails. */
  #loss: KombuError | undefined;
  #abortReason: { readonly reason: unknown } | undefined;
  #controller: AbortController | undefined;
  #stopWatching: (() => void) | undefined;

  constructor(delivery: Delivery, parts: HoldingParts) {
    this.delivery = delivery;
    this.transport = parts.transport;
    this.#parts = parts;
  }

  /** Loses it from now on when its broker says so. */
  watch(): void {
    const { lost } = this.delivery;
    if (lost === undefined) return;
    const onLost = () => this.lose(lost.reason);
    this.#stopWatching = () => lost.removeEventListener("abort", onLost);
    lost.addEventListener("abort", onLost);
    if (lost.aborted) onLost();
  }

  get state(): HoldingState {
    return this.#state;
  }

  /** Whether it is still up to us what becomes of it. */
  get isOpen(): boolean {
    return this.#state === "held";
  }

  /** Whether the broker is or was told that it is done, and has not failed to take that. */
  get isAcknowledging(): boolean {
    return this.#isAcknowledging;
  }

  /** Whether it is out of our hands. */
  get isEnded(): boolean {
    return this.#state !== "held" && this.#state !== "settling";
  }

  /** Fires when the handler should stop. Made when it is asked for, because most handlers never do. */
  get signal(): AbortSignal {
    this.#controller ??= new AbortController();
    if (this.#abortReason !== undefined) this.#controller.abort(this.#abortReason.reason);
    return this.#controller.signal;
  }

  /** Tells the handler to stop. The message stays ours. */
  interrupt(reason: unknown): void {
    if (this.#abortReason !== undefined || this.isEnded) return;
    this.#abortReason = { reason };
    this.#controller?.abort(reason);
  }

  /** The broker gave it up: somebody else may have it. One that is just being settled is lost unless that succeeds. */
  lose(error: KombuError): void {
    if (this.#state === "settling") this.#loss = error;
    if (this.#state !== "held") return;
    this.interrupt(error);
    this.#lost = error;
    this.#end("lost");
  }

  /** Gives up what could not be settled, when nobody will try again: it is not renewed, and comes back when its lease ends. */
  letGo(cause: unknown): void {
    const text = `message ${this.delivery.deliveryTag} could not be settled; it comes back when its lease ends`;
    this.lose(new KombuError("lease_lost", text, { cause }));
  }

  /**
   * Once. The broker is told `after` that. Errors: `message_state` the second time, `lease_lost`, what the broker says, `timeout` and the
   * signal's reason. After `unavailable` it may be repeated. So it may after the last two, which do not call the broker back: the same
   * again waits for what is on its way.
   */
  settle(
    settlement: Settlement,
    limit: SettleLimit & { readonly after?: Promise<unknown> | undefined } = NO_LIMIT,
  ): Promise<void> {
    const { after, timeoutMs, signal } = limit;
    if (signal?.aborted === true) return Promise.reject(signal.reason);
    if (this.#lost !== undefined) return Promise.reject(this.#lost);
    const { kind } = settlement;
    const isAgain = this.#attempt?.isLeft === true && this.#attempt.kind === kind;
    if (!isAgain && this.#state !== "held") return Promise.reject(this.#alreadySettled(settlement));
    // Whoever waits for as long as it takes cannot leave.
    if (!isAgain && timeoutMs === undefined && signal === undefined) return this.#settle(settlement, after);
    const attempt = (isAgain ? this.#attempt : undefined) ?? {
      kind,
      isLeft: false,
      done: this.#settle(settlement, after),
    };
    this.#attempt = attempt;
    return this.#waitToEnd(attempt, { timeoutMs, signal });
  }

  async #waitToEnd(attempt: Attempt, { timeoutMs, signal }: Required<SettleLimit>): Promise<void> {
    if (timeoutMs === undefined && signal === undefined) await attempt.done;
    else await this.#waitFor(attempt, { timeoutMs, signal });
    if (this.isEnded) this.#attempt = undefined;
  }

  async #waitFor(attempt: Attempt, { timeoutMs, signal }: Required<SettleLimit>): Promise<void> {
    const { kind } = attempt;
    const late = (ms: number) => this.#unclear(kind, ms);
    try {
      await inTime(this.#parts.clock, { timeoutMs, signal, late }, (either) => orAbort(attempt.done, either));
    } catch (error) {
      attempt.isLeft = true;
      // It came to its end while the caller was being told of the other: the same again has to learn that.
      if (this.#state === kind) this.#attempt = attempt;
      throw error;
    }
  }

  /** An attempt to settle that whoever began it does not wait for any more. Never rejects: the state tells what came of it. */
  get left(): Promise<void> | undefined {
    return this.#attempt?.isLeft === true && !this.isEnded ? this.#attempt.done.catch(() => {}) : undefined;
  }

  async #settle(settlement: Settlement, after: Promise<unknown> | undefined): Promise<void> {
    const { settling, watcher } = this.#parts;
    this.#state = "settling";
    this.#isAcknowledging = settlement.kind === "acknowledged";
    if (this.#isAcknowledging) watcher.acknowledging?.(this);
    settling.begin();
    try {
      if (after !== undefined) await after;
      await this.#tell(settlement);
      settling.answered();
    } catch (error) {
      throw this.#unsettled(settling.failed(error));
    } finally {
      settling.end();
    }
    // Whoever left it may ask for the same again, to learn this.
    if (this.#attempt?.isLeft === false) this.#attempt = undefined;
    this.#end(settlement.kind);
  }

  /** It is unclear whether the message is still ours: as far as we know it is, so that the caller may try again. */
  #unsettled(error: unknown): unknown {
    this.#attempt = undefined;
    this.#state = "held";
    this.#parts.watcher.unclear?.(this);
    this.#isAcknowledging = false;
    const loss = error instanceof KombuError && error.code === "lease_lost" ? error : this.#loss;
    if (loss === undefined) return error;
    this.lose(loss);
    return loss;
  }

  #tell(settlement: Settlement): Promise<void> {
    switch (settlement.kind) {
      case "acknowledged":
        return this.transport.ack(this.delivery);
      case "rejected":
        if (this.rejection === "drop") return this.transport.ack(this.delivery);
        return this.transport.reject(this.delivery, { reason: settlement.reason, to: this.rejection });
      case "requeued":
        return this.transport.release(this.delivery, settlement);
    }
  }

  #end(state: HoldingState): void {
    this.#state = state;
    this.#stopWatching?.();
    this.#parts.watcher.ended(this);
  }

  #unclear(kind: Settlement["kind"], timeoutMs: number): KombuError {
    const { deliveryTag } = this.delivery;
    return new KombuError(
      "timeout",
      `the broker did not confirm within ${timeoutMs} ms (timeoutMs) that message ${deliveryTag} is ${kind}, so that it is unclear; do the same again to learn it`,
    );
  }

  #alreadySettled({ kind }: Settlement): KombuError {
    const was = this.#state === "settling" ? "is being settled" : `was ${this.#state}`;
    return new KombuError(
      "message_state",
      `message ${this.delivery.deliveryTag} ${was} already, so that it cannot be ${kind}; settle each message once`,
    );
  }
}

/** Why what was received from a broker is lost when the connection leaves it. */
export function lostWithBroker({ delivery }: Holding, cause: unknown): KombuError {
  const text = `message ${delivery.deliveryTag} came from a broker that the connection has left; that one hands it out again`;
  return new KombuError("lease_lost", text, { cause });
}

/**
 * Gives back what is still ours, oldest first. What cannot be given back now is let go, and returns when its lease ends. Nobody
 * else can settle it from now on, though the broker hears of it only `after` that, which must not fail.
 */
export async function giveBackAll(holdings: readonly Holding[], after?: Promise<unknown>): Promise<void> {
  await Promise.all(holdings.map((holding) => giveBack(holding, after)));
}

async function giveBack(holding: Holding, after: Promise<unknown> | undefined): Promise<void> {
  if (holding.left !== undefined) await holding.left;
  if (!holding.isOpen) return;
  try {
    await holding.settle({ kind: "requeued", uncounted: !holding.handedOut, inPlace: true }, { after });
  } catch (error) {
    holding.letGo(error); // Nobody will settle it any more, so that its lease must not be renewed for ever.
  }
}
