import { isDeepStrictEqual } from "node:util";
import { KombuError } from "../errors.js";
import { AMQP_PUBLISH_CHANNELS_MAX } from "../limits.js";
import { orAbort } from "../waiting.js";
import type { AmqpChannel } from "./amqp-channel.js";
import type { ClientMessage, ClientProperties } from "./amqp-client.js";
import { fromClientError, unavailable } from "./amqp-errors.js";
import type { AmqpLink } from "./amqp-link.js";
import { readBack, readTable } from "./amqp-table.js";

/** A message on its way to the broker. */
export interface OutgoingMessage {
  readonly exchange: string;
  readonly routingKey: string;
  readonly properties: ClientProperties;
  readonly body: Buffer;
}

/** A message that the broker has not confirmed yet. */
interface Pending {
  readonly message: OutgoingMessage;
  /** The broker sent it back: no queue took it. */
  isReturned: boolean;
}

/** A channel with confirms, and what waits for them, oldest first. */
interface Lane {
  readonly channel: AmqpChannel;
  readonly pending: Set<Pending>;
}

/**
 * Publishes on one link, with confirms always. Each exchange has a channel of its own, because publishing to one that is not
 * there ends the channel with everything on it.
 */
export class AmqpPublisher {
  readonly #link: AmqpLink;
  readonly #lanes = new Map<string, Promise<Lane>>();

  constructor(link: AmqpLink) {
    this.#link = link;
  }

  /**
   * Resolves when the broker has the message: true when some queue took it. Errors: `not_found`, `permission_denied`,
   * `resource_exhausted` for a refused message, `unavailable` when the connection broke.
   */
  async publish(message: OutgoingMessage, signal?: AbortSignal): Promise<boolean> {
    // A user id that is not ours ends the channel, so that such a message goes alone.
    if (message.properties.userId !== undefined) return this.#publishAlone(message, signal);
    const lane = await orAbort(this.#lane(message.exchange), signal);
    return this.#publishOn(lane, message, signal);
  }

  async #publishAlone(message: OutgoingMessage, signal: AbortSignal | undefined): Promise<boolean> {
    const lane = await this.#openLane();
    try {
      return await this.#publishOn(lane, message, signal);
    } finally {
      void lane.channel.close();
    }
  }

  async #publishOn(lane: Lane, message: OutgoingMessage, signal: AbortSignal | undefined): Promise<boolean> {
    signal?.throwIfAborted();
    const pending: Pending = { message, isReturned: false };
    const confirmed = new Promise<boolean>((resolve, reject) => {
      lane.channel.send(describe(message), (client) => {
        const { exchange, routingKey, properties, body } = message;
        // Mandatory always: it is how a receipt knows that no queue took the message.
        client.sendMessage({ exchange, routingKey, mandatory: true, immediate: false }, properties, body);
        lane.pending.add(pending);
        client.pushConfirmCallback((error) => {
          lane.pending.delete(pending);
          if (error === null) resolve(!pending.isReturned);
          else reject(lane.channel.isOpen ? refused(message, error) : notConfirmed(lane.channel, message));
        });
      });
    });
    return orAbort(confirmed, signal);
  }

  #lane(exchange: string): Promise<Lane> {
    const known = this.#lanes.get(exchange);
    if (known !== undefined) {
      // To the end, so that the first one is the one that was not used for longest.
      this.#lanes.delete(exchange);
      this.#lanes.set(exchange, known);
      return known;
    }
    const lane = this.#openLane();
    this.#lanes.set(exchange, lane);
    const forget = () => {
      if (this.#lanes.get(exchange) === lane) this.#lanes.delete(exchange);
    };
    lane.then(({ channel }) => channel.ended.addEventListener("abort", forget), forget);
    void this.#closeOldest();
    return lane;
  }

  async #openLane(): Promise<Lane> {
    const channel = await this.#link.openConfirmChannel();
    const pending = new Set<Pending>();
    channel.client.on("return", (returned) => {
      for (const one of pending) {
        if (one.isReturned || !isSame(one.message, returned)) continue;
        one.isReturned = true;
        return;
      }
    });
    return { channel, pending };
  }

  /** One that is in use stays, and there is one more for a while. */
  async #closeOldest(): Promise<void> {
    const [oldest] = this.#lanes;
    if (oldest === undefined || this.#lanes.size <= AMQP_PUBLISH_CHANNELS_MAX) return;
    const [exchange, opening] = oldest;
    const lane = await opening.catch(() => undefined); // Whoever opened it hears of it.
    if (lane === undefined || lane.pending.size > 0 || this.#lanes.get(exchange) !== opening) return;
    this.#lanes.delete(exchange);
    await lane.channel.close();
  }
}

/** Whether the broker sent back this message: it says nothing else about which one it was. Returns keep their order. */
function isSame({ routingKey, properties, body }: OutgoingMessage, returned: ClientMessage): boolean {
  const { headers, ...others } = returned.properties;
  return (
    returned.fields.routingKey === routingKey &&
    returned.content.equals(body) &&
    others.messageId === properties.messageId &&
    others.correlationId === properties.correlationId &&
    isDeepStrictEqual(readTable(headers ?? {}), readBack(properties.headers ?? {}))
  );
}

function describe({ exchange, routingKey }: OutgoingMessage): string {
  return exchange === ""
    ? `publishing to queue ${JSON.stringify(routingKey)}`
    : `publishing to exchange ${JSON.stringify(exchange)}`;
}

function refused(message: OutgoingMessage, cause: unknown): KombuError {
  const text = `${describe(message)}: the broker refused the message; a queue that is bound is full and rejects (x-overflow), or the broker could not store it`;
  return new KombuError("resource_exhausted", text, { cause });
}

function notConfirmed({ ended }: AmqpChannel, message: OutgoingMessage): KombuError {
  const reason = fromClientError(ended.reason, describe(message));
  if (reason.code !== "unavailable")
    return new KombuError(reason.code, `${describe(message)}: ${reason.message}`, { cause: reason });
  const text = `${describe(message)}: the connection broke before the broker confirmed the message, so that it is unclear whether it was stored; publishing it again may double it`;
  return unavailable(text, reason);
}
