import type { TransportSettings } from "./options.js";
import type { Transport, TransportContext } from "./transport.js";

/** Opens the transport that was asked for. Each is loaded when it is first used, and with it what it needs. */
export async function openTransport(
  { transport, settings }: TransportSettings,
  context: TransportContext,
): Promise<Transport> {
  switch (transport) {
    case "memory":
      return (await import("./transports/memory.js")).openMemoryTransport(settings, context);
    case "sqlite":
      return (await import("./transports/sqlite.js")).openSqliteTransport(settings, context);
    case "postgres":
      return (await import("./transports/postgres.js")).openPostgresTransport(settings, context);
    case "appengine":
      return (await import("./transports/appengine.js")).openAppEngineTransport(settings, context);
    case "redis":
      return (await import("./transports/redis.js")).openRedisTransport(settings, context);
    case "amqp":
      return (await import("./transports/amqp.js")).openAmqpTransport(settings, context);
  }
}
