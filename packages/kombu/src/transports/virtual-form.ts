import { newIdempotencyKey } from "@pullqueue/core";
import { type Destination, decodeEnvelope, encodeEnvelope, rawContent } from "../envelope.js";
import type { MessageContent } from "../message-content.js";
import type { StoredMessage } from "../stored-message.js";

/** How messages stand in a store's payloads. */
export interface StoredForm {
  /** The bytes to store; `isEnvelope` false: those of the body alone. Throws `not_serializable`. */
  write(content: MessageContent, destination: Destination, isEnvelope: boolean): Uint8Array;
  /** Never throws for what a store of this form may hold: what is no envelope is all content, raw. */
  read(payload: Uint8Array): Pick<StoredMessage, "content"> & Partial<StoredMessage>;
}

/** Kombu's envelopes, for stores that others may read and write. */
export const kombuForm: StoredForm = {
  write: (content, { exchange, routingKey }, isEnvelope) =>
    isEnvelope
      ? encodeEnvelope(content, { exchange, routingKey, deliveryTag: newIdempotencyKey() })
      : content.body,
  read: (payload) => decodeEnvelope(payload) ?? { content: rawContent(payload) },
};
