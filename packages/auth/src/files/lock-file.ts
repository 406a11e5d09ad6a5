import {
  closeSync,
  constants,
  fstatSync,
  linkSync,
  lstatSync,
  openSync,
  readSync,
  type Stats,
  unlinkSync,
  writeFileSync,
} from "node:fs";
import { newId } from "../ids.js";
import { systemCode } from "./file-errors.js";
import { isObject } from "./json-fields.js";
import { type ProcessIdentity, thisProcess } from "./process-identity.js";
import { temporaryName } from "./temporary-name.js";

/**
 * Lock files, made and removed so that no two ever hold one. Calls are synchronous: between two of them lie microseconds, so that a
 * process is hardly ever stopped there.
 *
 * Removing is the difficult part: two who find the same dead lock must not both remove it, because the second would remove the lock
 * that the first has made since. So each lock has an id that never comes back, and whoever removes it, its holder included, first makes
 * a claim, `<lock>.<id>`, in the same exclusive way as a lock. Under the claim the lock is read again; if it still has that id, nobody
 * else can remove it. A claim whose maker died is removed by the same rule, one step deeper. Once the lock has another id, claims on the
 * one before are waste.
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

/** Exclusively, for its owner alone. */
const WRITTEN_ONCE = { flag: "wx", mode: 0o600 } as const;

/** More than a lock of ours ever has. */
const LOCK_BYTES_MAX = 1024;

/** Makes a lock, unless there is one. "impossible" where no file can be made at all. */
export function createLockFile(path: string, id: string): "created" | "exists" | "impossible" {
  const content = JSON.stringify({ id, ...thisProcess() });
  const temporary = temporaryName(path);
  try {
    // The usual reason not to get one, without a file made for nothing.
    if (lstatSync(path, { throwIfNoEntry: false }) !== undefined) return "exists";
    writeFileSync(temporary, content, WRITTEN_ONCE);
    try {
      // Under its name it is whole from the first moment, so that it says who made it even if that one is killed now.
      linkSync(temporary, path);
    } catch (error) {
      if (systemCode(error) === "EEXIST") return "exists";
      // Some file systems have no links; there a process that is killed here leaves a lock that only grows stale.
      writeFileSync(path, content, WRITTEN_ONCE);
    }
  } catch (error) {
    return systemCode(error) === "EEXIST" ? "exists" : "impossible";
  } finally {
    unlinkQuietly(temporary);
  }
  // Whoever stood still between two calls for too long has lost it already.
  return readLockFile(path)?.id === id ? "created" : "exists";
}

/** The time by the clock of the lock's file system, in milliseconds since the epoch; undefined where no file can be made beside it. */
export function fileSystemTimeMs(path: string): number | undefined {
  const temporary = temporaryName(path);
  try {
    writeFileSync(temporary, "", WRITTEN_ONCE);
    return lstatSync(temporary).mtimeMs;
  } catch {
    // Then no lock can be made or removed either.
    return undefined;
  } finally {
    unlinkQuietly(temporary);
  }
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
    return { stats: fstatSync(descriptor), content: contentOf(textOf(descriptor)) };
  } finally {
    closeSync(descriptor);
  }
}

/** Other programs' locks are folders, and somebody may hold a pipe open: they are there, and say nothing. */
function textOf(descriptor: number): string {
  const buffer = Buffer.alloc(LOCK_BYTES_MAX);
  try {
    return buffer.toString("utf8", 0, readSync(descriptor, buffer));
  } catch {
    return "";
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

/** The id of the lock that a file beside it is a claim on, or a claim on a claim on; undefined for other names. */
export function claimedId(name: string, lockName: string): string | undefined {
  if (!name.startsWith(`${lockName}.`)) return undefined;
  return /^([0-9a-f]{24}|\d+-\d+)(?:\.(?:[0-9a-f]{24}|\d+-\d+))*$/.exec(name.slice(lockName.length + 1))?.[1];
}
