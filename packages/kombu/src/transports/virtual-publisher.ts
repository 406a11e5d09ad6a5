import { createHash } from "node:crypto";
import { newIdempotencyKey, type QueueStore } from "@pullqueue/core";
import { backoffMs } from "../backoff.js";
import { encodeEnvelope } from "../envelope.js";
import { isKombuError, KombuError } from "../errors.js";
import { PUBLISH_ATTEMPTS, PUBLISH_BACKOFF } from "../limits.js";
import type { MessageContent } from "../message-content.js";
import { traceOf } from "../trace-headers.js";
import type { PublishReceipt, Route, TransportContext } from "../transport.js";
import { undeliverable, unroutable } from "../unroutable.js";
import { pause } from "../waiting.js";
import { atDoor, errorOf } from "./virtual-door.js";
import type { VirtualTopology } from "./virtual-topology.js";

/** What a publisher is made of. */
export interface VirtualPublisherParts {
  readonly store: QueueStore;
  readonly project: string;
  readonly topology: VirtualTopology;
  readonly context: TransportContext;
  /** Gets what no queue takes. Undefined: that goes nowhere. */
  readonly deadletterQueue: string | undefined;
}

/** Where a message goes. */
interface Destination {
  readonly queues: readonly string[];
  /** No queue is bound for it, so that it goes to the connection's dead-letter queue. */
  readonly isUndeliverable: boolean;
}

/** A queue that did not get its copy of a message. */
interface QueueFailure {
  readonly queue: string;
  readonly error: unknown;
}

/** Writes messages: an insert for each bound queue. */
export class VirtualPublisher {
  readonly #parts: VirtualPublisherParts;

  constructor(parts: VirtualPublisherParts) {
    this.#parts = parts;
  }

  /** Resolves when every queue bound to the route has the message. */
  async publish(content: MessageContent, route: Route, signal?: AbortSignal): Promise<PublishReceipt> {
    const { context } = this.#parts;
    const { queues, isUndeliverable } = await this.#queuesFor(route, signal);
    let left = queues;
    for (let attempt = 1; left.length > 0; attempt++) {
      const failures = await this.#insertInto(left, content, route, signal);
      left = failures.map(({ queue }) => queue);
      // Only what is half done is tried again here: a store that takes nothing has tried long enough by itself.
      const isHalfDone = left.length < queues.length && failures.every(({ error }) => mayPass(error));
      if (left.length > 0 && (!isHalfDone || attempt === PUBLISH_ATTEMPTS)) throw partial(queues, failures);
      if (left.length > 0) {
        await pause(context.clock, backoffMs(attempt, PUBLISH_BACKOFF, context.random()), signal);
      }
    }
    if (isUndeliverable) context.warn?.(undeliverable(route, queues[0]!));
    return { queues };
  }

  /** The bound queues, or that of messages which no queue takes. */
  async #queuesFor(route: Route, signal: AbortSignal | undefined): Promise<Destination> {
    const { topology, deadletterQueue } = this.#parts;
    const queues = topology.lookup(route.exchange, route.routingKey);
    if (queues.length === 0 && route.mandatory) throw unroutable(route);
    if (queues.length > 0 || deadletterQueue === undefined) return { queues, isUndeliverable: false };
    await topology.ensureQueue(deadletterQueue, signal);
    return { queues: [deadletterQueue], isUndeliverable: true };
  }

  async #insertInto(
    queues: readonly string[],
    content: MessageContent,
    route: Route,
    signal: AbortSignal | undefined,
  ): Promise<readonly QueueFailure[]> {
    const results = await Promise.allSettled(
      queues.map((queue) => this.#insert(queue, content, route, signal)),
    );
    signal?.throwIfAborted();
    return results.flatMap((result, index) =>
      result.status === "fulfilled" ? [] : [{ queue: queues[index]!, error: result.reason as unknown }],
    );
  }

  async #insert(
    queue: string,
    content: MessageContent,
    route: Route,
    signal: AbortSignal | undefined,
  ): Promise<void> {
    const { exchange, routingKey, taskId: id, tag, delayMs } = route;
    const deliveryTag = newIdempotencyKey();
    const payload = route.envelope
      ? encodeEnvelope(content, { exchange, routingKey, deliveryTag })
      : content.body;
    const idempotencyKey = copyKey(route.idempotencyKey, queue);
    // With the trace context, so that whoever sees the task alone can follow it too.
    const task = { payload, id, tag, delayMs, idempotencyKey, ...traceOf(content.headers) };
    const { store, project } = this.#parts;
    const results = await atDoor(() => store.insert({ project, queue }, [task], { signal }), signal);
    const error = errorOf(results[0]);
    if (error !== undefined) throw error;
  }
}

/** A key of one queue's copy: the same for the same message and queue, however often it is published. */
function copyKey(messageKey: string, queue: string): string {
  return createHash("sha256").update(`${messageKey}/${queue}`).digest("base64url");
}

function mayPass(error: unknown): boolean {
  return isKombuError(error, "unavailable") || isKombuError(error, "timeout");
}

function partial(queues: readonly string[], failures: readonly QueueFailure[]): unknown {
  const { error } = failures[0]!;
  if (queues.length === 1 || !isKombuError(error)) return error;
  const failed = failures.map(({ queue }) => queue);
  return new KombuError(
    error.code,
    `${failed.length} of ${queues.length} queues did not get the message (${failed.join(", ")}): ${error.message}; publish again with the same idempotencyKey, and only these get it`,
    { cause: error, queues: failed, retryAfterMs: error.retryAfterMs },
  );
}
