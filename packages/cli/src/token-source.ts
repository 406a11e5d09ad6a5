import { open } from "node:fs/promises";
import { QueueError, type TokenSource } from "@pullqueue/core";
import { fileTokenSource, tokenSourceOf } from "@pullqueue/kombu";
import type { GlobalOptions, Terminal } from "./command.js";
import { TOKEN_FILE_BYTES_MAX } from "./limits.js";

/** Where the token of a command comes from. It is never an option: others can read a command line. */

/** The token source that options, or else the environment, name; undefined for none. Error: `invalid_argument` for two of them. */
export function tokenSource(options: GlobalOptions, env: Terminal["env"]): TokenSource | undefined {
  return (
    onlyOne([
      ["--credentials", options.credentials, fileTokenSource],
      ["--token-file", options.tokenFile, plainFileTokenSource],
    ]) ??
    onlyOne([
      ["PULLQUEUE_CREDENTIALS", env.PULLQUEUE_CREDENTIALS, fileTokenSource],
      ["PULLQUEUE_TOKEN_FILE", env.PULLQUEUE_TOKEN_FILE, plainFileTokenSource],
      ["PULLQUEUE_TOKEN", env.PULLQUEUE_TOKEN, tokenSourceOf],
      ["PULLQUEUE_ACCESS_TOKEN", env.PULLQUEUE_ACCESS_TOKEN, tokenSourceOf],
    ])
  );
}

type Place = readonly [name: string, given: string | undefined, source: (given: string) => TokenSource];

function onlyOne(places: readonly Place[]): TokenSource | undefined {
  // An empty variable is one that is not set, as in files of service managers.
  const set = places.filter(([, given]) => given !== undefined && given !== "");
  const [first, second] = set;
  if (first === undefined) return undefined;
  if (second === undefined) return first[2](first[1] ?? "");
  throw new QueueError(
    "invalid_argument",
    `${first[0]} and ${second[0]} both say which token to send; give one`,
  );
}

/** A source of the token that is all of a file. It is read again when the server has refused it: somebody may have replaced it. */
function plainFileTokenSource(path: string): TokenSource {
  let token: Promise<string> | undefined;
  return {
    getAccessToken({ rejected }) {
      if (rejected !== undefined) token = undefined;
      token ??= readPlainFile(path);
      return token;
    },
  };
}

async function readPlainFile(path: string): Promise<string> {
  const buffer = Buffer.alloc(TOKEN_FILE_BYTES_MAX + 1);
  let bytesRead: number;
  try {
    await using file = await open(path);
    ({ bytesRead } = await file.read(buffer));
  } catch (cause) {
    const code = (cause as NodeJS.ErrnoException).code ?? "unknown error";
    throw new QueueError("invalid_argument", `cannot read the token file ${JSON.stringify(path)} (${code})`, {
      cause,
    });
  }
  const token = buffer.toString("utf8", 0, bytesRead).trim();
  if (bytesRead <= TOKEN_FILE_BYTES_MAX && /^[\x21-\x7e]+$/.test(token)) return token;
  throw new QueueError(
    "invalid_argument",
    `the token file ${JSON.stringify(path)} must hold a token and nothing else; a JSON file with an "access_token" is for --credentials`,
  );
}
