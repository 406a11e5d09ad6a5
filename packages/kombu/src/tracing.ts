import { isKombuError } from "./errors.js";
import { findOptional, requireOptional } from "./optional-module.js";
import type { Delivery } from "./transport.js";

/**
 * Spans of OpenTelemetry, by its conventions for messaging (https://opentelemetry.io/docs/specs/semconv/messaging/messaging-spans/),
 * and the trace's context in a message's headers, where Python's instrumentations have it: `traceparent`, `tracestate`, `baggage`.
 */

/** A context, which only the library looks into. */
export type TraceContext = { readonly [contextBrand]: true };
declare const contextBrand: unique symbol;

interface SpanContext {
  readonly traceId: string;
}

interface Span {
  spanContext(): SpanContext;
  setAttribute(name: string, value: AttributeValue): void;
  setStatus(status: { readonly code: number; readonly message?: string }): void;
  recordException(error: Error): void;
  end(endTime?: number): void;
}

type AttributeValue = string | number;

interface SpanOptions {
  readonly kind: number;
  readonly attributes: Readonly<Record<string, AttributeValue>>;
  readonly links: readonly { readonly context: SpanContext }[];
  readonly startTime?: number;
}

/** What is used of https://www.npmjs.com/package/@opentelemetry/api. */
interface OpenTelemetryApi {
  readonly ROOT_CONTEXT: TraceContext;
  readonly context: {
    active(): TraceContext;
    with<T>(context: TraceContext, work: () => T): T;
  };
  readonly propagation: {
    /** The headers that propagators write: none before one is registered. */
    fields(): readonly string[];
    inject(context: TraceContext, carrier: Record<string, string>): void;
    extract(context: TraceContext, carrier: unknown, getter: typeof HEADERS_GETTER): TraceContext;
  };
  readonly trace: {
    /** Before an SDK is registered it is one that has nobody to ask for tracers. */
    getTracerProvider(): { getDelegateTracer?(name: string): unknown };
    getTracer(name: string): {
      startSpan(name: string, options: SpanOptions, context: TraceContext): Span;
    };
    setSpan(context: TraceContext, span: Span): TraceContext;
    getSpanContext(context: TraceContext): SpanContext | undefined;
    isSpanContextValid(context: SpanContext): boolean;
  };
}

const API_PACKAGE = "@opentelemetry/api";
const TRACER = "@pullqueue/kombu";

/** OpenTelemetry's numbers. */
const CLIENT = 2;
const PRODUCER = 3;
const CONSUMER = 4;
const ERROR_STATUS = 2;

/** The convention's name of a system that we call otherwise. */
const SYSTEM_NAMES: ReadonlyMap<string, string> = new Map([["amqp", "rabbitmq"]]);

type Headers = Readonly<Record<string, unknown>>;

/** Reads a context from headers, which are somebody else's and may hold anything. */
const HEADERS_GETTER = {
  keys: (headers: Headers): string[] => Object.keys(headers),
  get: (headers: Headers, name: string): string | undefined => {
    const value = headers[name];
    return typeof value === "string" ? value : undefined;
  },
};

/** What is known of a message that is published before it is serialized. */
export interface PublishTrace {
  readonly exchange: string;
  readonly routingKey: string;
  readonly messageId: string | undefined;
  readonly correlationId: string | undefined;
  /** The program's own. A context among them is kept: it is of whoever made the message. */
  readonly headers: Headers | undefined;
}

/** Makes the spans of one connection. */
export class Tracing {
  readonly #api: OpenTelemetryApi;
  readonly #system: string;

  constructor(api: OpenTelemetryApi, transport: string) {
    this.#api = api;
    this.#system = SYSTEM_NAMES.get(transport) ?? transport;
  }

  /** Whether a span would be seen by anybody, or a context be carried: a program registers an SDK when it likes. */
  get isOn(): boolean {
    const { trace, propagation } = this.#api;
    const provider = trace.getTracerProvider();
    const hasNone =
      provider.getDelegateTracer !== undefined && provider.getDelegateTracer(TRACER) === undefined;
    return !hasNone || propagation.fields().length > 0;
  }

  /** Runs a publish in a producer's span; `work` gets the headers that carry its context. */
  publish<T>(
    { exchange, routingKey, messageId, correlationId, headers = {} }: PublishTrace,
    work: (carrier: Headers) => Promise<T>,
  ): Promise<T> {
    const { context, propagation } = this.#api;
    const destination = [exchange, routingKey].filter((name) => name !== "").join(":");
    const created = this.#contextIn(headers);
    const span = this.#start("publish", destination, PRODUCER, context.active(), {
      attributes: { ...idsOf(messageId, correlationId) },
      links: created === undefined ? [] : [{ context: created }],
    });
    const spanContext = this.#api.trace.setSpan(context.active(), span);
    const carrier: Record<string, string> = {};
    if (created === undefined) propagation.inject(spanContext, carrier);
    return this.#during(span, spanContext, () => work(carrier));
  }

  /** Tells of a receive that brought messages; those that bring none are not worth a span. */
  received(queues: readonly string[], deliveries: readonly Delivery[], startMs: number, endMs: number): void {
    if (!this.isOn) return;
    const contexts = deliveries.map((delivery) => this.#contextIn(carrierOf(delivery)));
    const count = deliveries.length;
    const span = this.#start(
      "receive",
      queues.length === 1 ? queues[0]! : "",
      CLIENT,
      this.#api.context.active(),
      {
        attributes: count > 1 ? { "messaging.batch.message_count": count } : {},
        links: contexts.flatMap((context) => (context === undefined ? [] : [{ context }])),
        startTime: startMs,
      },
    );
    span.end(endMs);
  }

  /** Runs what handles a message in a consumer's span, whose parent is the producer's; a span that is active anyway is linked. */
  process<T>(delivery: Delivery, work: () => T | Promise<T>): Promise<T> {
    const { context, propagation, trace } = this.#api;
    const { info, content } = delivery;
    const active = trace.getSpanContext(context.active());
    const parent = propagation.extract(context.active(), carrierOf(delivery), HEADERS_GETTER);
    const isOther = active !== undefined && trace.getSpanContext(parent) !== active;
    const { message_id, correlation_id } = content.properties;
    const span = this.#start("process", info.queue, CONSUMER, parent, {
      attributes: {
        ...idsOf(message_id, correlation_id),
        "messaging.message.body.size": content.body.byteLength,
      },
      links: isOther ? [{ context: active }] : [],
    });
    return this.#during(span, trace.setSpan(parent, span), work);
  }

  #start(
    operation: "publish" | "receive" | "process",
    destination: string,
    kind: number,
    parent: TraceContext,
    options: Omit<SpanOptions, "kind">,
  ): Span {
    const attributes = {
      "messaging.system": this.#system,
      "messaging.operation.name": operation,
      "messaging.operation.type": operation === "publish" ? "send" : operation,
      ...(destination === "" ? {} : { "messaging.destination.name": destination }),
      ...options.attributes,
    };
    const name = destination === "" ? operation : `${operation} ${destination}`;
    // Asked for each time, because a program may register its SDK after it has connected.
    return this.#api.trace.getTracer(TRACER).startSpan(name, { ...options, kind, attributes }, parent);
  }

  async #during<T>(span: Span, context: TraceContext, work: () => T | Promise<T>): Promise<T> {
    try {
      return await this.#api.context.with(context, work);
    } catch (error) {
      const type = isKombuError(error) ? error.code : error instanceof Error ? error.name : "_OTHER";
      span.setAttribute("error.type", type);
      span.setStatus({ code: ERROR_STATUS, message: error instanceof Error ? error.message : String(error) });
      if (error instanceof Error) span.recordException(error);
      throw error;
    } finally {
      span.end();
    }
  }

  /** The context that a message carries, if any. */
  #contextIn(headers: Headers): SpanContext | undefined {
    const { ROOT_CONTEXT, propagation, trace } = this.#api;
    const found = trace.getSpanContext(propagation.extract(ROOT_CONTEXT, headers, HEADERS_GETTER));
    return found !== undefined && trace.isSpanContextValid(found) ? found : undefined;
  }
}

/**
 * Tracing with OpenTelemetry's API where it is installed, which does nothing until a program registers an SDK. `true` demands it:
 * `not_supported` when it is missing.
 */
export function openTracing(wanted: boolean | undefined, transport: string): Tracing | undefined {
  if (wanted === false) return undefined;
  const api =
    wanted === true
      ? requireOptional<OpenTelemetryApi>(API_PACKAGE, "the option tracing")
      : findOptional<OpenTelemetryApi>(API_PACKAGE);
  return api === undefined ? undefined : new Tracing(api, transport);
}

/** The headers of a message; one without a context of its own has that of its task, where the broker keeps one. */
function carrierOf({ content, info }: Delivery): Headers {
  if (content.headers.traceparent !== undefined || info.traceparent === undefined) return content.headers;
  return { ...content.headers, traceparent: info.traceparent, tracestate: info.tracestate };
}

function idsOf(messageId: string | undefined, correlationId: string | undefined): Record<string, string> {
  return {
    ...(messageId === undefined ? {} : { "messaging.message.id": messageId }),
    ...(correlationId === undefined ? {} : { "messaging.message.conversation_id": correlationId }),
  };
}
