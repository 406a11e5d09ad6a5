import type { TokenSource } from "@pullqueue/core";
import { openHttpStore } from "@pullqueue/core/stores/http";
import { fromQueueError } from "../errors.js";
import type { AppEngineSettings } from "../options.js";
import type { Transport, TransportContext } from "../transport.js";
import { credentialsSource, type OpenTokenSource, tokenSourceOf } from "./appengine-credentials.js";
import { VirtualTransport } from "./virtual.js";

/**
 * Queues of a server that speaks App Engine's pull-queue REST API: ours with all extensions, any other without. Error:
 * `invalid_argument` for a token that would travel unencrypted. Credentials are read when the first token is needed.
 */
export async function openAppEngineTransport(
  settings: AppEngineSettings,
  context: TransportContext,
): Promise<Transport> {
  const { endpoint, projectName: project, projectPrefix, pollingIntervalMs } = settings;
  const given = givenTokens(settings);
  const credentials = given === undefined ? credentialsOf(settings) : undefined;
  const tokens = given ?? credentials;
  try {
    const { clock, random, reconnect, report } = context;
    // A client that may not wait makes one attempt, however long that takes.
    const deadlineMs = reconnect === undefined ? undefined : Math.max(1, reconnect.patienceMs);
    const onRetry = (error: unknown) => report?.(fromQueueError(error));
    const calls = { clock, random, tokens, deadlineMs, onRetry };
    const store = openHttpStore({ endpoint, projectPrefix, pollingIntervalMs, ...calls });
    const closeStore = async () => {
      try {
        await store.close();
      } finally {
        await credentials?.close();
      }
    };
    const reach = (signal: AbortSignal | undefined) => store.ready({ signal, patienceMs: 0 });
    const options = { store, name: "appengine", project, context, lease: settings };
    return new VirtualTransport({ ...options, reach, closeStore });
  } catch (error) {
    throw fromQueueError(error); // The store's door, which the transport guards once it is open.
  }
}

/** What the program has for us. */
function givenTokens({ accessToken, tokenSource }: AppEngineSettings): TokenSource | undefined {
  return accessToken === undefined ? tokenSource : tokenSourceOf(accessToken);
}

function credentialsOf(settings: AppEngineSettings): OpenTokenSource | undefined {
  const { endpoint, credentialsFile, audience, scopes } = settings;
  return credentialsSource({
    endpoint,
    ...(credentialsFile === undefined ? {} : { credentialsFile }),
    ...(audience === undefined ? {} : { audience }),
    ...(scopes === undefined ? {} : { scopes }),
  });
}
