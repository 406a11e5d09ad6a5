import { QueueError } from "@pullqueue/core";
import { readTextFile } from "../config.js";
import type { IntrospectionClient } from "./introspection.js";

const OPTION = "--introspection-client-file (PULLQUEUE_INTROSPECTION_CLIENT_FILE)";

/** Who this server is to the authorization server: of a file, or of the environment. Never of a flag: others can read a command line. Error: `invalid_argument`. */
export async function readIntrospectionClient(config: {
  readonly introspectionClientFile: string | undefined;
  readonly introspectionClientId: string | undefined;
  readonly introspectionClientSecret: string | undefined;
}): Promise<IntrospectionClient> {
  const {
    introspectionClientFile: path,
    introspectionClientId: id = "",
    introspectionClientSecret: secret = "",
  } = config;
  if (path === undefined) return { id, secret };
  const { client_id, client_secret } = fieldsOf(await readTextFile(path, OPTION));
  if (isFilled(client_id) && isFilled(client_secret)) return { id: client_id, secret: client_secret };
  throw new QueueError(
    "invalid_argument",
    `${OPTION}: ${JSON.stringify(path)} must be a JSON object with client_id and client_secret`,
  );
}

function isFilled(value: unknown): value is string {
  return typeof value === "string" && value !== "";
}

function fieldsOf(text: string): Readonly<Record<string, unknown>> {
  try {
    return (JSON.parse(text) as Readonly<Record<string, unknown>> | null) ?? {};
  } catch {
    return {}; // The caller says what is expected, without the parser's quote.
  }
}
