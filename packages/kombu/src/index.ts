// For programs that send and receive messages.

export { newUuid as uuid } from "@pullqueue/core";
export { type Bindable, Binding, type BindingOptions, type BindingPlain } from "./binding.js";
export { Broadcast, type BroadcastOptions } from "./broadcast.js";
export type { Channel } from "./channel.js";
export { compareTimetuples, LamportClock, type Timetuple } from "./clocks.js";
export { type CompressedBody, CompressionRegistry, type CompressionRegistryOptions } from "./compression.js";
export type { Compressor } from "./compressor.js";
export type { ConnectRetryOptions } from "./connect-retry.js";
export { Connection } from "./connection.js";
export type { ConnectionInfo } from "./connection-address.js";
export { Consumer } from "./consumer.js";
export {
  type ConsumerFactory,
  ConsumerMixin,
  ConsumerMixin as ConsumerProducerMixin,
  type ConsumerMixinOptions,
  type WorkSignals,
} from "./consumer-mixin.js";
export type { ConsumerOptions, MessageCallback, PayloadOf, RunOptions } from "./consumer-options.js";
export type { MessageHandler } from "./consumer-run.js";
export type { DeadLetterPolicy, GivenUp } from "./dead-letter-policy.js";
export type { DeleteQueueOptions, QueueState } from "./definitions.js";
export type { DrainOptions } from "./drain.js";
export type { Arguments, DeclareOptions, GetOptions } from "./entity.js";
export {
  type BindingDict,
  type ExchangeDict,
  exchangeAsDict,
  exchangeFromDict,
  type QueueDict,
  queueAsDict,
  queueFromDict,
} from "./entity-dict.js";
export {
  isChannelError,
  isClosed,
  isConnectionError,
  isEmpty,
  isKombuError,
  isLeaseLost,
  isOperational,
  isRecoverable,
  isTimeout,
  KOMBU_ERROR_CODES,
  KombuError,
  type KombuErrorCode,
  type KombuErrorDetails,
  type SchemaIssue,
} from "./errors.js";
export {
  drainConsumer,
  type EventLoopOptions,
  eventLoop,
  type IterMessagesOptions,
  iterMessages,
  maybeDeclare,
} from "./event-loop.js";
export {
  type DeliveryMode,
  Exchange,
  type ExchangeBindingOptions,
  type ExchangeOptions,
  type ExchangePlain,
} from "./exchange.js";
export type { StopOptions } from "./graceful-stop.js";
export type { JsonType, JsonTypesName } from "./json-types.js";
export { type Matcher, MatcherRegistry } from "./matcher.js";
export {
  type AckOptions,
  type ErrorLog,
  Message,
  type MessageDeliveryInfo,
  type RejectMessageOptions,
  type RequeueOptions,
} from "./message.js";
export type { MessageIterator } from "./message-iterator.js";
export {
  type AccessTokenFunction,
  type AmqpOptions,
  type AppEngineOptions,
  type ConnectionExtras,
  type ConnectionOptions,
  type ConnectionTarget,
  type CustomConnectionOptions,
  defaults,
  type FailoverStrategy,
  type LeaseOptions,
  type MemoryOptions,
  type PlaceTarget,
  type PostgresOptions,
  type SqliteOptions,
  type TransportOpener,
} from "./options.js";
export type { PasswordFunction } from "./password.js";
export type { CallOptions, ChoiceOptions, MultiCallOptions } from "./pidbox/call-options.js";
export type {
  MailboxType,
  PidboxArguments,
  PidboxReply,
  PidboxRequest,
  ReplyAddress,
} from "./pidbox/layout.js";
export { Mailbox, type MailboxOptions } from "./pidbox/mailbox.js";
export { type PidboxHandler, PidboxNode, type PidboxNodeOptions } from "./pidbox/node.js";
export type { AcquireOptions, PoolOptions, ResizeOptions } from "./pool-options.js";
export { type ChannelPool, type ConnectionPool, insured, Pools, ProducerPool } from "./pools.js";
export { Producer, type ProducerOptions, type Receipt, type ReturnedMessage } from "./producer.js";
export type { PublishOptions } from "./publish-options.js";
export { QoS } from "./qos.js";
export { Queue, type QueueOptions, type QueuePlain } from "./queue.js";
export type { RedisOptions } from "./redis-options.js";
export { type CollectRepliesOptions, collectReplies, type SendReplyOptions, sendReply } from "./replies.js";
export { type Pooled, type ResourceKind, ResourcePool } from "./resource-pool.js";
export type { RetryOptions, RetryPolicy } from "./retry.js";
export { type RpcCallOptions, RpcClient, type RpcOptions } from "./rpc.js";
export type { Schema } from "./schema.js";
export {
  type DumpOptions,
  type LoadOptions,
  type SerializedBody,
  SerializerRegistry,
  type SerializerRegistryOptions,
} from "./serialization.js";
export type { Serializer } from "./serializer.js";
export { type SimpleGetOptions, SimpleQueue, type SimpleQueueOptions } from "./simple-queue.js";
export { TokenBucket } from "./token-bucket.js";
export type { UriOptions } from "./transport-uri.js";
export { type AsUrlOptions, asUrl, maybeSanitizeUrl, parseUrl, sanitizeUrl, type UrlParts } from "./url.js";
export { Worker, type WorkerOptions } from "./worker.js";

// For authors of transports.

export { type BackoffPolicy, backoffMs } from "./backoff.js";
export { decompress } from "./compression.js";
export type {
  BindingDefinition,
  ExchangeBindingDefinition,
  ExchangeDefinition,
  ExchangeType,
  QueueDefinition,
} from "./definitions.js";
export { decodeEnvelope, encodeEnvelope, rawContent } from "./envelope.js";
export { fromQueueError } from "./errors.js";
export type { MessageContent, MessageProperties } from "./message-content.js";
export { BindingTable, topicMatches } from "./routing.js";
export type { EnvelopeAddress, StoredMessage } from "./stored-message.js";
export type {
  DeadLetterTarget,
  DeathReason,
  Delivery,
  DeliveryInfo,
  PublishReceipt,
  ReceiveRequest,
  Receiver,
  ReconnectSettings,
  RejectOptions,
  ReleaseOptions,
  Route,
  Support,
  Topology,
  Transport,
  TransportContext,
  TransportManifest,
} from "./transport.js";
export {
  type CredentialsChoice,
  credentialsSource,
  type OpenTokenSource,
  tokenSourceOf,
} from "./transports/appengine-credentials.js";
export { VirtualTransport, type VirtualTransportOptions } from "./transports/virtual.js";
