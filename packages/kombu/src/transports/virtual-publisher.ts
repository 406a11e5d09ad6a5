import { createHash } from "node:crypto";
import { type ItemResult, limits, type QueueStore, type Task } from "@pullqueue/core";
import { backoffMs } from "../backoff.js";
import { fromQueueError, isKombuError, KombuError } from "../errors.js";
import { PUBLISH_ATTEMPTS, PUBLISH_BACKOFF } from "../limits.js";
import type { MessageContent } from "../message-content.js";
import { traceOf } from "../trace-headers.js";
import type { PublishReceipt, Route, TransportContext } from "../transport.js";
import { undeliverable, unroutable } from "../unroutable.js";
import { pause } from "../waiting.js";
import { atDoor, errorOf } from "./virtual-door.js";
import type { StoredForm } from "./virtual-form.js";
import type { VirtualTopology } from "./virtual-topology.js";

/** What a publisher is made of. */
export interface VirtualPublisherParts {
  readonly store: QueueStore;
  readonly project: string;
  readonly topology: VirtualTopology;
  readonly context: TransportContext;
  readonly form: StoredForm;
  /** A call that failed has done nothing. */
  readonly answersSurely: boolean;
  /** Gets what no queue takes. Undefined: that goes nowhere. */
  readonly deadletterQueue: string | undefined;
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
    const { topology, context } = this.#parts;
    const bound = topology.lookup(route.exchange, route.routingKey);
    const isUndeliverable = bound.length === 0;
    const queues = isUndeliverable ? await this.#insteadOfNone(route, signal) : bound;
    // In here, because most messages go to one queue, and each function that waits is a promise more.
    if (queues.length === 1) {
      try {
        failIfRefused(await this.#insert(queues[0]!, content, route, signal));
      } catch (error) {
        throw fromQueueError(error, signal);
      }
    } else await this.#insertIntoAll(queues, content, route, signal);
    signal?.throwIfAborted();
    if (isUndeliverable && queues.length > 0) context.warn?.(undeliverable(route, queues[0]!));
    return { queues };
  }

  /** The queue of messages that no queue takes, if there is one. */
  async #insteadOfNone(route: Route, signal: AbortSignal | undefined): Promise<readonly string[]> {
    const { topology, deadletterQueue } = this.#parts;
    if (route.mandatory) throw unroutable(route);
    if (deadletterQueue === undefined) return [];
    await topology.ensureQueue(deadletterQueue, signal);
    return [deadletterQueue];
  }

  /** Each of several queues gets its copy, or the error names those that did not. */
  async #insertIntoAll(
    queues: readonly string[],
    content: MessageContent,
    route: Route,
    signal: AbortSignal | undefined,
  ): Promise<void> {
    const { context } = this.#parts;
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
  }

  async #insertInto(
    queues: readonly string[],
    content: MessageContent,
    route: Route,
    signal: AbortSignal | undefined,
  ): Promise<readonly QueueFailure[]> {
    // Whoever comes again because of one queue must not add to the others.
    const keyed = { ...route, isKeyUsedOnce: false };
    const results = await Promise.allSettled(
      queues.map((queue) =>
        atDoor(async () => failIfRefused(await this.#insert(queue, content, keyed, signal)), signal),
      ),
    );
    signal?.throwIfAborted();
    return results.flatMap((result, index) =>
      result.status === "fulfilled" ? [] : [{ queue: queues[index]!, error: result.reason as unknown }],
    );
  }

  #insert(
    queue: string,
    content: MessageContent,
    route: Route,
    signal: AbortSignal | undefined,
  ): Promise<readonly ItemResult<Task>[]> {
    const { taskId: id, tag, delayMs } = route;
    const { store, project, form, answersSurely } = this.#parts;
    const payload = form.write(content, route, route.envelope);
    // A key that never comes again is for stores that may keep a task and not live to tell.
    const isKeyNeedless = route.isKeyUsedOnce === true && answersSurely;
    const idempotencyKey = isKeyNeedless ? undefined : copyKey(route.idempotencyKey, queue);
    // With the trace context, so that whoever sees the task alone can follow it too.
    const { traceparent, tracestate } = traceOf(content.headers);
    const task = { payload, id, tag, delayMs, idempotencyKey, traceparent, tracestate };
    return store.insert({ project, queue }, [task], signal === undefined ? undefined : { signal });
  }
}

/** Throws what went wrong with a task that was inserted alone. */
function failIfRefused([result]: readonly ItemResult<Task>[]): void {
  const error = errorOf(result);
  if (error !== undefined) throw error;
}

/** What every store keeps as it is: a hash has no slash, so that it is never the same as one of these. */
const PLAIN_KEY = /^[!-~]+$/;

/**
 * A key of one queue's copy: the same for the same message and queue, however often it is published. Keys that follow each other stay
 * so, which saves a store's index much writing; only what is too long for a key, or not of its plain characters, is hashed.
 */
function copyKey(messageKey: string, queue: string): string {
  const key = `${messageKey}/${queue}`;
  if (key.length <= limits.IDEMPOTENCY_KEY_LENGTH_MAX && PLAIN_KEY.test(key)) return key;
  return createHash("sha256").update(key).digest("base64url");
}

function mayPass(error: unknown): boolean {
  return isKombuError(error, "unavailable") || isKombuError(error, "timeout");
}

function partial(queues: readonly string[], failures: readonly QueueFailure[]): unknown {
  const { error } = failures[0]!;
  if (!isKombuError(error)) return error;
  const failed = failures.map(({ queue }) => queue);
  return new KombuError(
    error.code,
    `${failed.length} of ${queues.length} queues did not get the message (${failed.join(", ")}): ${error.message}; publish again with the same idempotencyKey, and only these get it`,
    { cause: error, queues: failed, retryAfterMs: error.retryAfterMs },
  );
}
