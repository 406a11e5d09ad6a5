import { lstat, readdir, unlink } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import type { Clock } from "../clock.js";
import { LEFTOVER_MS } from "../limits.js";
import { claimedId, readLockFile } from "./lock-file.js";
import { isGone } from "./process-identity.js";
import { temporaryOwner } from "./temporary-name.js";

/**
 * Deletes what processes left beside a file when they were killed: temporaries, which hold secrets, and claims on locks that are no
 * more. Temporaries of processes that may still live stay, unless they are so old that no write lasts that long. Never fails: what
 * cannot be deleted now can be later.
 */
export async function removeLeftovers(path: string, clock: Clock): Promise<void> {
  const folder = dirname(path);
  try {
    for (const name of await readdir(folder)) {
      const file = join(folder, name);
      if (isClaimOnNothing(name, path) || (await isAbandoned(name, path, clock))) await unlink(file);
    }
  } catch {
    // Somebody else cleans up at the same time, or may and we may not.
  }
}

async function isAbandoned(temporary: string, path: string, clock: Clock): Promise<boolean> {
  const { owner, name } = temporaryOwner(temporary) ?? {};
  if (owner === undefined || name === undefined || !isOurs(name, basename(path))) return false;
  if (isGone(owner)) return true;
  const { mtimeMs } = await lstat(join(dirname(path), temporary));
  return clock.nowUs() / 1000 - mtimeMs > LEFTOVER_MS;
}

/** The file itself, its lock, and claims on that. */
function isOurs(name: string, base: string): boolean {
  return name === base || name === `${base}.lock` || claimedId(name, `${base}.lock`) !== undefined;
}

/** Lock ids never come back: a claim that was there before the lock had another id is of no use to anybody. */
function isClaimOnNothing(name: string, path: string): boolean {
  const claimed = claimedId(name, `${basename(path)}.lock`);
  return claimed !== undefined && readLockFile(`${path}.lock`)?.id !== claimed;
}
