import { spawnSync } from "node:child_process";
import {
  closeSync,
  constants,
  existsSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { type TemporaryFolder, temporaryFolder } from "@pullqueue/testing";
import { afterEach, beforeEach, describe, expect, onTestFinished, test } from "vitest";
import { systemClock } from "../../src/clock.js";
import { withFileLock } from "../../src/files/file-lock.js";
import { thisProcess } from "../../src/files/process-identity.js";
import { newId } from "../../src/ids.js";
import { LOCK_RETRY_MS, LOCK_STALE_MS } from "../../src/limits.js";
import { manualClock } from "../support/manual-clock.js";

let folder: TemporaryFolder;
let path: string;
let lockPath: string;
beforeEach(() => {
  folder = temporaryFolder();
  path = folder.file("credentials.json");
  lockPath = `${path}.lock`;
  writeFileSync(path, "{}");
});
afterEach(() => folder[Symbol.dispose]());

const clock = systemClock;

/** A lock as a process of another machine made it. */
function lockOfElsewhere(): void {
  writeFileSync(lockPath, JSON.stringify({ id: newId(), ...thisProcess(), world: "0123456789abcdef" }));
}

/** A lock as a process of this machine made it that has ended. */
function lockOfTheDead(suffix = "", id = newId()): string {
  const { pid } = spawnSync("true");
  writeFileSync(`${lockPath}${suffix}`, JSON.stringify({ id, ...thisProcess(), pid }));
  return id;
}

/** Reading it fails, because there is nothing to read yet. */
function pipeHeldOpen(): void {
  spawnSync("mkfifo", [lockPath]);
  const descriptor = openSync(lockPath, constants.O_RDWR | constants.O_NONBLOCK);
  onTestFinished(() => closeSync(descriptor));
}

describe("withFileLock()", () => {
  test("gives what the work gives, and holds a private file while it runs", async () => {
    const result = await withFileLock(path, { clock }, async () => {
      expect(statSync(lockPath).mode & 0o777).toBe(0o600);
      expect(JSON.parse(readFileSync(lockPath, "utf8"))).toMatchObject({ pid: process.pid });
      return 7;
    });
    expect(result).toBe(7);
    expect(readdirSync(folder.path)).toEqual(["credentials.json"]);
  });

  test("gives the lock back when the work fails, and rejects with its error", async () => {
    const failure = new Error("work");
    const failing = withFileLock(path, { clock }, () => Promise.reject(failure));
    await expect(failing).rejects.toBe(failure);
    expect(existsSync(lockPath)).toBe(false);
  });

  test("lets one in at a time within a process, by whatever name the file goes", async () => {
    symlinkSync(path, folder.file("link"));
    let inside = 0;
    const enter = (name: string) =>
      withFileLock(name, { clock }, async () => {
        inside += 1;
        expect(inside).toBe(1);
        await new Promise(setImmediate);
        inside -= 1;
      });
    await Promise.all([enter(path), enter(folder.file("link")), enter(path)]);
    expect(readdirSync(folder.path).sort()).toEqual(["credentials.json", "link"]);
  });

  test("takes over at once from a process of this machine that has ended", async () => {
    lockOfTheDead();
    const standing = manualClock(0);
    await withFileLock(path, { clock: standing }, async () => {});
    expect(readdirSync(folder.path)).toEqual(["credentials.json"]);
  });

  test("takes over at once from one whose number another process has now", async () => {
    writeFileSync(lockPath, JSON.stringify({ id: newId(), ...thisProcess(), pid: 1, started: "999999999" }));
    await withFileLock(path, { clock: manualClock(0) }, async () => {});
    expect(existsSync(lockPath)).toBe(false);
  });

  test("takes over although one who took over was killed in the middle, and again in the middle of that", async () => {
    const first = lockOfTheDead();
    const second = lockOfTheDead(`.${first}`);
    lockOfTheDead(`.${first}.${second}`);
    await withFileLock(path, { clock }, async () => {});
    expect(readdirSync(folder.path)).toEqual(["credentials.json"]);
  });

  test("leaves a dead lock to one who is about to remove it", async () => {
    const claim = `${lockPath}.${lockOfTheDead()}`;
    writeFileSync(claim, JSON.stringify({ id: newId(), ...thisProcess() }));
    const standing = manualClock(0);
    let isIn = false;
    const working = withFileLock(path, { clock: standing }, async () => {
      isIn = true;
    });
    await standing.waitedOn();
    expect(isIn).toBe(false);
    expect(readdirSync(folder.path)).toHaveLength(3);
    rmSync(claim);
    standing.advance(LOCK_RETRY_MS);
    await working;
    expect(readdirSync(folder.path)).toEqual(["credentials.json"]);
  });

  test("gives its lock back although one who took it for stale was killed in the middle", async () => {
    await withFileLock(path, { clock }, async () => {
      lockOfTheDead(`.${JSON.parse(readFileSync(lockPath, "utf8")).id}`);
    });
    expect(readdirSync(folder.path)).toEqual(["credentials.json"]);
  });

  test.each([
    ["another machine's lock", lockOfElsewhere],
    ["an empty file, as other programs make it", () => writeFileSync(lockPath, "")],
    ["somebody else's file", () => writeFileSync(lockPath, "[1, 2]")],
    ["a symbolic link", () => symlinkSync("/nowhere", lockPath)],
    ["a pipe that somebody holds open", pipeHeldOpen],
  ])("waits for %s until it has not moved for LOCK_STALE_MS", async (_, make) => {
    make();
    // By this clock the file is from the future, so that its own time says nothing.
    const standing = manualClock(0);
    let isIn = false;
    const working = withFileLock(path, { clock: standing }, async () => {
      isIn = true;
    });
    for (let ms = 0; ms < LOCK_STALE_MS; ms += LOCK_RETRY_MS) {
      await standing.waitedOn();
      expect(isIn).toBe(false);
      standing.advance(LOCK_RETRY_MS);
    }
    await working;
    expect(readdirSync(folder.path)).toEqual(["credentials.json"]);
  });

  test("takes over at once from another machine when the lock's file is older than LOCK_STALE_MS", async () => {
    lockOfElsewhere();
    const standing = manualClock(systemClock.nowUs() / 1000);
    // By a second, because the file system's clock ticks a little behind.
    const secs = standing.nowUs() / 1e6 - LOCK_STALE_MS / 1000 - 1;
    utimesSync(lockPath, secs, secs);
    await withFileLock(path, { clock: standing }, async () => {});
    expect(existsSync(lockPath)).toBe(false);
  });

  test("waits for a folder, as other programs' locks are, and works without a lock when it has not moved", async () => {
    mkdirSync(lockPath);
    const standing = manualClock(0);
    const working = withFileLock(path, { clock: standing }, async () => {});
    await standing.waitedOn();
    standing.advance(LOCK_STALE_MS);
    await working;
    expect(statSync(lockPath).isDirectory()).toBe(true);
  });

  test("takes no lock for old because our clock is ahead of the file system's", async () => {
    lockOfElsewhere();
    const ahead = manualClock(systemClock.nowUs() / 1000 + 10 * LOCK_STALE_MS);
    const abort = new AbortController();
    const never = async () => expect.unreachable("it worked");
    const waiting = withFileLock(path, { clock: ahead, signal: abort.signal }, never);
    await Promise.race([ahead.waitedOn(), waiting]);
    abort.abort(new Error("enough"));
    await expect(waiting).rejects.toThrow("enough");
    expect(readdirSync(folder.path).sort()).toEqual(["credentials.json", "credentials.json.lock"]);
  });

  test("begins to count anew when a lock has passed on to another", async () => {
    lockOfElsewhere();
    const standing = manualClock(0);
    let isIn = false;
    const working = withFileLock(path, { clock: standing }, async () => {
      isIn = true;
    });
    for (const _ of [1, 2, 3]) {
      await standing.waitedOn();
      standing.advance(LOCK_STALE_MS - 1);
      lockOfElsewhere();
      await standing.waitedOn();
      expect(isIn).toBe(false);
    }
    standing.advance(LOCK_STALE_MS);
    await working;
    expect(isIn).toBe(true);
  });

  test("does not give back the lock of the next one, where the one before stood still for too long", async () => {
    const standing = manualClock(systemClock.nowUs() / 1000);
    let next: Promise<void> | undefined;
    let finish = () => {};
    const finished = new Promise<void>((resolve) => {
      finish = resolve;
    });
    await withFileLock(path, { clock: standing }, async () => {
      standing.advance(LOCK_STALE_MS + 5000);
      const secs = systemClock.nowUs() / 1e6 - LOCK_STALE_MS / 1000;
      utimesSync(lockPath, secs, secs);
      const entered = new Promise<void>((resolve) => {
        next = withFileLock(path, { clock: standing }, async () => {
          resolve();
          await finished;
        });
      });
      await entered;
    });
    expect(existsSync(lockPath)).toBe(true);
    finish();
    await next;
    expect(readdirSync(folder.path)).toEqual(["credentials.json"]);
  });

  test("ends the waiting with the signal's reason, before, at once and later, and leaves nothing", async () => {
    const reason = new Error("enough");
    const never = async () => expect.unreachable("it worked");
    const before = withFileLock(path, { clock, signal: AbortSignal.abort(reason) }, never);
    await expect(before).rejects.toBe(reason);
    lockOfElsewhere();
    const standing = manualClock(0);
    const abort = new AbortController();
    const waiting = withFileLock(path, { clock: standing, signal: abort.signal }, never);
    await standing.waitedOn();
    abort.abort(reason);
    await expect(waiting).rejects.toBe(reason);
    expect(standing.timers).toBe(0);
    expect(readdirSync(folder.path).sort()).toEqual(["credentials.json", "credentials.json.lock"]);
  });

  test.each([
    ["in a folder that takes no files", "/proc/self/status"],
    ["in a folder that refuses", "/sys/kernel/notes"],
    ["where there is no folder", "/nowhere/credentials.json"],
  ])("works without a lock %s", async (_, target) => {
    expect(await withFileLock(target, { clock }, async () => 7)).toBe(7);
    expect(existsSync(`${target}.lock`)).toBe(false);
  });
});
