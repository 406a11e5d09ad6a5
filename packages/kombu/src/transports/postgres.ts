import { openPostgresStore } from "@pullqueue/core/stores/postgres";
import { fromQueueError } from "../errors.js";
import type { PostgresSettings } from "../options.js";
import type { Transport, TransportContext } from "../transport.js";
import { VirtualTransport } from "./virtual.js";

/**
 * Queues in a PostgreSQL database: durable, shared by any number of programs and servers, without one between. Needs the
 * package pg; without it `not_supported`.
 */
export async function openPostgresTransport(
  settings: PostgresSettings,
  context: TransportContext,
): Promise<Transport> {
  const { url, projectName: project } = settings;
  try {
    const store = await openPostgresStore({ url, clock: context.clock });
    return new VirtualTransport({ store, name: "postgres", project, context, lease: settings });
  } catch (error) {
    throw fromQueueError(error); // The store's door, which the transport guards once it is open.
  }
}
