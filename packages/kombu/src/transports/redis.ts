import type { RedisSettings } from "../redis-options.js";
import type { Transport, TransportContext } from "../transport.js";
import { RedisTransport } from "./redis-transport.js";

export { redisSettings } from "../redis-options.js";

/**
 * Queues in Redis (6.2 or newer) where Python's kombu has them. Needs the package ioredis; without it `not_supported`. A server
 * that cannot be reached is no error here: calls wait for it, each as long as it may.
 */
export async function openRedisTransport(
  settings: RedisSettings,
  context: TransportContext,
): Promise<Transport> {
  return new RedisTransport(settings, context).start();
}
