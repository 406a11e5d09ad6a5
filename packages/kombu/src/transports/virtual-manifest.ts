import { limits } from "@pullqueue/core";
import type { TransportManifest } from "../transport.js";

/** What a broker over a store can do, whichever store it is. */
export function virtualManifest(name: string, renewal: TransportManifest["renewal"]): TransportManifest {
  return Object.freeze({
    name,
    direct: "emulated",
    topic: "emulated",
    fanout: "emulated",
    headers: "refused",
    priority: "recorded",
    delay: "native",
    messageExpiry: "emulated",
    queueExpiry: "recorded",
    maxLength: "refused",
    exclusive: "recorded",
    autoDelete: "recorded",
    durable: "recorded",
    mandatory: "emulated",
    deadLetters: "emulated",
    receiptQueues: "native",
    idempotency: "native",
    taskIds: "native",
    attempts: "native",
    requeueDelay: "native",
    exchangeBindings: "refused",
    envelopes: true,
    urgentPriority: undefined,
    localExchanges: true,
    localBindings: true,
    leases: true,
    renewal,
    messageBytesMax: limits.PAYLOAD_BYTES_MAX,
  });
}
