import type { MessageContent } from "./message-content.js";

/** What an envelope says beside the message itself. */
export interface EnvelopeAddress {
  readonly exchange: string;
  readonly routingKey: string;
  readonly deliveryTag: string;
}

/** A stored message as it was found. */
export interface StoredMessage extends EnvelopeAddress {
  readonly content: MessageContent;
  /** Somebody restored it after a delivery; kombu says so in one of three places. */
  readonly redelivered: boolean;
}
