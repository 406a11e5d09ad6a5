import { openSqliteStore } from "@pullqueue/core/stores/sqlite";
import { fromQueueError } from "../errors.js";
import type { SqliteSettings } from "../options.js";
import type { Transport, TransportContext } from "../transport.js";
import { VirtualTransport } from "./virtual.js";

/**
 * Queues in one SQLite file: durable, without a server. Other connections, programs and a server may have the file open too.
 * Needs the package better-sqlite3; without it `not_supported`.
 */
export async function openSqliteTransport(
  settings: SqliteSettings,
  context: TransportContext,
): Promise<Transport> {
  const { path, projectName: project } = settings;
  try {
    const store = await openSqliteStore({ path, clock: context.clock });
    return new VirtualTransport({ store, name: "sqlite", project, context, lease: settings });
  } catch (error) {
    throw fromQueueError(error); // The store's door, which the transport guards once it is open.
  }
}
