import { limits } from "@pullqueue/core";
import {
  booleanCheck,
  type Check,
  checkOptions,
  checkValue,
  functionCheck,
  numberCheck,
  signalCheck,
  timeoutCheck,
} from "./check.js";
import type { CompressionRegistry } from "./compression.js";
import { isKombuError, type KombuError, type KombuErrorCode } from "./errors.js";
import type { Holding, SettleLimit } from "./holding.js";
import type { MessageProperties } from "./message-content.js";
import { readPythonJson } from "./python-json-reader.js";
import { conform, type Schema } from "./schema.js";
import { ANY, type SerializerRegistry } from "./serialization.js";
import { decodeText, isBinaryEncoding } from "./text-encoding.js";
import type { Tracing } from "./tracing.js";
import type { DeliveryInfo } from "./transport.js";

/** What the broker says about a message's delivery. */
export interface MessageDeliveryInfo extends Omit<DeliveryInfo, "enqueuedAtMs"> {
  /** When it was published, by the broker's clock. */
  readonly enqueuedAt: Date | undefined;
}

/** A delay is a lease that nobody holds, so that the longest lease is the longest delay. */
const delayCheck: Check = numberCheck(0, limits.LEASE_MS_MAX, "milliseconds");

/** How long `ack` waits for the broker's word. */
export type AckOptions = SettleLimit;

/** How a message is rejected. */
export interface RejectMessageOptions extends SettleLimit {
  /** Give it back instead. Default false. */
  readonly requeue?: boolean | undefined;
}

/** How a message is given back. */
export interface RequeueOptions extends SettleLimit {
  /** Hide it for this long first, in milliseconds, a week at most. Default 0. */
  readonly delayMs?: number | undefined;
}

const ACK_CHECKS: Readonly<Record<keyof AckOptions, Check>> = {
  timeoutMs: timeoutCheck,
  signal: signalCheck,
};

const REJECT_CHECKS: Readonly<Record<keyof RejectMessageOptions, Check>> = {
  ...ACK_CHECKS,
  requeue: booleanCheck,
};

const REQUEUE_CHECKS: Readonly<Record<keyof RequeueOptions, Check>> = { ...ACK_CHECKS, delayMs: delayCheck };

/** Takes what went wrong where nobody could do anything about it. */
export type ErrorLog = (error: KombuError) => void;

/** What messages of one connection are read with. */
export interface MessageTools {
  readonly serializers: SerializerRegistry;
  readonly compressions: CompressionRegistry;
  readonly tracing: Tracing | undefined;
}

/** How a message is read. */
export interface MessageReading<T> {
  /** Serializer names or content types that may be decoded. Undefined: all that are enabled. */
  readonly accept?: readonly string[] | undefined;
  /** What the payload must be. Undefined: anything. */
  readonly schema?: Schema<unknown, T> | undefined;
  /** It was acknowledged before it was handed over. */
  readonly noAck: boolean;
}

/**
 * A message in a program's hands. Its lease is renewed until it is settled, once, by `ack`, `reject` or `requeue`.
 *
 * `payload` is the decoded body. A raw message (not a kombu envelope) has its bytes as `body` and `payload`; `json()` and
 * `text()` read them. In a queue with a schema, `payload` is what the schema makes of it, and a raw body that is JSON is read as that.
 */
export class Message<T = unknown> {
  readonly headers: Readonly<Record<string, unknown>>;
  readonly properties: MessageProperties;
  /** Undefined for raw messages, which say nothing about themselves. */
  readonly contentType: string | undefined;
  readonly contentEncoding: string | undefined;
  /** Not a kombu envelope: the body is all there is. */
  readonly raw: boolean;
  /** Unique within the connection, never a number. */
  readonly deliveryTag: string;
  /** Serializer names or content types that may be decoded. Undefined: all that are enabled. */
  readonly accept: readonly string[] | undefined;
  readonly #holding: Holding;
  readonly #reading: MessageReading<T>;
  readonly #tools: MessageTools;
  #body: Outcome<Uint8Array> | undefined;
  #payload: Outcome<T> | undefined;
  #deliveryInfo: MessageDeliveryInfo | undefined;

  constructor(holding: Holding, reading: MessageReading<T>, tools: MessageTools) {
    const { content, deliveryTag } = holding.delivery;
    this.headers = content.headers;
    this.properties = content.properties;
    this.contentType = content.contentType;
    this.contentEncoding = content.contentEncoding;
    this.raw = content.raw;
    this.deliveryTag = deliveryTag;
    this.accept = reading.accept;
    this.#holding = holding;
    this.#reading = reading;
    this.#tools = tools;
  }

  /** Where it came from. */
  get deliveryInfo(): MessageDeliveryInfo {
    if (this.#deliveryInfo === undefined) {
      const { enqueuedAtMs, ...info } = this.#holding.delivery.info;
      const enqueuedAt = enqueuedAtMs === undefined ? undefined : new Date(enqueuedAtMs);
      this.#deliveryInfo = Object.freeze({ ...info, enqueuedAt });
    }
    return this.#deliveryInfo;
  }

  /** The serialized body, decompressed. Errors: `decode_failed`, `too_large`, `not_supported` (compression). */
  get body(): Uint8Array {
    this.#body ??= outcomeOf(() => this.#decompressed());
    return resultOf(this.#body);
  }

  /**
   * The decoded body; decoded once, whatever comes out. Errors: those of `body`, `content_disallowed`, `serializer_unknown`,
   * `schema_mismatch`.
   */
  get payload(): T {
    this.#payload ??= outcomeOf(() => this.#decoded() as T);
    return resultOf(this.#payload);
  }

  /** Whether the queue or consumer has a schema, so that a payload that does not fit is nothing for a handler. */
  get hasSchema(): boolean {
    return this.#reading.schema !== undefined;
  }

  /** Holds the payload against the schema, which may take its time. Called before anybody sees the message; never rejects. */
  async prepare(): Promise<void> {
    const { schema } = this.#reading;
    if (schema === undefined || this.#payload !== undefined) return;
    try {
      const queue = JSON.stringify(this.deliveryInfo.queue);
      const value = await conform(schema, this.raw ? this.#rawPayload() : this.#decoded(), `queue ${queue}`);
      this.#payload = { value };
    } catch (error) {
      this.#payload = { error };
    }
  }

  /**
   * Runs what handles the message within a consumer's span, whose parent is the producer's: for loops and `get`, where nothing else
   * tells when handling begins and ends. Without OpenTelemetry only the work is run.
   */
  traced<R>(work: () => R | Promise<R>): Promise<R> {
    const { tracing } = this.#tools;
    try {
      checkValue("the work of traced", work, functionCheck);
      if (tracing?.isOn === true) return tracing.process(this.#holding.delivery, work);
      return Promise.resolve(work());
    } catch (error) {
      return Promise.reject(error);
    }
  }

  /** What is wrong with the body and would be thrown by `body`; empty when nothing is. */
  get errors(): readonly unknown[] {
    this.#body ??= outcomeOf(() => this.#decompressed());
    return "error" in this.#body ? [this.#body.error] : [];
  }

  /** The body as JSON, whatever its content type says: for tasks of programs that do not know kombu. Error: `decode_failed`. */
  json(): unknown {
    return readPythonJson(this.text());
  }

  /** The body as text, in its content encoding if that is one of text, otherwise UTF-8. Error: `decode_failed`. */
  text(): string {
    const encoding = this.contentEncoding ?? "utf-8";
    return decodeText(this.body, isBinaryEncoding(encoding) ? "utf-8" : encoding);
  }

  /** Whether its outcome is decided: it was acknowledged, rejected or requeued. */
  get acknowledged(): boolean {
    return this.#holding.state !== "held" && this.#holding.state !== "lost";
  }

  /** Fires when working on it has become pointless: its lease was lost (`lease_lost`), held too long (`timeout`), or the consumer stops. */
  get signal(): AbortSignal {
    return this.#holding.signal;
  }

  /**
   * Done: the broker forgets it. Quiet when it was acknowledged before it was handed over. Errors: `message_state`, `lease_lost`; after
   * `unavailable`, `timeout` and the signal's reason it is unclear whether the broker knows, and doing it again is harmless.
   */
  ack(options: AckOptions = {}): Promise<void> {
    // Not async, because a promise more for each message costs more than all that is asked here.
    try {
      checkOptions("ack", options, ACK_CHECKS);
    } catch (error) {
      return Promise.reject(error);
    }
    return this.#reading.noAck ? Promise.resolve() : this.#holding.settle(ACKNOWLEDGED, options);
  }

  /** Not to be delivered again; with `requeue` the same as `requeue()`. Errors: those of `ack`. */
  async reject(options: RejectMessageOptions = {}): Promise<void> {
    checkOptions("reject", options, REJECT_CHECKS);
    const { requeue = false, timeoutMs, signal } = options;
    if (requeue) return this.requeue({ timeoutMs, signal });
    await this.#holding.settle({ kind: "rejected" }, { timeoutMs, signal });
  }

  /** Gives back the same message, now or after `delayMs` (at most a week). Errors: those of `ack`. */
  async requeue(options: RequeueOptions = {}): Promise<void> {
    checkOptions("requeue", options, REQUEUE_CHECKS);
    const { delayMs = 0, timeoutMs, signal } = options;
    await this.#holding.settle({ kind: "requeued", delayMs }, { timeoutMs, signal });
  }

  /**
   * `ack()` for cleaning up: what went wrong because the message is not ours any more, or the broker is away, is given to `log` instead of
   * being thrown. The message then comes again, to us or to somebody else. A mistake, such as a second `ack`, is thrown.
   */
  async ackLogError(log: ErrorLog, options: AckOptions = {}): Promise<void> {
    return this.#logged(() => this.ack(options), log);
  }

  /** The same for `reject`. */
  rejectLogError(log: ErrorLog, options: RejectMessageOptions = {}): Promise<void> {
    return this.#logged(() => this.reject(options), log);
  }

  async #logged(settle: () => Promise<void>, log: ErrorLog): Promise<void> {
    checkValue("the log of ackLogError and rejectLogError", log, functionCheck);
    try {
      await settle();
    } catch (error) {
      // A channel that closes gives back what it holds, so that this comes too late, which is nobody's mistake.
      const isLate = isKombuError(error, "message_state") && this.signal.aborted;
      if (!isKombuError(error) || !(isLate || SETTLING_CODES.includes(error.code))) throw error;
      log(error);
    }
  }

  #decompressed(): Uint8Array {
    const { body, headers } = this.#holding.delivery.content;
    const { compression } = headers;
    return typeof compression === "string" ? this.#tools.compressions.decompress(body, compression) : body;
  }

  #decoded(): unknown {
    if (this.raw) return this.body;
    const { contentType, contentEncoding, accept } = this;
    const options = accept === undefined ? ANY : { accept };
    return this.#tools.serializers.loads(this.body, contentType, contentEncoding, options);
  }

  /** A raw body says nothing about itself; the schema says that it is something, which is JSON if it can be. */
  #rawPayload(): unknown {
    try {
      return this.json();
    } catch {
      return this.body;
    }
  }
}

const ACKNOWLEDGED = { kind: "acknowledged" } as const;

/** What was received, not what was sent. */
export const messageCheck: Check = { expected: "a Message", holds: (v) => v instanceof Message };

/** What `ackLogError` leaves to the log: the message is out of our hands, whatever we do. */
const SETTLING_CODES: readonly KombuErrorCode[] = ["lease_lost", "unavailable", "timeout", "closed"];

/** The result of something that is done once. */
type Outcome<T> = { readonly value: T } | { readonly error: unknown };

function outcomeOf<T>(work: () => T): Outcome<T> {
  try {
    return { value: work() };
  } catch (error) {
    return { error }; // Thrown again whenever somebody asks.
  }
}

function resultOf<T>(outcome: Outcome<T>): T {
  if ("error" in outcome) throw outcome.error;
  return outcome.value;
}
