import { lstat, readdir, unlink } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import type { Clock } from "../clock.js";
import { newId } from "../ids.js";
import { LEFTOVER_MS } from "../limits.js";
import { isGone, thisProcess } from "./process-identity.js";

/** A name for a file that will replace another, which says whose it is: what a crash leaves can be told from work in progress. */
export function temporaryName(name: string): string {
  const { pid, world, started } = thisProcess();
  return `${name}.${world}-${pid}-${started}-${newId()}.tmp`;
}

/**
 * Deletes the temporaries of a file that writers left when they were killed: they hold secrets. Those of processes that may still live
 * stay, unless they are so old that no write lasts that long. Never fails: what cannot be deleted now can be later.
 */
export async function removeLeftovers(path: string, clock: Clock): Promise<void> {
  const folder = dirname(path);
  try {
    for (const name of await readdir(folder)) {
      const owner = ownerOf(name, basename(path));
      if (owner === undefined) continue;
      const file = join(folder, name);
      if (isGone(owner) || (await isOld(file, clock))) await unlink(file);
    }
  } catch {
    // Somebody else cleans up at the same time, or may and we may not.
  }
}

function ownerOf(name: string, base: string) {
  if (!name.startsWith(`${base}.`)) return undefined;
  const [, world, pid, started] =
    /^([0-9a-f]{16})-(\d+)-(\d*)-[0-9a-f]{24}\.tmp$/.exec(name.slice(base.length + 1)) ?? [];
  if (world === undefined || started === undefined) return undefined;
  return { world, pid: Number(pid), started };
}

async function isOld(file: string, clock: Clock): Promise<boolean> {
  return clock.nowUs() / 1000 - (await lstat(file)).mtimeMs > LEFTOVER_MS;
}
