import { realpath } from "node:fs/promises";
import type { Clock } from "../clock.js";
import { newId } from "../ids.js";
import { LOCK_RETRY_MS, LOCK_STALE_MS } from "../limits.js";
import {
  createLockFile,
  fileSystemTimeMs,
  type LockHolder,
  readLockFile,
  removeLockFile,
} from "./lock-file.js";
import { isGone } from "./process-identity.js";

/** How a lock is waited for. */
export interface FileLockOptions {
  readonly clock: Clock;
  /** Ends the waiting, with its reason; work that has begun looks at it itself. */
  readonly signal?: AbortSignal | undefined;
}

/**
 * Does work while no other process, nor another part of this one, does it for the same file: `<path>.lock` says who does. The lock of a
 * process of this machine that has ended is taken over at once; any other when it has not moved for `LOCK_STALE_MS`, so that whoever may
 * stand still for so long (a machine sleeps) looks once more at what it is about to replace. Where no lock can be made, as on a file system
 * that is read-only, the work runs without one: nothing can be written there either. Waits without end unless `signal` says otherwise; no
 * holder keeps it longer than `LOCK_STALE_MS`.
 */
export async function withFileLock<T>(
  path: string,
  { clock, signal }: FileLockOptions,
  work: () => Promise<T>,
): Promise<T> {
  // One file may have several names; only the real one is the same for all.
  const lockPath = `${await realpath(path).catch(() => path)}.lock`;
  const id = newId();
  if (!(await acquire(lockPath, id, { clock, signal }))) return work();
  try {
    return await work();
  } finally {
    removeLockFile(lockPath, id, (holder) => isStale(holder, lockPath, clock));
  }
}

/** Resolves to false where no lock can be made. */
async function acquire(lockPath: string, id: string, { clock, signal }: FileLockOptions): Promise<boolean> {
  let seen = { id: "", sinceUs: 0 };
  for (;;) {
    signal?.throwIfAborted();
    const outcome = createLockFile(lockPath, id);
    if (outcome !== "exists") return outcome === "created";
    const holder = readLockFile(lockPath);
    const nowUs = clock.nowUs();
    if (holder !== undefined && holder.id !== seen.id) seen = { id: holder.id, sinceUs: nowUs };
    if (
      holder !== undefined &&
      (nowUs - seen.sinceUs >= LOCK_STALE_MS * 1000 || isStale(holder, lockPath, clock))
    ) {
      const removal = removeLockFile(lockPath, holder.id, (other) => isStale(other, lockPath, clock));
      if (removal === "impossible") return false;
      if (removal === "removed") continue;
    }
    await pause(clock, signal);
  }
}

/**
 * Whether its holder has ended, or it is so old that its holder must stand still. A file from the future is left to whoever watches it. An old
 * one is old by the file system's clock too: that of another machine may be behind ours, and every lock would look old.
 */
function isStale({ owner, modifiedMs }: LockHolder, lockPath: string, clock: Clock): boolean {
  if (owner !== undefined && isGone(owner)) return true;
  if (clock.nowUs() / 1000 - modifiedMs < LOCK_STALE_MS) return false;
  const nowMs = fileSystemTimeMs(lockPath);
  return nowMs === undefined || nowMs - modifiedMs >= LOCK_STALE_MS;
}

function pause(clock: Clock, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      cancel();
      signal?.removeEventListener("abort", done);
      resolve();
    };
    const cancel = clock.timer(LOCK_RETRY_MS, done, { keepAlive: true });
    signal?.addEventListener("abort", done, { once: true });
  });
}
