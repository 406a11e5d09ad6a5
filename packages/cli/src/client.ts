import { parseProject, type QueueError, type QueueKey } from "@pullqueue/core";
import { type HttpStore, openHttpStore } from "@pullqueue/core/stores/http";
import type { GlobalOptions, Invocation } from "./command.js";
import { ENDPOINT_DEFAULT, PATIENCE_MS, PROJECT_DEFAULT } from "./limits.js";
import { tokenChoice } from "./token-place.js";
import { tokenSource } from "./token-source.js";

/** A server, and the project whose queues a command means. */
export interface Client {
  readonly store: HttpStore;
  /** Without its prefix. */
  readonly project: string;
  /** A queue of the project. */
  readonly key: (queue: string) => QueueKey;
}

/** What a client takes of the command that it works for. `onRetry` hears of repeated calls. */
type ClientContext = Pick<Invocation, "env" | "output"> & { readonly onRetry?: (error: QueueError) => void };

/** Runs `work` with the server that options, or else the environment, name; closes the connections after it. */
export async function withClient<T>(
  options: GlobalOptions,
  context: ClientContext,
  work: (client: Client) => Promise<T>,
): Promise<T> {
  const { env, onRetry } = context;
  const given = options.project ?? nonEmpty(env.PULLQUEUE_PROJECT) ?? PROJECT_DEFAULT;
  const project = parseProject(given);
  // A prefixed project is used as given.
  const projectPrefix = given === project ? undefined : given.slice(0, -project.length);
  const endpoint = options.endpoint ?? nonEmpty(env.PULLQUEUE_ENDPOINT) ?? ENDPOINT_DEFAULT;
  const tokens = tokenSource(tokenChoice(options, env), endpoint, context);
  try {
    await using store = openHttpStore({ endpoint, projectPrefix, tokens, deadlineMs: PATIENCE_MS, onRetry });
    return await work({ store, project, key: (queue) => ({ project, queue }) });
  } finally {
    await tokens?.close();
  }
}

/** An empty variable is one that is not set, as in files of service managers. */
function nonEmpty(value: string | undefined): string | undefined {
  return value === "" ? undefined : value;
}
