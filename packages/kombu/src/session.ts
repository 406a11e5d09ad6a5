import type { Clock } from "@pullqueue/core";
import type { CompressionRegistry } from "./compression.js";
import { KombuError } from "./errors.js";
import type { Exchange } from "./exchange.js";
import type { Queue } from "./queue.js";
import type { SerializerRegistry } from "./serialization.js";
import type { Tracing } from "./tracing.js";
import type { Transport } from "./transport.js";
import { Notifier } from "./waiting.js";

/** What a session is made of. */
export interface SessionOptions {
  readonly clock: Clock;
  /** Chance from 0 to below 1. */
  readonly random: () => number;
  readonly serializers: SerializerRegistry;
  readonly compressions: CompressionRegistry;
  /** Undefined: there are no spans. */
  readonly tracing: Tracing | undefined;
  /** Opens the transport; called at first use, and again after a failure. */
  readonly open: () => Promise<Transport>;
  /** Longest time one message is held by renewals, in milliseconds. Undefined: as long as it is held. */
  readonly holdMsMax: number | undefined;
  /** Fires when the connection begins to close: what need not be finished ends then. */
  readonly closing: AbortSignal;
}

/**
 * What all channels of one connection share: the transport, opened at first use, and what was declared through it.
 *
 *     new ──use──> opening ──> open ──close──> closed
 *      └──────────────close────────────────────^
 */
export class Session {
  readonly clock: Clock;
  /** Chance from 0 to below 1, for pauses. */
  readonly random: () => number;
  readonly serializers: SerializerRegistry;
  readonly compressions: CompressionRegistry;
  /** Undefined: there are no spans. */
  readonly tracing: Tracing | undefined;
  readonly holdMsMax: number | undefined;
  /** Fires when the connection begins to close. */
  readonly closing: AbortSignal;
  /** Told when a consumer starts or has room again. */
  readonly changed: Notifier;
  readonly #open: () => Promise<Transport>;
  #transport: Promise<Transport> | undefined;
  #opened: Transport | undefined;
  #declared = new WeakMap<Exchange | Queue, Promise<unknown>>();
  #consumerCount = 0;
  #closed = false;

  constructor(options: SessionOptions) {
    const { clock, random, serializers, compressions, tracing, open, holdMsMax, closing } = options;
    this.clock = clock;
    this.random = random;
    this.serializers = serializers;
    this.compressions = compressions;
    this.tracing = tracing;
    this.holdMsMax = holdMsMax;
    this.closing = closing;
    this.changed = new Notifier(clock);
    this.#open = open;
  }

  /** The transport, opened if it is not yet. Errors: `closed`, and what opening says. */
  transport(): Promise<Transport> {
    if (this.#closed) return Promise.reject(closedError("connection"));
    this.#transport ??= this.#openOnce();
    return this.#transport;
  }

  /** The transport, where it has been opened. */
  get opened(): Transport | undefined {
    return this.#closed ? undefined : this.#opened;
  }

  /** 1, 2, 3, … for consumer tags: unique in the connection. */
  nextConsumerNumber(): number {
    this.#consumerCount += 1;
    return this.#consumerCount;
  }

  /** Runs a declaration unless this entity was declared before; calls at the same time share one. */
  declareOnce(entity: Exchange | Queue, declare: () => Promise<unknown>): Promise<unknown> {
    const declared = this.#declared;
    const known = declared.get(entity);
    if (known !== undefined) return known;
    const declaring = declare();
    declared.set(entity, declaring);
    const forget = () => void declared.delete(entity);
    const stays = "staysDeclared" in entity ? entity.staysDeclared : !entity.autoDelete;
    declaring.then(stays ? () => {} : forget, forget);
    return declaring;
  }

  /** After something was deleted, nothing is known to be there. */
  forgetDeclared(): void {
    this.#declared = new WeakMap();
  }

  /** Closes the transport. What uses it must have ended before. */
  async close(): Promise<void> {
    this.#closed = true;
    const transport = await this.#transport?.catch(() => undefined); // Never opened: nothing to close.
    await transport?.close();
  }

  async #openOnce(): Promise<Transport> {
    try {
      this.#opened = await this.#open();
      return this.#opened;
    } catch (error) {
      this.#transport = undefined; // So that the next use tries again.
      throw error;
    }
  }
}

/** What calls get that wait, or come, when what they were made on has been closed. */
export function closedError(
  what: "connection" | "channel" | "consumer" | "simple queue" | "pool" | "mailbox" | "node" | "RPC client",
): KombuError {
  const owner = what === "channel" ? " (or its connection)" : "";
  return new KombuError("closed", `the ${what}${owner} is closed; make a new one`);
}
