import { open } from "node:fs/promises";
import { QueueError, type TokenQuery } from "@pullqueue/core";
import { credentialsSource, type OpenTokenSource, tokenSourceOf } from "@pullqueue/kombu";
import type { Invocation } from "./command.js";
import { TOKEN_FILE_BYTES_MAX } from "./limits.js";
import type { TokenChoice } from "./token-place.js";

/** Gives the tokens that `choice` means to the server at `endpoint`; undefined when none can be wanted. Whoever calls closes it. */
export function tokenSource(
  { place, audience }: TokenChoice,
  endpoint: string,
  { env, output }: Pick<Invocation, "env" | "output">,
): OpenTokenSource | undefined {
  switch (place?.kind) {
    case "token":
      return { ...tokenSourceOf(place.token), close: async () => {} };
    case "tokenFile":
      return { ...tokenFileSource(place.path), close: async () => {} };
    default:
      return credentialsSource({
        endpoint,
        env,
        onWarning: (message) => output.warn("credentials", message),
        ...(place === undefined ? {} : { credentialsFile: place.path }),
        ...(audience === undefined ? {} : { audience }),
      });
  }
}

/** A source of the token that is all of a file. It is read again when the server has refused it: somebody may have replaced it. */
export function tokenFileSource(path: string) {
  let token: Promise<string> | undefined;
  return {
    getAccessToken({ rejected }: TokenQuery): Promise<string> {
      if (rejected !== undefined) token = undefined;
      token ??= readTokenFile(path);
      return token;
    },
  };
}

async function readTokenFile(path: string): Promise<string> {
  const buffer = Buffer.alloc(TOKEN_FILE_BYTES_MAX + 1);
  let bytesRead: number;
  try {
    await using file = await open(path);
    ({ bytesRead } = await file.read(buffer));
  } catch (cause) {
    const code = (cause as NodeJS.ErrnoException).code ?? "unknown error";
    // The cause names the path as well.
    throw new QueueError("invalid_argument", `cannot read the token file ${shownPath(path)} (${code})`);
  }
  const token = buffer.toString("utf8", 0, bytesRead).trim();
  if (bytesRead <= TOKEN_FILE_BYTES_MAX && /^[\x21-\x7e]+$/.test(token)) return token;
  throw new QueueError(
    "invalid_argument",
    `the token file ${shownPath(path)} must hold a token and nothing else; a JSON file is for --credentials`,
  );
}

/** A path, unless it looks like the token that should be in the file: no folder, and as long as tokens are. */
function shownPath(path: string): string {
  return /^[\w.+=~-]{32,}$/.test(path)
    ? "whose path is not shown, as it may be the token"
    : JSON.stringify(path);
}
