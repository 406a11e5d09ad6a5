import type { Clock } from "@pullqueue/core";
import type { CompressionRegistry } from "./compression.js";
import type { ConnectionAddress } from "./connection-address.js";
import { becauseOf, isAway, isKombuError, isRecoverable, KombuError } from "./errors.js";
import type { Exchange } from "./exchange.js";
import type { Failover } from "./failover.js";
import { CLOSE_MS, CLOSE_OPENING_MS, CLOSE_SILENT_MS, DECLARED_MAX, RECONNECT_MS } from "./limits.js";
import type { Queue } from "./queue.js";
import { backoffOf, type RetryOptions, type RetryPolicy, retrying } from "./retry.js";
import type { SerializerRegistry } from "./serialization.js";
import type { Tracing } from "./tracing.js";
import type { Support, Transport, TransportContext } from "./transport.js";
import { forAtMost, linkSignals, Notifier } from "./waiting.js";

const US_PER_MS = 1000;

/** What a session is made of. */
export interface SessionOptions {
  readonly clock: Clock;
  /** Chance from 0 to below 1. */
  readonly random: () => number;
  readonly serializers: SerializerRegistry;
  readonly compressions: CompressionRegistry;
  /** Undefined: there are no spans. */
  readonly tracing: Tracing | undefined;
  /** What every transport is opened with. */
  readonly context: TransportContext;
  /** Where transports are opened: at first use, and again after a failure. */
  readonly failover: Failover<ConnectionAddress>;
  /** Told when a transport is left for another: what was received from it is lost. */
  readonly onLeft: (transport: Transport, cause: unknown) => void;
  /** Fires when the connection begins to close: what need not be finished ends then. */
  readonly closing: AbortSignal;
}

/** What keeps calls from their broker. */
interface Trouble {
  readonly error: unknown;
  /** When the broker was first missed after it had answered for the last time. */
  readonly sinceUs: number;
  readonly lastUs: number;
}

/**
 * What all channels of one connection share: the transport, opened at first use, and what was declared through it. A transport alone
 * heals itself. With somewhere else to go it gives up when its broker is gone, and the next use opens the next place.
 *
 *     new ──use──> opening ──> open ──close──> closed
 *      │              ^          │                ^
 *      │              └──leave───┘                │
 *      └──────────────close───────────────────────┘
 */
export class Session {
  readonly clock: Clock;
  /** Chance from 0 to below 1, for pauses. */
  readonly random: () => number;
  readonly serializers: SerializerRegistry;
  readonly compressions: CompressionRegistry;
  /** Undefined: there are no spans. */
  readonly tracing: Tracing | undefined;
  /** Fires when the connection begins to close. */
  readonly closing: AbortSignal;
  /** Told when a consumer starts or has room again. */
  readonly changed: Notifier;
  readonly #context: TransportContext;
  readonly #failover: Failover<ConnectionAddress>;
  readonly #onLeft: (transport: Transport, cause: unknown) => void;
  /** Why each was left: its calls under way fail because of that, not because somebody closed it. */
  readonly #left = new WeakMap<Transport, unknown>();
  readonly #leaving = new Set<Promise<void>>();
  #transport: Promise<Transport> | undefined;
  #opened: Transport | undefined;
  /** By definition, so that equal entities are one, and those that only have a name in common are not. */
  readonly #declared = new Map<string, Promise<unknown>>();
  /** Those of them that were declared here and that the broker keeps. */
  #staying = new WeakSet<Exchange | Queue>();
  #trouble: Trouble | undefined;
  /** When a call on the transport last went well, while somebody waits in order to close: nobody else asks. */
  #answeredUs = 0;
  #waitingToClose = 0;
  #isSilenceTold = false;
  #generation = 0;
  #consumerCount = 0;
  #closed = false;

  constructor(options: SessionOptions) {
    const { clock, random, serializers, compressions, tracing, failover, onLeft, closing } = options;
    this.clock = clock;
    this.random = random;
    this.serializers = serializers;
    this.compressions = compressions;
    this.tracing = tracing;
    this.closing = closing;
    this.changed = new Notifier(clock);
    this.#context = { ...options.context, closing, report: (error) => this.#report(error) };
    this.#failover = failover;
    this.#onLeft = onLeft;
  }

  /** Longest time one message is held by renewals, in milliseconds. Undefined: as long as it is held. */
  get holdMsMax(): number | undefined {
    return this.#failover.current.holdMsMax;
  }

  /** The transport, where it has been opened. */
  get opened(): Transport | undefined {
    return this.#closed ? undefined : this.#opened;
  }

  /** Grows when a transport is left: what was declared before has to be declared again. */
  get generation(): number {
    return this.#generation;
  }

  /** How opening is tried again. */
  get policy(): RetryPolicy {
    return this.#failover.current.retry ?? {};
  }

  /** How many places there are to go to. */
  get size(): number {
    return this.#failover.size;
  }

  /**
   * The transport, opened if it is not yet: tried again by the policy of the connection where there is one or several places, else once.
   * Errors: `closed`, and what opening says.
   */
  transport(signal?: AbortSignal): Promise<Transport> {
    if (this.#opened !== undefined || !this.#isEager) return this.attempt();
    return this.retry(() => this.attempt(), { ...this.policy, signal });
  }

  /** One attempt, at one place, to have an open transport; callers at the same time share it. After a failure the next goes elsewhere. */
  attempt(): Promise<Transport> {
    if (this.#closed) return Promise.reject(closedError("connection"));
    this.#transport ??= this.#openOnce();
    return this.#transport;
  }

  /** An open transport that has its broker now. One attempt. */
  async connect(signal?: AbortSignal): Promise<void> {
    const transport = await this.attempt();
    try {
      await transport.connect?.(signal);
    } catch (error) {
      throw this.failed(transport, error, signal);
    }
  }

  /**
   * Does work that uses the connection, under one deadline for opening and all that follows: again after errors that may pass, elsewhere
   * after those of the connection. Errors: as `retrying`, and `closed`.
   */
  async retry<T>(work: (signal: AbortSignal) => Promise<T>, options: RetryOptions): Promise<T> {
    const { clock, random, size: attemptsPerRound } = this;
    const link = linkSignals(this.closing, options.signal);
    try {
      const all = { ...options, signal: link.signal };
      const failure = () => this.failure;
      const context = { clock, random, attemptsPerRound, isRetryable: isRecoverable, failure };
      return await retrying(work, all, context);
    } finally {
      link.end();
    }
  }

  /** What a call on a transport failed with, as its caller is to see it. With somewhere else to go, a transport without its broker is left. */
  failed(transport: Transport, error: unknown, signal?: AbortSignal): unknown {
    const cause = this.#left.get(transport);
    if (cause !== undefined && isKombuError(error, "closed") && !this.#closed) return movedOn(cause);
    const isOwn = signal?.aborted === true && error === signal.reason;
    const isBroken = isAway(error);
    if (isBroken && !isOwn) this.#report(error);
    if (this.size > 1 && isBroken && !isOwn) this.leave(transport, error);
    return error;
  }

  /** What keeps calls from the broker now, as far as anybody was told. */
  get failure(): unknown {
    return this.#trouble?.error;
  }

  /** A call on the transport went well, so that nothing stands in the way. */
  answered(): void {
    this.#trouble = undefined;
    if (this.#waitingToClose > 0) this.#answeredUs = this.clock.nowUs();
  }

  /**
   * Waits for work of closing: `CLOSE_MS` at most, and no longer than the broker answers. That this was not long enough is told as a
   * warning, and the work goes on by itself.
   */
  async closeWhileAnswered(work: Promise<void>): Promise<void> {
    const startUs = this.clock.nowUs();
    let isDone = false;
    this.#waitingToClose += 1;
    const done = work.finally(() => {
      isDone = true;
      this.#waitingToClose -= 1;
    });
    while (!isDone) {
      const silentUs = Math.max(startUs, this.#answeredUs) + CLOSE_SILENT_MS * US_PER_MS;
      const endUs = Math.min(startUs + CLOSE_MS * US_PER_MS, silentUs);
      const leftMs = (endUs - this.clock.nowUs()) / US_PER_MS;
      if (leftMs <= 0) return this.#tellSilence();
      await forAtMost(this.clock, leftMs, done);
    }
    await done;
  }

  /** What a publish that began at `sinceUs` gets when its time is up: where it went, and what stood in its way, as far as anybody was told. */
  lateError(timeoutMs: number, sinceUs: number): KombuError {
    const trouble = this.#trouble === undefined || this.#trouble.lastUs < sinceUs ? undefined : this.#trouble;
    const where = this.#failover.current.uri({});
    const text = `${where} did not confirm the message within ${timeoutMs} ms (timeoutMs)${trouble === undefined ? "" : awaySince(trouble)}, so that it is unclear whether it was stored; ${repeating(this.#opened?.manifest.idempotency)}`;
    return new KombuError("timeout", text, { cause: trouble?.error });
  }

  /** Gives a transport up: the next use opens the next place, or the one that was chosen. */
  leave(transport: Transport | undefined, cause: unknown, place?: ConnectionAddress): void {
    if (transport !== this.#opened || this.#closed) return;
    if (place === undefined) this.#failover.next();
    else this.#failover.select(place);
    this.#generation += 1;
    this.forgetDeclared();
    this.#opened = undefined;
    this.#transport = undefined;
    if (transport === undefined) return;
    this.#left.set(transport, cause);
    const leaving = transport.close().catch(() => {}); // Its broker is gone, so that nobody is left to say goodbye to.
    this.#leaving.add(leaving);
    void leaving.then(() => this.#leaving.delete(leaving));
    this.#onLeft(transport, cause);
  }

  /** Goes to a place, in the list or not, or to the next. What is under way on the old transport fails as when its broker went. */
  async moveTo(place?: ConnectionAddress): Promise<void> {
    await this.#transport?.catch(() => {}); // An attempt that runs is about the old place.
    this.leave(
      this.#opened,
      new KombuError("unavailable", "the connection was switched to another broker"),
      place,
    );
  }

  /** 1, 2, 3, … for consumer tags: unique in the connection. */
  nextConsumerNumber(): number {
    this.#consumerCount += 1;
    return this.#consumerCount;
  }

  /** Whether it was declared and stays so. Not asked by its definition, which takes longer to write down than a message. */
  isDeclared(entity: Exchange | Queue): boolean {
    return this.#staying.has(entity);
  }

  /**
   * Runs a declaration unless one of the same definition was run before; calls at the same time share one. Whether this call ran it.
   */
  async declareOnce(entity: Exchange | Queue, declare: () => Promise<unknown>): Promise<boolean> {
    const declared = this.#declared;
    const key = definitionOf(entity);
    const known = declared.get(key);
    if (known !== undefined) {
      await known;
      return false;
    }
    const declaring = declare();
    declared.set(key, declaring);
    if (forgetOldest(declared)) this.#staying = new WeakSet();
    const stays = "staysDeclared" in entity ? entity.staysDeclared : !entity.autoDelete;
    // Another declaration may have taken its place, after something was deleted.
    const forget = () => void (declared.get(key) === declaring && declared.delete(key));
    declaring.then(stays ? () => {} : forget, forget);
    await declaring;
    if (stays && declared.get(key) === declaring) this.#staying.add(entity);
    return true;
  }

  /** After something was deleted, nothing is known to be there. */
  forgetDeclared(): void {
    this.#declared.clear();
    this.#staying = new WeakSet();
  }

  /**
   * Closes the transport. What uses it must have ended before. It is waited for as long as a silent broker is, if that was not waited for
   * already; what is not done by then ends by itself.
   */
  async close(): Promise<void> {
    this.#closed = true;
    const ending = this.#end();
    if (this.#isSilenceTold) return void ending.catch(() => {}); // Nobody is left who could be told.
    // An opening has been told to end, but not every client can.
    const patienceMs = this.#opened === undefined ? CLOSE_OPENING_MS : CLOSE_SILENT_MS;
    await forAtMost(this.clock, patienceMs, ending);
  }

  async #end(): Promise<void> {
    const transport = await this.#transport?.catch(() => undefined); // Never opened: nothing to close.
    await transport?.close();
    await Promise.all(this.#leaving);
  }

  /** Whether opening means that the broker was reached: where there is another, and where it is said how to try again. */
  get #isEager(): boolean {
    return this.size > 1 || this.#failover.current.retry !== undefined;
  }

  /** Once, because a channel and its connection meet the same silence. */
  #tellSilence(): void {
    if (this.#isSilenceTold) return;
    this.#isSilenceTold = true;
    const cause = this.failure;
    const text = `${this.#failover.current.uri({})} did not answer while the connection was being closed${becauseOf(cause)}: it is unclear what became of calls that were under way, and messages that were held come back when the broker notices, or their leases end`;
    this.#context.warn?.(new KombuError("unavailable", text, { cause }));
  }

  /** Remembers why a call is tried again, for those who will not wait for what comes of it. */
  #report(error: unknown): void {
    const lastUs = this.clock.nowUs();
    this.#trouble = { error, sinceUs: this.#trouble?.sinceUs ?? lastUs, lastUs };
  }

  async #openOnce(): Promise<Transport> {
    try {
      this.#opened = await this.#open();
      return this.#opened;
    } catch (error) {
      this.#transport = undefined; // So that the next use tries again.
      if (isAway(error)) this.#report(error);
      if (isRecoverable(error)) this.#failover.next();
      throw error;
    }
  }

  async #open(): Promise<Transport> {
    const context = this.#context;
    if (!this.#isEager) return this.#failover.current.open(context);
    const { timeoutMs = RECONNECT_MS } = this.policy;
    const reconnect = { patienceMs: this.size > 1 ? 0 : timeoutMs, backoff: backoffOf(this.policy) };
    const transport = await this.#failover.current.open({ ...context, reconnect });
    try {
      await transport.connect?.(this.closing);
      return transport;
    } catch (error) {
      await transport.close().catch(() => {}); // Why it could not be reached says more.
      throw error;
    }
  }
}

/** All that a declaration tells the broker, of what is declared along with the entity too. */
function definitionOf(entity: Exchange | Queue): string {
  if (!("queueArguments" in entity)) return JSON.stringify(entity);
  const deadLetters = entity.deadLetters === undefined ? "" : definitionOf(entity.deadLetters);
  return JSON.stringify([entity, deadLetters]);
}

/** A program that makes names up must not fill the memory; what is forgotten is declared again. Whether anything was. */
function forgetOldest(declared: Map<string, unknown>): boolean {
  if (declared.size <= DECLARED_MAX) return false;
  for (const oldest of declared.keys()) {
    declared.delete(oldest);
    break;
  }
  return true;
}

/** What calls get that wait, or come, when what they were made on has been closed. */
export function closedError(
  what: "connection" | "channel" | "consumer" | "simple queue" | "pool" | "mailbox" | "node" | "RPC client",
): KombuError {
  const owner = what === "channel" ? " (or its connection)" : "";
  return new KombuError("closed", `the ${what}${owner} is closed; make a new one`);
}

function awaySince({ error, sinceUs }: Trouble): string {
  const text = error instanceof Error ? error.message : String(error);
  return `, and has been away since ${new Date(sinceUs / US_PER_MS).toISOString()} (${text})`;
}

function movedOn(cause: unknown): KombuError {
  const text = `the connection goes elsewhere, because its broker is away${becauseOf(cause)}`;
  return new KombuError("unavailable", text, { cause });
}

/** What to do about a publish that may have been stored, where the broker is known. */
function repeating(idempotency: Support | undefined): string {
  if (idempotency === undefined) return "publish again when it can be reached";
  if (idempotency !== "refused") return "publish again with the same idempotencyKey";
  return "this broker keeps no idempotency keys, so that publishing again may store it twice";
}
