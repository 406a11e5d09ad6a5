// For programs that send and receive messages.

export { Binding, type BindingOptions, type BindingPlain } from "./binding.js";
export type { QueueState } from "./definitions.js";
export type { Arguments, DeclareOptions, GetOptions } from "./entity.js";
export {
  isClosed,
  isEmpty,
  isKombuError,
  isLeaseLost,
  isTimeout,
  KOMBU_ERROR_CODES,
  KombuError,
  type KombuErrorCode,
  type KombuErrorDetails,
} from "./errors.js";
export { type DeliveryMode, Exchange, type ExchangeOptions, type ExchangePlain } from "./exchange.js";
export {
  type AccessTokenFunction,
  type AppEngineOptions,
  type ConnectionExtras,
  type ConnectionOptions,
  defaults,
  type LeaseOptions,
  type MemoryOptions,
  type SqliteOptions,
} from "./options.js";
export { Queue, type QueueOptions, type QueuePlain } from "./queue.js";
export {
  type DumpOptions,
  type LoadOptions,
  type SerializedBody,
  type Serializer,
  SerializerRegistry,
} from "./serialization.js";

// For authors of transports.

export { type BackoffPolicy, backoffMs } from "./backoff.js";
export { decompress } from "./compression.js";
export type {
  BindingDefinition,
  ExchangeDefinition,
  ExchangeType,
  QueueDefinition,
} from "./definitions.js";
export {
  decodeEnvelope,
  type EnvelopeAddress,
  encodeEnvelope,
  rawContent,
  type StoredMessage,
} from "./envelope.js";
export { fromQueueError } from "./errors.js";
export type { MessageContent, MessageProperties } from "./message-content.js";
export { BindingTable, topicMatches } from "./routing.js";
