import type { Channel } from "./channel.js";
import { Consumer } from "./consumer.js";
import { becauseOf, isKombuError, KombuError } from "./errors.js";
import { REPLIES_AHEAD, REPLIES_MAX } from "./limits.js";
import type { Message } from "./message.js";
import type { Queue } from "./queue.js";
import type { Schema } from "./schema.js";
import { closedError } from "./session.js";
import { linkSignals, orAbort } from "./waiting.js";

/** What a reply queue is made of. */
export interface ReplyQueueParts<T> {
  readonly channel: Channel;
  /** For this program alone, under a name that nobody can guess. */
  readonly queue: Queue;
  /** For errors. */
  readonly owner: "mailbox" | "RPC client";
  readonly accept: readonly string[] | undefined;
  readonly schema?: Schema<unknown, T> | undefined;
  /** Which request a message answers. */
  readonly idOf: (message: Message<T>) => unknown;
}

/** One request, and how long its replies are waited for. */
export interface ReplyRequest<T> {
  readonly id: string;
  /** Publishes the request, when the queue can take replies. */
  readonly send: (signal: AbortSignal) => Promise<unknown>;
  /** Called for each reply in turn. What it throws ends the call. */
  readonly onReply: (message: Message<T>) => void;
  /** Ends the call after so many replies. Default: none of its own. */
  readonly limit?: number | undefined;
  /** Default: wait without end. */
  readonly timeoutMs?: number | undefined;
  readonly signal?: AbortSignal | undefined;
}

interface Pending<T> {
  readonly onReply: (message: Message<T>) => void;
  readonly end: (failure?: { readonly error: unknown }) => void;
  left: number;
}

/**
 * The queue where replies to one program arrive: declared and subscribed at its first request, removed when it is closed. Requests
 * at the same time share it; a reply that nobody waits for any more is dropped.
 */
export class ReplyQueue<T = unknown> {
  readonly #parts: ReplyQueueParts<T>;
  readonly #pending = new Map<string, Pending<T>>();
  readonly #stop = new AbortController();
  #opening: Promise<Consumer<T>> | undefined;
  /** The channel's generation in which the queue was declared. */
  #declaredIn: number | undefined;
  #running: Promise<void> | undefined;
  #closing: Promise<void> | undefined;

  constructor(parts: ReplyQueueParts<T>) {
    this.#parts = parts;
  }

  /**
   * Sends a request and hands over its replies. True when there were as many as the limit, false when time was up before. Errors: `timeout`
   * when it was not sent in time, `closed`, the signal's reason, what sending says and what `onReply` throws.
   */
  async request({ id, send, onReply, limit, timeoutMs, signal }: ReplyRequest<T>): Promise<boolean> {
    const { clock, closing } = this.#parts.channel;
    const link = linkSignals(this.#stop.signal, closing, signal);
    let late: KombuError | undefined;
    const end = (ms: number) => {
      late = notSent(ms, this.#parts.channel.failure);
      link.abort(late);
    };
    const cancel =
      timeoutMs === undefined ? undefined : clock.timer(timeoutMs, () => end(timeoutMs), { keepAlive: true });
    let isSent = false;
    try {
      link.signal.throwIfAborted();
      const replied = this.#expect(id, onReply, limit ?? REPLIES_MAX);
      replied.catch(() => {}); // Also when nobody comes to await it.
      await orAbort(this.#open(), link.signal);
      await send(link.signal);
      isSent = true;
      await orAbort(replied, link.signal);
      return true;
    } catch (error) {
      if (isSent && late !== undefined && error === late) return false;
      throw error;
    } finally {
      this.#pending.delete(id);
      cancel?.();
      link.end();
    }
  }

  /** Ends waiting requests with `closed`, unsubscribes, and removes the queue. Idempotent. */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    this.#stop.abort(closedError(this.#parts.owner));
    if (this.#opening === undefined) return;
    await this.#opening.catch(() => {}); // Its request was told.
    await this.#running;
    await this.#parts.channel.afterReplyMessageReceived(this.#parts.queue.name);
  }

  #expect(id: string, onReply: (message: Message<T>) => void, limit: number): Promise<void> {
    return new Promise((resolve, reject) => {
      const end = (failure?: { readonly error: unknown }) =>
        failure === undefined ? resolve() : reject(failure.error);
      this.#pending.set(id, { onReply, end, left: limit });
    });
  }

  async #open(): Promise<void> {
    this.#opening ??= this.#subscribe().catch((error: unknown) => {
      this.#opening = undefined; // The next request tries again.
      throw error;
    });
    const consumer = await this.#opening;
    // At another broker, a reply that comes before the consumer does would be lost.
    if (this.#declaredIn !== this.#parts.channel.generation) await this.#declare(consumer);
  }

  async #declare(consumer: Consumer<T>): Promise<void> {
    const { generation } = this.#parts.channel;
    await consumer.declare({ signal: this.#stop.signal });
    this.#declaredIn = generation;
  }

  async #subscribe(): Promise<Consumer<T>> {
    const { channel, queue, accept, schema } = this.#parts;
    channel.ownQueue(queue.name);
    const consumer = new Consumer<T>(channel, queue, {
      ...{ noAck: true, autoDeclare: false, schema },
      ...(accept === undefined ? {} : { accept }),
      // A reply that does not fit is told to whoever waits for it, by its payload.
      onDecodeError: (message) => this.#take(message as Message<T>),
    });
    await this.#declare(consumer);
    const running = consumer.run((message) => this.#take(message), {
      concurrency: REPLIES_AHEAD,
      signal: this.#stop.signal,
    });
    this.#running = running.catch((error: unknown) => {
      if (!isKombuError(error, "closed")) process.emitWarning(String(error));
    });
    return consumer;
  }

  #take(message: Message<T>): void {
    const id = this.#parts.idOf(message);
    const pending = typeof id === "string" ? this.#pending.get(id) : undefined;
    if (pending === undefined) return;
    try {
      pending.onReply(message);
      pending.left -= 1;
      if (pending.left <= 0) pending.end();
    } catch (error) {
      pending.end({ error });
    }
  }
}

function notSent(timeoutMs: number, cause: unknown): KombuError {
  const why = becauseOf(cause) || "; is the broker there?";
  return new KombuError(
    "timeout",
    `the request was not sent within ${timeoutMs} ms (timeoutMs), so that it is unclear whether somebody has it${why}`,
    { cause },
  );
}
