import { limits } from "@pullqueue/core";
import { type Check, checkValue, numberCheck } from "./check.js";
import { decompress } from "./compression.js";
import type { Holding } from "./holding.js";
import type { MessageProperties } from "./message-content.js";
import { readPythonJson } from "./python-json-reader.js";
import type { SerializerRegistry } from "./serialization.js";
import { decodeText, isBinaryEncoding } from "./text-encoding.js";
import type { DeliveryInfo } from "./transport.js";

/** What the broker says about a message's delivery. */
export interface MessageDeliveryInfo extends Omit<DeliveryInfo, "enqueuedAtMs"> {
  /** When it was published, by the broker's clock. */
  readonly enqueuedAt: Date | undefined;
}

/** A delay is a lease that nobody holds, so that the longest lease is the longest delay. */
const delayCheck: Check = numberCheck(0, limits.LEASE_MS_MAX, "milliseconds");

/** How a message is read. */
export interface MessageOptions {
  readonly serializers: SerializerRegistry;
  /** Serializer names or content types that may be decoded. Undefined: all that are registered. */
  readonly accept?: readonly string[] | undefined;
  /** It was acknowledged before it was handed over. */
  readonly noAck: boolean;
}

/**
 * A message in a program's hands. Its lease is renewed until it is settled, once, by `ack`, `reject` or `requeue`.
 *
 * `payload` is the decoded body. A raw message (not a kombu envelope) has its bytes as `body` and `payload`; `json()` and
 * `text()` read them.
 */
export class Message {
  readonly headers: Readonly<Record<string, unknown>>;
  readonly properties: MessageProperties;
  /** Undefined for raw messages, which say nothing about themselves. */
  readonly contentType: string | undefined;
  readonly contentEncoding: string | undefined;
  /** Not a kombu envelope: the body is all there is. */
  readonly raw: boolean;
  /** Unique within the connection, never a number. */
  readonly deliveryTag: string;
  /** Serializer names or content types that may be decoded. Undefined: all that are registered. */
  readonly accept: readonly string[] | undefined;
  readonly #holding: Holding;
  readonly #serializers: SerializerRegistry;
  readonly #noAck: boolean;
  #body: Outcome<Uint8Array> | undefined;
  #payload: Outcome<unknown> | undefined;
  #deliveryInfo: MessageDeliveryInfo | undefined;

  constructor(holding: Holding, { serializers, accept, noAck }: MessageOptions) {
    const { content, deliveryTag } = holding.delivery;
    this.headers = content.headers;
    this.properties = content.properties;
    this.contentType = content.contentType;
    this.contentEncoding = content.contentEncoding;
    this.raw = content.raw;
    this.deliveryTag = deliveryTag;
    this.accept = accept;
    this.#holding = holding;
    this.#serializers = serializers;
    this.#noAck = noAck;
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

  /** The decoded body; decoded once, whatever comes out. Errors: those of `body`, `content_disallowed`, `serializer_unknown`. */
  get payload(): unknown {
    this.#payload ??= outcomeOf(() => this.#decoded());
    return resultOf(this.#payload);
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

  /** Done: the broker forgets it. Quiet when it was acknowledged before it was handed over. Errors: `message_state`, `lease_lost`. */
  async ack(): Promise<void> {
    if (!this.#noAck) await this.#holding.settle({ kind: "acknowledged" });
  }

  /** Not to be delivered again; with `requeue` the same as `requeue()`. Errors: `message_state`, `lease_lost`. */
  async reject({ requeue = false }: { readonly requeue?: boolean } = {}): Promise<void> {
    if (requeue) return this.requeue();
    await this.#holding.settle({ kind: "rejected" });
  }

  /** Gives back the same message, now or after `delayMs` (at most a week). Errors: `message_state`, `lease_lost`. */
  async requeue({ delayMs = 0 }: { readonly delayMs?: number } = {}): Promise<void> {
    checkValue("delayMs of requeue", delayMs, delayCheck);
    await this.#holding.settle({ kind: "requeued", delayMs });
  }

  #decompressed(): Uint8Array {
    const { body, headers } = this.#holding.delivery.content;
    const { compression } = headers;
    return typeof compression === "string" ? decompress(body, compression) : body;
  }

  #decoded(): unknown {
    if (this.raw) return this.body;
    const { contentType, contentEncoding, accept } = this;
    return this.#serializers.loads(this.body, contentType, contentEncoding, { accept });
  }
}

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
