import { type FileHandle, open, rename, rm, stat } from "node:fs/promises";
import { basename } from "node:path";
import { type Clock, QueueError } from "@pullqueue/core";
import { LOCK_LOOK_MS, LOCK_PATIENCE_MS, LOCK_STALE_MS, TOKEN_FILE_BYTES_MAX } from "../limits.js";
import { type StoredToken, type StoredTokenJson, storedTokenOf, storedTokenToJson } from "./stored-token.js";

/** The file that this server's own tokens live in. It has their hashes, so that whoever reads it cannot call. */

/** What tells one state of a file from another. */
export type FileState = string;

/** The state of a file, or undefined when it is not there. */
export async function fileStateOf(path: string): Promise<FileState | undefined> {
  try {
    const { ino, size, mtimeNs } = await stat(path, { bigint: true });
    return `${ino}/${size}/${mtimeNs}`;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw unreadable(path, error);
  }
}

/** The tokens of a file; none when it is not there. Error: `invalid_argument`, saying what is wrong with it. */
export async function readTokenFile(path: string): Promise<readonly StoredToken[]> {
  let file: FileHandle;
  try {
    file = await open(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return [];
    throw unreadable(path, error);
  }
  try {
    await checkOwned(path, file);
    return parse(path, await file.readFile("utf8"));
  } finally {
    await file.close();
  }
}

/**
 * Replaces the tokens of a file, one process at a time: a reader sees the old ones or the new ones. Made with mode 0600.
 * Errors: as `readTokenFile`, and `unavailable` when another command holds the file for too long.
 */
export async function changeTokenFile<T>(
  path: string,
  clock: Clock,
  change: (tokens: readonly StoredToken[]) => { readonly tokens: readonly StoredToken[]; readonly result: T },
): Promise<T> {
  const lock = `${path}.lock`;
  await takeLock(lock, clock);
  try {
    const { tokens, result } = change(await readTokenFile(path));
    await replace(path, `${JSON.stringify({ tokens: tokens.map(storedTokenToJson) }, null, 2)}\n`);
    return result;
  } finally {
    await rm(lock, { force: true });
  }
}

async function replace(path: string, text: string): Promise<void> {
  const next = `${path}.new`;
  await rm(next, { force: true });
  const file = await open(next, "wx", 0o600);
  try {
    await file.writeFile(text);
    await file.sync();
  } finally {
    await file.close();
  }
  await rename(next, path);
}

async function takeLock(lock: string, clock: Clock): Promise<void> {
  const untilUs = clock.nowUs() + LOCK_PATIENCE_MS * 1000;
  for (;;) {
    try {
      return await (await open(lock, "wx", 0o600)).close();
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw unwritable(lock, error);
    }
    if (await isStale(lock, clock)) await rm(lock, { force: true });
    else if (clock.nowUs() > untilUs) {
      throw new QueueError(
        "unavailable",
        `another command is changing the tokens; if none is, remove ${JSON.stringify(lock)}`,
      );
    } else await new Promise<void>((resolve) => void clock.timer(LOCK_LOOK_MS, resolve, { keepAlive: true }));
  }
}

/** A command takes milliseconds: a lock of minutes ago is one of a command that was killed. */
async function isStale(lock: string, clock: Clock): Promise<boolean> {
  try {
    return clock.nowUs() / 1000 - (await stat(lock)).mtimeMs > LOCK_STALE_MS;
  } catch {
    return false; // Gone in the meantime; the next attempt may take it.
  }
}

/** Whoever may write the file may make tokens for anybody. */
async function checkOwned(path: string, file: FileHandle): Promise<void> {
  const { mode, size } = await file.stat();
  if ((mode & 0o022) !== 0) {
    throw refused(path, `may be written by others than its owner; run: chmod 600 ${path}`);
  }
  if (size > TOKEN_FILE_BYTES_MAX) throw refused(path, `has more than ${TOKEN_FILE_BYTES_MAX} bytes`);
}

function parse(path: string, text: string): readonly StoredToken[] {
  const tokens = tokensIn(text);
  if (tokens === undefined) throw refused(path, "is not one that `pullqueue token create` wrote");
  return tokens.map((token, index) => {
    const stored = storedTokenOf(token);
    if (stored !== undefined) return stored;
    throw refused(path, `has a token that cannot be read, number ${index + 1} of ${tokens.length}`);
  });
}

function tokensIn(text: string): readonly StoredTokenJson[] | undefined {
  try {
    const { tokens } = JSON.parse(text);
    return Array.isArray(tokens) ? tokens : undefined;
  } catch {
    return undefined; // The caller says so, without the parser's quote.
  }
}

function refused(path: string, what: string): QueueError {
  return new QueueError("invalid_argument", `the tokens file ${JSON.stringify(path)} ${what}`);
}

function unreadable(path: string, error: unknown): QueueError {
  return failed(`cannot read the tokens file ${JSON.stringify(path)}`, error);
}

function unwritable(lock: string, error: unknown): QueueError {
  return failed(`cannot write ${JSON.stringify(basename(lock))} beside the tokens file`, error);
}

function failed(what: string, cause: unknown): QueueError {
  const code = (cause as NodeJS.ErrnoException).code ?? "unknown error";
  return new QueueError("invalid_argument", `${what} (${code})`, { cause });
}
