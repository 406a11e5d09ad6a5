import type { Clock } from "@pullqueue/core";
import { backoffMs } from "./backoff.js";
import type { RunOptions } from "./consumer-options.js";
import type { GivenUp } from "./dead-letter-policy.js";
import type { DeliveryQueue } from "./delivery-queue.js";
import { isAway, KombuError } from "./errors.js";
import { giveBackAll, type Holding } from "./holding.js";
import { ACKNOWLEDGING_MAX, RECEIVE_MS_MAX, RECONNECT_BACKOFF, REQUEUE_BACKOFF } from "./limits.js";
import { Lineup } from "./lineup.js";
import type { Message } from "./message.js";
import type { DeathReason } from "./transport.js";
import { pause, Running } from "./waiting.js";
import { failureWarnings } from "./warnings.js";

/** Handles a message. Returning acknowledges it, throwing gives it back; it may settle the message itself instead. */
export type MessageHandler<T = unknown> = (message: Message<T>) => unknown;

/** What a run needs of its consumer. */
export interface RunContext<T> {
  readonly clock: Clock;
  /** Chance from 0 to below 1, for pauses. */
  readonly random: () => number;
  /** Declares and starts the queues. */
  readonly start: () => Promise<void>;
  readonly received: DeliveryQueue;
  readonly message: (holding: Holding) => Message<T> | Promise<Message<T>>;
  /** Whether a handler that returns has its message acknowledged, and sees only what can be read. Otherwise that is up to it. */
  readonly settles: boolean;
  /** Why a message cannot be read. Undefined: nobody said what becomes of those, so that the handler gets them. */
  readonly readError: ((message: Message<T>) => Promise<{ readonly error: unknown } | undefined>) | undefined;
  /** Somebody else has been told what `readError` found. */
  readonly isTold: boolean;
  /** Does with a message what is done with those that nobody will try again. */
  readonly giveUp: (holding: Holding, message: Message<T>, why: GivenUp) => Promise<void>;
  /** Ends receiving. */
  readonly signal: AbortSignal;
  /** Tells running handlers to stop. */
  readonly interrupting: AbortSignal;
}

/** Why a message was not handled. */
interface Failure {
  readonly error: unknown;
  /** Why it is not to be tried again; undefined: it may be. */
  readonly reason?: DeathReason;
  /** Somebody has been told of the error. */
  readonly isTold?: boolean;
  /** The handler had been told to stop before. */
  readonly wasInterrupted?: boolean;
}

/**
 * One `consumer.run`: a loop that receives while there is room, and handlers that make room when they end. While one receive is
 * on its way several handlers end, so that the next receive asks for several messages: batches grow with the load.
 */
export class ConsumerRun<T = unknown> {
  readonly #handler: MessageHandler<T>;
  readonly #options: RunOptions;
  readonly #context: RunContext<T>;
  readonly #concurrency: number;
  readonly #running: Running;
  readonly #inHand = new Lineup<Holding>();
  readonly #warn = failureWarnings();
  #active = 0;
  /** Acknowledgements on their way for handlers that have ended. */
  #acknowledging = 0;
  /** How often in a row messages could not be acknowledged before their handlers. */
  #refusals = 0;

  constructor(handler: MessageHandler<T>, options: RunOptions, context: RunContext<T>) {
    this.#handler = handler;
    this.#options = options;
    this.#context = context;
    this.#concurrency = options.concurrency ?? 1;
    this.#running = new Running(context.clock);
  }

  /** Resolves when the signal has fired and the last handler has ended. */
  async untilStopped(): Promise<void> {
    const { interrupting, received } = this.#context;
    const interrupt = () => {
      for (const holding of this.#inHand) holding.interrupt(interrupting.reason);
    };
    interrupting.addEventListener("abort", interrupt);
    try {
      await this.#start();
      await this.#receiveUntilStopped();
      await received.giveBack();
      await this.#running.idle();
    } finally {
      interrupting.removeEventListener("abort", interrupt);
    }
  }

  /** A broker that is away when a worker begins is waited for, as one that goes away later. */
  async #start(): Promise<void> {
    const { signal, start } = this.#context;
    for (let failures = 1; !signal.aborted; failures++) {
      try {
        return await start();
      } catch (error) {
        if (signal.aborted) return;
        if (!isAway(error)) throw error;
        await this.#recover(error, failures);
      }
    }
  }

  async #receiveUntilStopped(): Promise<void> {
    const { signal, received } = this.#context;
    const isWorthIt = () => this.#hasRoom || (received.waiting > 0 && this.#active < this.#concurrency);
    for (let failures = 0; !signal.aborted; ) {
      try {
        this.#startHandlers();
        if (!this.#hasRoom) await received.changed.wait(undefined, signal, isWorthIt);
        else await received.fill({ max: this.#room, waitMs: RECEIVE_MS_MAX, signal });
        failures = 0;
      } catch (error) {
        if (signal.aborted) return;
        failures += 1;
        await this.#recover(error, failures);
      }
    }
  }

  get #room(): number {
    const { received } = this.#context;
    return received.room ?? this.#concurrency - this.#active - received.waiting;
  }

  /** Whether to receive now. */
  get #hasRoom(): boolean {
    const { received } = this.#context;
    return this.#room > 0 && received.isThirsty && received.canReceive;
  }

  #startHandlers(): void {
    const { received, signal } = this.#context;
    const free = Math.min(this.#concurrency - this.#active, received.waiting);
    for (let started = 0; started < free && !signal.aborted; started++) void this.#handleNext();
  }

  /** Never rejects. */
  async #handleNext(): Promise<void> {
    const { received } = this.#context;
    this.#running.begin();
    this.#active += 1;
    try {
      const holding = received.takeReady() ?? (await received.take());
      this.#refusals = 0;
      if (holding !== undefined) await this.#handle(holding);
    } catch (error) {
      // It could not be acknowledged before its handler; it waits to be taken again.
      this.#refusals += 1;
      await this.#recover(error, this.#refusals);
    }
    this.#active -= 1;
    received.changed.notify();
    this.#startHandlers();
    this.#running.end();
  }

  /** A worker outlives its broker: it says what is wrong, and tries again after a pause or looks whether it has to stop. */
  async #recover(error: unknown, failures: number): Promise<void> {
    const { signal, clock, random } = this.#context;
    this.#report(error, undefined);
    const pauseMs = backoffMs(failures, RECONNECT_BACKOFF, random());
    await pause(clock, pauseMs, signal).catch(() => {}); // Whoever waited looks at the signal itself.
  }

  async #handle(holding: Holding): Promise<void> {
    holding.inHand = this.#inHand.enter(holding);
    const made = this.#context.message(holding);
    const message = made instanceof Promise ? await made : made;
    if (this.#context.signal.aborted && holding.isOpen) return this.#returnUnseen(holding);
    const stopTimer = this.#startTimer(holding);
    const failure = await this.#failureOf(holding, message);
    stopTimer?.();
    this.#inHand.leave(holding.inHand);
    if (holding.left !== undefined) await holding.left; // The handler has begun to settle it; who knows what comes of it.
    if (failure === undefined && !(holding.isOpen && this.#context.settles)) return;
    const againInMs = failure === undefined ? undefined : this.#pauseAfter(holding, failure);
    if (failure !== undefined && !failure.isTold) this.#report(failure.error, message, againInMs);
    const settled = this.#settle(holding, message, failure, againInMs);
    // The next handler does not wait for this one's acknowledgement, so that many travel together; but for as many as that it does.
    if (failure !== undefined || this.#acknowledging >= ACKNOWLEDGING_MAX) return settled;
    this.#acknowledging += 1;
    void this.#running.during(() => settled).finally(() => (this.#acknowledging -= 1));
  }

  async #settle(
    holding: Holding,
    message: Message<T>,
    failure: Failure | undefined,
    againInMs: number | undefined,
  ): Promise<void> {
    try {
      if (failure !== undefined) await this.#settleFailed(holding, message, failure, againInMs);
      else await holding.settle({ kind: "acknowledged" });
    } catch (error) {
      this.#report(error, message);
      holding.letGo(error); // Nobody will try again.
    }
  }

  /** The run was stopped while the message was read, so that no handler begins with it. */
  async #returnUnseen(holding: Holding): Promise<void> {
    this.#inHand.leave(holding.inHand);
    holding.handedOut = false;
    await giveBackAll([holding]);
  }

  /** Starts the handler, and says what it threw, or why it was not started. */
  async #failureOf(holding: Holding, message: Message<T>): Promise<Failure | undefined> {
    const { readError, isTold, settles } = this.#context;
    const { attempts = 0 } = holding.delivery.info;
    // Its last handler never came to an end: the process died, or the lease was lost.
    if (attempts > this.#attemptsMax) return { error: tooManyAttempts(holding, this.#attemptsMax) };
    try {
      // Awaited in any case, so that all handlers there is room for have begun before the first may stop the run.
      const unread = await readError?.(message);
      if (unread !== undefined) return { ...unread, reason: "undecodable", isTold };
      if (settles && message.hasSchema) void message.payload; // A handler never sees what does not fit: this is its failure.
      await message.traced(() => this.#handler(message));
      return undefined;
    } catch (error) {
      return { error, wasInterrupted: this.#context.interrupting.aborted };
    }
  }

  /** How long a message waits whose handler failed. Undefined: it does not come again, or not because of that. */
  #pauseAfter(holding: Holding, { reason, wasInterrupted = false }: Failure): number | undefined {
    const { attempts = 1 } = holding.delivery.info;
    if (!holding.isOpen || wasInterrupted || reason !== undefined || attempts >= this.#attemptsMax)
      return undefined;
    return this.#pauseMs(attempts);
  }

  async #settleFailed(
    holding: Holding,
    message: Message<T>,
    failure: Failure,
    againInMs: number | undefined,
  ): Promise<void> {
    const { error, reason, wasInterrupted = false } = failure;
    // Who fails because the run ends has not failed: somebody else may try at once, as if nobody had.
    if (wasInterrupted && holding.isOpen) return holding.settle({ kind: "requeued", uncounted: true });
    const { attempts = 1 } = holding.delivery.info;
    const why = reason ?? (attempts >= this.#attemptsMax ? "delivery_limit" : undefined);
    try {
      if (why !== undefined) await this.#context.giveUp(holding, message, { reason: why, error });
    } catch (failed) {
      this.#report(failed, message);
    }
    // Also what could not be given up: it is tried again when it comes back.
    const delayMs = againInMs ?? this.#pauseMs(attempts);
    const counted = this.#options.attemptsMax !== undefined;
    if (holding.isOpen) await holding.settle({ kind: "requeued", counted, delayMs });
  }

  #pauseMs(attempts: number): number {
    return backoffMs(attempts, this.#options.backoff ?? REQUEUE_BACKOFF, this.#context.random());
  }

  get #attemptsMax(): number {
    return this.#options.attemptsMax ?? Number.POSITIVE_INFINITY;
  }

  #startTimer(holding: Holding): (() => void) | undefined {
    const { timeoutMs } = this.#options;
    if (timeoutMs === undefined) return undefined;
    const text = `the handler of message ${holding.delivery.deliveryTag} was not done within ${timeoutMs} ms (timeoutMs)`;
    return this.#context.clock.timer(timeoutMs, () => holding.interrupt(new KombuError("timeout", text)));
  }

  #report(error: unknown, message: Message<T> | undefined, againInMs?: number): void {
    (this.#options.onError ?? this.#warn)(error, message, againInMs);
  }
}

function tooManyAttempts({ delivery }: Holding, attemptsMax: number): KombuError {
  const { attempts, taskId } = delivery.info;
  return new KombuError(
    "resource_exhausted",
    `message ${delivery.deliveryTag} (task ${taskId}) was started ${attempts} times, more than attemptsMax ${attemptsMax}; it is given up`,
  );
}
