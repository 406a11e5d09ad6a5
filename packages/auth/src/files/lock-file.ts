import {
  closeSync,
  constants,
  fstatSync,
  lstatSync,
  openSync,
  readSync,
  type Stats,
  unlinkSync,
  writeSync,
} from "node:fs";
import { newId } from "../ids.js";
import { systemCode } from "./file-errors.js";
import { isObject } from "./json-fields.js";
import { type ProcessIdentity, thisProcess } from "./process-identity.js";

/**
 * Lock files, made and removed so that no two ever hold one. Calls are synchronous: between two of them lie microseconds, so that a
 * process is hardly ever stopped there.
 *
 * Removing is the difficult part: two who find the same dead lock must not both remove it, because the second would remove the lock
 * that the first has made since. So each lock has an id that never comes back, and whoever removes it, its holder included, first makes
 * a claim, `<lock>.<id>`, in the same exclusive way as a lock. Under the claim the lock is read again; if it still has that id, nobody
 * else can remove it. A claim whose maker died is removed by the same rule, one step deeper.
 */

/** Who holds a lock. */
export interface LockHolder {
  /** Never comes back. Of a file that is not ours, made from its number and time. */
  readonly id: string;
  /** Undefined where the file does not say. */
  readonly owner: ProcessIdentity | undefined;
  readonly modifiedMs: number;
}

/** How deep claims on claims go before one waits instead: each step needs a process that died within microseconds. */
const CLAIM_DEPTH_MAX = 3;

/** More than a lock of ours ever has. */
const LOCK_BYTES_MAX = 1024;

/** Makes a lock, unless there is one. "impossible" where no file can be made at all. */
export function createLockFile(path: string, id: string): "created" | "exists" | "impossible" {
  let descriptor: number;
  try {
    descriptor = openSync(path, "wx", 0o600);
  } catch (error) {
    return systemCode(error) === "EEXIST" ? "exists" : "impossible";
  }
  try {
    writeSync(descriptor, JSON.stringify({ id, ...thisProcess() }));
  } catch {
    // The disk is full.
    unlinkQuietly(path);
    return "impossible";
  } finally {
    closeSync(descriptor);
  }
  // Whoever stood still between the two calls for too long has lost it already.
  return readLockFile(path)?.id === id ? "created" : "exists";
}

/** Who holds a lock; undefined when nobody does. */
export function readLockFile(path: string): LockHolder | undefined {
  try {
    const { stats, content } = statAndContent(path);
    return {
      id: content?.id ?? `${stats.ino}-${Math.trunc(stats.ctimeMs)}`,
      owner: content?.owner,
      modifiedMs: stats.mtimeMs,
    };
  } catch {
    // It was removed meanwhile.
    return undefined;
  }
}

/**
 * Removes the lock with this id, and no other. "kept" when somebody else is about to. `isStale` says whether a claim's maker has ended.
 */
export function removeLockFile(
  path: string,
  id: string,
  isStale: (holder: LockHolder) => boolean,
  depth = 0,
): "removed" | "kept" | "impossible" {
  const claim = `${path}.${id}`;
  const outcome = claimIt(claim, isStale, depth);
  if (outcome !== "created") return outcome === "exists" ? "kept" : outcome;
  try {
    if (readLockFile(path)?.id === id) unlinkSync(path);
    return "removed";
  } catch {
    return "impossible";
  } finally {
    unlinkQuietly(claim);
  }
}

function claimIt(claim: string, isStale: (holder: LockHolder) => boolean, depth: number) {
  const outcome = createLockFile(claim, newId());
  if (outcome !== "exists" || depth === CLAIM_DEPTH_MAX) return outcome;
  const other = readLockFile(claim);
  if (other === undefined || !isStale(other)) return outcome;
  removeLockFile(claim, other.id, isStale, depth + 1);
  return createLockFile(claim, newId());
}

/** Both of one file, even if another takes its place between. Another user's can be looked at, but not read. */
function statAndContent(path: string): { readonly stats: Stats; readonly content: LockContent | undefined } {
  let descriptor: number;
  try {
    descriptor = openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  } catch {
    return { stats: lstatSync(path), content: undefined };
  }
  try {
    const buffer = Buffer.alloc(LOCK_BYTES_MAX);
    const bytes = readSync(descriptor, buffer);
    return { stats: fstatSync(descriptor), content: contentOf(buffer.toString("utf8", 0, bytes)) };
  } finally {
    closeSync(descriptor);
  }
}

interface LockContent {
  readonly id: string;
  readonly owner: ProcessIdentity;
}

function contentOf(text: string): LockContent | undefined {
  try {
    const json: unknown = JSON.parse(text);
    if (!isObject(json)) return undefined;
    const { id, pid, world, started } = json;
    if (typeof id !== "string" || !/^[0-9a-f]{24}$/.test(id) || !Number.isSafeInteger(pid)) return undefined;
    return { id, owner: { pid: Number(pid), world: String(world), started: String(started) } };
  } catch {
    // Empty, or somebody else's.
    return undefined;
  }
}

function unlinkQuietly(path: string): void {
  try {
    unlinkSync(path);
  } catch {
    // It is gone already.
  }
}
