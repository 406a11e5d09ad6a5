import { readFile } from "node:fs/promises";
import {
  parseProject,
  type QueueAdmin,
  QueueError,
  type QueueKey,
  type QueueStore,
  type TokenSource,
} from "@pullqueue/core";
import { parseEndpoint } from "./argument-parsers.js";
import type { GlobalOptions, Terminal } from "./command.js";
import { CREDENTIALS_BYTES_MAX, ENDPOINT_DEFAULT, PROJECT_DEFAULT } from "./limits.js";

/** A server, and the project whose queues a command means. */
export interface Client {
  readonly store: QueueStore & QueueAdmin;
  /** Without its prefix. */
  readonly project: string;
  /** A queue of the project. */
  readonly key: (queue: string) => QueueKey;
}

/** Runs `work` with the server that options, or else the environment, name; closes the connections after it. */
export async function withClient<T>(
  options: GlobalOptions,
  { env }: Pick<Terminal, "env">,
  work: (client: Client) => Promise<T>,
): Promise<T> {
  const given = options.project ?? nonEmpty(env.PULLQUEUE_PROJECT) ?? PROJECT_DEFAULT;
  const endpoint = options.endpoint ?? endpointVariable(env);
  const tokens = await tokenSource(options, env);
  const { openHttpStore } = await import("@pullqueue/core");
  await using store = openHttpStore({ endpoint, ...(tokens === undefined ? {} : { tokens }) });
  const project = parseProject(given);
  return await work({ store, project, key: (queue) => ({ project, queue }) });
}

function endpointVariable(env: Terminal["env"]): string {
  const value = nonEmpty(env.PULLQUEUE_ENDPOINT);
  if (value === undefined) return ENDPOINT_DEFAULT;
  try {
    return parseEndpoint(value);
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new QueueError("invalid_argument", `PULLQUEUE_ENDPOINT: ${why}`, { cause });
  }
}

async function tokenSource(options: GlobalOptions, env: Terminal["env"]): Promise<TokenSource | undefined> {
  const file = options.credentials ?? nonEmpty(env.PULLQUEUE_CREDENTIALS);
  const token = file === undefined ? nonEmpty(env.PULLQUEUE_ACCESS_TOKEN) : await tokenOfFile(file);
  return token === undefined ? undefined : { getAccessToken: async () => token };
}

/** The token in `{"access_token": "…"}`. A complaint never shows what the file holds. */
async function tokenOfFile(path: string): Promise<string> {
  const complain = (what: string, cause?: unknown) =>
    new QueueError("invalid_argument", `--credentials ${path}: ${what}`, { cause });
  let text: string;
  try {
    text = await readFile(path, "utf8");
  } catch (cause) {
    const { code = "unknown error" } = cause as NodeJS.ErrnoException;
    throw complain(`the file cannot be read (${code})`, cause);
  }
  const expected = 'expected a JSON file such as {"access_token": "…"}';
  if (text.length > CREDENTIALS_BYTES_MAX) throw complain(`${expected}, got ${text.length} characters`);
  const token = accessTokenIn(text);
  if (token === undefined) {
    throw complain(`${expected}; other kinds of credentials are not supported yet`);
  }
  return token;
}

function accessTokenIn(text: string): string | undefined {
  try {
    const { access_token: token } = JSON.parse(text) as { access_token?: unknown };
    return typeof token === "string" && token !== "" ? token : undefined;
  } catch {
    return undefined; // Not JSON, or not an object: said together with every other wrong form.
  }
}

function nonEmpty(value: string | undefined): string | undefined {
  return value === "" ? undefined : value;
}
