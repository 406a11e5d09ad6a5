import { parseProject, type QueueError, type QueueKey } from "@pullqueue/core";
import { type HttpStore, openHttpStore } from "@pullqueue/core/stores/http";
import type { GlobalOptions, Terminal } from "./command.js";
import { ENDPOINT_DEFAULT, PATIENCE_MS, PROJECT_DEFAULT } from "./limits.js";
import { tokenSource } from "./token-source.js";

/** A server, and the project whose queues a command means. */
export interface Client {
  readonly store: HttpStore;
  /** Without its prefix. */
  readonly project: string;
  /** A queue of the project. */
  readonly key: (queue: string) => QueueKey;
}

/** Runs `work` with the server that options, or else the environment, name; closes the connections after it. `onRetry` hears of repeated calls. */
export async function withClient<T>(
  options: GlobalOptions,
  { env, onRetry }: Pick<Terminal, "env"> & { readonly onRetry?: (error: QueueError) => void },
  work: (client: Client) => Promise<T>,
): Promise<T> {
  const given = options.project ?? nonEmpty(env.PULLQUEUE_PROJECT) ?? PROJECT_DEFAULT;
  const project = parseProject(given);
  // A prefixed project is used as given.
  const projectPrefix = given === project ? undefined : given.slice(0, -project.length);
  await using store = openHttpStore({
    endpoint: options.endpoint ?? nonEmpty(env.PULLQUEUE_ENDPOINT) ?? ENDPOINT_DEFAULT,
    projectPrefix,
    tokens: tokenSource(options, env),
    deadlineMs: PATIENCE_MS,
    onRetry,
  });
  return await work({ store, project, key: (queue) => ({ project, queue }) });
}

/** An empty variable is one that is not set, as in files of service managers. */
function nonEmpty(value: string | undefined): string | undefined {
  return value === "" ? undefined : value;
}
