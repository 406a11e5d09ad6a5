// For users of stores.

export { openStore, openTransferStore } from "./open-store.js";
export { parseStoreAddress, type StoreAddress } from "./store-address.js";
export { type HttpStore, openHttpStore } from "./stores/http.js";
export type { HttpStoreOptions } from "./stores/http-options.js";
export { openMemoryStore } from "./stores/memory.js";
export type { MemoryStoreOptions, SharedPayloads } from "./stores/memory-options.js";
export { openPostgresStore, type PostgresStoreOptions } from "./stores/postgres.js";
export type {
  PostgresClient,
  PostgresPool,
  PostgresQuery,
  PostgresResult,
  PostgresRow,
} from "./stores/postgres-pool.js";
export { openSqliteStore, type SqliteStoreOptions } from "./stores/sqlite.js";
export type { SqliteDatabase, SqliteStatement } from "./stores/sqlite-database.js";

// For authors of servers, clients and stores.

export { abortable, pause } from "./abortable.js";
export { decodePayload, encodePayload } from "./base64.js";
export { checkedStore } from "./checked-store.js";
export {
  type Clock,
  type ClockReading,
  clockOfReading,
  type ManualClock,
  manualClock,
  readClock,
  systemClock,
  type TimerOptions,
} from "./clock.js";
export { isLoopback } from "./endpoint.js";
export {
  isQueueError,
  QUEUE_ERROR_CODES,
  QueueError,
  type QueueErrorCode,
  type QueueErrorDetails,
} from "./errors.js";
export { handlerClient } from "./handler-client.js";
export type { HttpClient, HttpRequest, HttpResponse, TokenQuery, TokenSource } from "./http-client.js";
export { errorFromWire, errorToWire, type WireError, type WireErrorOverride } from "./http-status.js";
export {
  type IdSource,
  idSource,
  newIdempotencyKey,
  newRequestId,
  newSecret,
  newUuid,
  randomFraction,
} from "./ids.js";
export * as limits from "./limits.js";
export type {
  Arrival,
  ExactLease,
  LeaseAnswer,
  MoveChunk,
  NaiveStore,
  PauseState,
  StatsChoice,
  SweepChunk,
  TaskPosition,
} from "./naive-store.js";
export {
  checkQueueNameRule,
  type ProjectPrefix,
  parseFullQueueName,
  parseProject,
  projectWithPrefix,
} from "./names.js";
export { queuePageToken } from "./page-token.js";
export { releasesByQueue } from "./releases.js";
export {
  BASE_PATH,
  buildPath,
  DISCOVERY_PATH,
  matchRoute,
  ROUTES,
  type Route,
  type RouteMatch,
  type RouteName,
  type RouteParameters,
} from "./routes.js";
export type {
  CallOptions,
  PurgeOptions,
  QueueAdmin,
  QueueStore,
  StoreManifest,
  StoreObserver,
  StoreOptions,
  SweepResult,
} from "./store.js";
export { ExpiringMap } from "./stores/expiring-map.js";
export { parseTakingPayloads } from "./taken-payloads.js";
export {
  DEFAULT_QUEUE_SETTINGS,
  type DeadLetter,
  type ItemResult,
  type LeaseExtension,
  type LeaseFence,
  type LeaseRequest,
  type NewTask,
  type PeekQuery,
  type QueueAcl,
  type QueueInfo,
  type QueueKey,
  type QueuePage,
  type QueueSettings,
  type QueueStats,
  type TagFilter,
  type TagStats,
  type TagStatsPage,
  type Task,
  type TaskPage,
  type TaskWithPayload,
} from "./task.js";
export { isTraceparent, isTracestate } from "./trace-context.js";
export type {
  ExportedTask,
  QueueTransfer,
  TaskRecord,
  TombstoneRecord,
  TransferStore,
} from "./transfer.js";
export { type UndiciClientOptions, undiciClient } from "./undici-client.js";
export {
  checkQueueName,
  extensionFromWire,
  extensionToWire,
  fenceFromWire,
  fenceToWire,
  itemResultFromWire,
  itemResultToWire,
  newTaskFromWire,
  newTaskToWire,
  type TraceContext,
  taskFromWire,
  taskToWire,
  type WireItemResult,
  type WireTask,
} from "./wire.js";
export {
  queueFromWire,
  queueNameToWire,
  queueToWire,
  settingsFromWire,
  tagStatsToWire,
  type WireTaskQueue,
} from "./wire-queue.js";
export {
  describe,
  type JsonObject,
  readBoolean,
  readInteger,
  readObject,
  readString,
  readStrings,
} from "./wire-read.js";
export { isAsciiTask, taskToText } from "./wire-text.js";
