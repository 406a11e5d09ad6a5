import { constants, type Stats } from "node:fs";
import {
  access,
  type FileHandle,
  lstat,
  open,
  readFile,
  realpath,
  rename,
  stat,
  unlink,
} from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { type Clock, systemClock } from "../clock.js";
import { AuthError } from "../errors.js";
import { fileError, MOUNTED, systemCode } from "./file-errors.js";
import { removeLeftovers } from "./leftovers.js";
import { temporaryName } from "./temporary-name.js";

/** For its owner alone. */
const PRIVATE_MODE = 0o600;

/** Of a folder: anybody may make files in it. */
const WRITABLE_BY_ALL = 0o002;

/**
 * Writes a file that only its owner may read (mode 0600), as a whole: whoever reads it, and whoever comes after a crash, finds the old
 * file or the new one, never a part. The owner of a file that is there stays. Symbolic links are refused. Rejects with
 * `not_permitted`, or `not_found` where the folder is missing.
 */
export async function writePrivateFile(
  path: string,
  text: string,
  clock: Clock = systemClock,
): Promise<void> {
  try {
    const temporary = await writeTemporary(path, text);
    try {
      await rename(temporary, path);
    } catch (error) {
      await unlink(temporary).catch(() => {});
      throw error;
    }
    await syncFolder(path);
  } catch (error) {
    throw fileError(error, path, "written");
  }
  await removeLeftovers(path, clock);
}

/** Rejects as `writePrivateFile` would, without changing the file: so that nobody signs in for nothing. */
export async function assertWritable(path: string): Promise<void> {
  try {
    if (await isMountPoint(path)) throw new AuthError("not_permitted", `${path}: ${MOUNTED}`);
    await unlink(await writeTemporary(path, "\n"));
  } catch (error) {
    throw fileError(error, path, "written");
  }
}

/** Deletes a file for good, and what crashed writers of it left. Nothing happens where there is none. Symbolic links are refused. */
export async function removePrivateFile(path: string, clock: Clock = systemClock): Promise<void> {
  try {
    if ((await replaceable(path)) === undefined) return;
    await unlink(path);
    await syncFolder(path);
  } catch (error) {
    throw fileError(error, path, "deleted");
  }
  await removeLeftovers(path, clock);
}

/** Rejects as `removePrivateFile` would, without deleting anything: so that nothing is revoked whose file then stays. */
export async function assertRemovable(path: string): Promise<void> {
  try {
    if (await isMountPoint(path)) throw new AuthError("not_permitted", `${path}: ${MOUNTED}`);
    await replaceable(path);
    // Names are the folder's.
    await access(dirname(path), constants.W_OK);
  } catch (error) {
    throw fileError(error, path, "deleted");
  }
}

/** A file beside it, on disk, that is ready to take its place. */
async function writeTemporary(path: string, text: string): Promise<string> {
  const old = await replaceable(path);
  const temporary = join(dirname(path), temporaryName(basename(path)));
  const file = await open(temporary, "wx", PRIVATE_MODE);
  try {
    await using _ = file;
    if (old !== undefined) await keepOwner(file, old, path);
    await file.writeFile(text, "utf8");
    // Before the rename: else a crash may leave the new name on an empty file.
    await file.sync();
  } catch (error) {
    await unlink(temporary).catch(() => {});
    throw error;
  }
  return temporary;
}

/** The file that is there, if one is; throws when it must not be replaced. */
async function replaceable(path: string): Promise<Stats | undefined> {
  let stats: Stats;
  try {
    stats = await lstat(path);
  } catch (error) {
    if (systemCode(error) === "ENOENT") return undefined;
    throw error;
  }
  if (stats.isSymbolicLink()) {
    throw new AuthError(
      "not_permitted",
      `${path}: the file is a symbolic link, which may lead a secret to where others read it; give the path of the file itself`,
    );
  }
  if (stats.isDirectory()) {
    throw new AuthError("invalid_file", `${path}: expected the path of a file, and this is a folder`);
  }
  if (!stats.isFile()) {
    throw new AuthError(
      "not_permitted",
      `${path}: expected a file that can be replaced, and this is a device, pipe or socket`,
    );
  }
  return stats;
}

/**
 * An administrator's command must not take the file away from its user, nor one user from another. Where everybody may make files, whoever
 * made this one would be given what is written.
 */
async function keepOwner(file: FileHandle, old: Stats, path: string): Promise<void> {
  const fresh = await file.stat();
  if (fresh.uid === old.uid) return;
  if (((await stat(dirname(path))).mode & WRITABLE_BY_ALL) !== 0) {
    throw new AuthError(
      "not_permitted",
      `${path}: the file belongs to another user, in a folder where everybody may make files; choose a folder of your own`,
    );
  }
  try {
    await file.chown(old.uid, old.gid);
  } catch (cause) {
    throw new AuthError("not_permitted", `${path}: the file belongs to another user`, { cause });
  }
}

/** A rename is on disk when its folder is. */
async function syncFolder(path: string): Promise<void> {
  // Windows opens no folders; there the rename is as durable as it gets.
  if (process.platform === "win32") return;
  await using folder = await open(dirname(path), constants.O_RDONLY | constants.O_DIRECTORY);
  await folder.sync();
}

/** Containers are often given a single file; rename() onto it fails (EBUSY), which only Linux lets one see before. */
async function isMountPoint(path: string): Promise<boolean> {
  try {
    const real = await realpath(path);
    const mounts = await readFile("/proc/self/mountinfo", "utf8");
    return mounts.split("\n").some((line) => unescapeOctal(line.split(" ")[4] ?? "") === real);
  } catch {
    // There is no file yet, or no such list on this system.
    return false;
  }
}

/** mountinfo writes blanks and backslashes as three octal digits. */
function unescapeOctal(text: string): string {
  return text.replace(/\\([0-7]{3})/g, (_, digits: string) =>
    String.fromCharCode(Number.parseInt(digits, 8)),
  );
}
