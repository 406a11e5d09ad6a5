import { openHttpStore } from "@pullqueue/core/stores/http";
import { fromQueueError } from "../errors.js";
import type { AppEngineSettings } from "../options.js";
import type { Transport, TransportContext } from "../transport.js";
import { fileTokenSource, tokenSourceOf } from "./appengine-credentials.js";
import { VirtualTransport } from "./virtual.js";

/**
 * Queues of a server that speaks App Engine's pull-queue REST API: ours with all extensions, any other without. Errors:
 * `invalid_argument` for a token that would travel unencrypted, and for a credentials file of another kind.
 */
export async function openAppEngineTransport(
  settings: AppEngineSettings,
  context: TransportContext,
): Promise<Transport> {
  const { endpoint, projectName: project, projectPrefix, pollingIntervalMs } = settings;
  const { accessToken, credentialsFile } = settings;
  const tokens =
    accessToken !== undefined
      ? tokenSourceOf(accessToken)
      : credentialsFile !== undefined
        ? fileTokenSource(credentialsFile)
        : undefined;
  try {
    const { clock, random } = context;
    const store = openHttpStore({ endpoint, projectPrefix, pollingIntervalMs, clock, random, tokens });
    return new VirtualTransport({ store, name: "appengine", project, context, lease: settings });
  } catch (error) {
    throw fromQueueError(error); // The store's door, which the transport guards once it is open.
  }
}
