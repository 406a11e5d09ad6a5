import { spawnSync } from "node:child_process";
import {
  chmodSync,
  chownSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { type TemporaryFolder, temporaryFolder } from "@pullqueue/testing";
import { runProgram } from "@pullqueue/testing/run-program";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { systemClock } from "../../src/clock.js";
import { assertWritable, removePrivateFile, writePrivateFile } from "../../src/files/private-file.js";
import { thisProcess } from "../../src/files/process-identity.js";
import { temporaryName } from "../../src/files/temporary-name.js";
import { newId } from "../../src/ids.js";
import { LEFTOVER_MS } from "../../src/limits.js";
import { compileSources } from "../support/compiled-sources.js";
import { refusal } from "../support/sample-credentials.js";

let folder: TemporaryFolder;
let path: string;
beforeEach(() => {
  folder = temporaryFolder();
  path = folder.file("credentials.json");
});
afterEach(() => folder[Symbol.dispose]());

const isRoot = process.getuid?.() === 0;

/** Mounts need a namespace of one's own, which containers often forbid. */
const isMountImpossible = spawnSync("unshare", ["-rm", "true"]).status !== 0;

describe("writePrivateFile()", () => {
  test("writes a file for its owner alone, whatever the umask and the mode of the old file", async () => {
    const umask = process.umask(0);
    try {
      await writePrivateFile(path, "first");
      expect(statSync(path).mode & 0o777).toBe(0o600);
      chmodSync(path, 0o644);
      await writePrivateFile(path, "second");
    } finally {
      process.umask(umask);
    }
    expect(statSync(path).mode & 0o777).toBe(0o600);
    expect(readFileSync(path, "utf8")).toBe("second");
    expect(readdirSync(folder.path)).toEqual(["credentials.json"]);
  });

  test.skipIf(!isRoot)("leaves the file to its owner when an administrator writes it", async () => {
    writeFileSync(path, "theirs");
    chownSync(path, 12_345, 12_346);
    await writePrivateFile(path, "renewed");
    expect(statSync(path)).toMatchObject({ uid: 12_345, gid: 12_346 });
    expect(statSync(path).mode & 0o777).toBe(0o600);
  });

  test.skipIf(!isRoot)(
    "gives nothing away to whoever put a file into a folder that is everybody's",
    async () => {
      chmodSync(folder.path, 0o1777);
      writeFileSync(path, "theirs");
      chownSync(path, 12_345, 12_346);
      for (const write of [() => writePrivateFile(path, "a secret"), () => assertWritable(path)]) {
        expect(await refusal(write)).toMatchObject({
          code: "not_permitted",
          message: expect.stringContaining("belongs to another user"),
        });
      }
      expect(readFileSync(path, "utf8")).toBe("theirs");
      expect(readdirSync(folder.path)).toEqual(["credentials.json"]);
    },
  );

  const refusals: readonly (readonly [string, () => string, string, RegExp])[] = [
    [
      "a symbolic link",
      () => {
        writeFileSync(folder.file("target"), "theirs");
        symlinkSync(folder.file("target"), path);
        return path;
      },
      "not_permitted",
      /symbolic link/,
    ],
    [
      "a symbolic link to nothing",
      () => {
        symlinkSync(folder.file("target"), path);
        return path;
      },
      "not_permitted",
      /symbolic link/,
    ],
    [
      "a folder",
      () => {
        mkdirSync(path);
        return path;
      },
      "invalid_file",
      /this is a folder/,
    ],
    [
      // A device is refused alike, and would be gone if that failed: an administrator can replace /dev/null.
      "a named pipe",
      () => {
        spawnSync("mkfifo", [path]);
        return path;
      },
      "not_permitted",
      /this is a device, pipe or socket/,
    ],
    ["a path without a folder", () => folder.file("none/credentials.json"), "not_found", /no such folder/],
    [
      "a path below a file",
      () => {
        writeFileSync(path, "");
        return `${path}/credentials.json`;
      },
      "not_found",
      /no such folder/,
    ],
    // Not even an administrator makes files there.
    ["a folder that takes none", () => "/sys/kernel/c.json", "not_permitted", /cannot be written/],
    ["a name that is too long", () => folder.file("x".repeat(300)), "not_permitted", /ENAMETOOLONG/],
  ];
  test.each(refusals)(
    "refuses %s and leaves nothing, as assertWritable() does",
    async (_, make, code, message) => {
      const target = make();
      const before = readdirSync(folder.path);
      for (const deed of [() => writePrivateFile(target, "secret"), () => assertWritable(target)]) {
        const refused = await refusal(deed);
        expect(refused).toMatchObject({ code, message: expect.stringMatching(message) });
        expect(refused.message).toContain(target);
      }
      expect(readdirSync(folder.path)).toEqual(before);
      if (before.includes("target")) expect(readFileSync(folder.file("target"), "utf8")).toBe("theirs");
    },
  );

  test.skipIf(isMountImpossible)("refuses a file that is mounted by itself", async () => {
    using sources = compileSources();
    const [program = ""] = sources.program(
      "write.js",
      `import { assertWritable, writePrivateFile } from "{{files}}/private-file.js";
       for (const deed of [writePrivateFile, assertWritable]) {
         await deed(process.argv[2], "new").catch((error) => console.log(error.code, error.message));
       }`,
    );
    writeFileSync(path, "old");
    writeFileSync(folder.file("other"), "other");
    const { stdout, stderr } = await runProgram("unshare", [
      ...["-rm", "sh", "-c", 'mount --bind "$1" "$2" && "$3" "$4" "$2"', "sh"],
      ...[folder.file("other"), path, process.execPath, program],
    ]);
    const line = /^not_permitted .*mounted by itself.*mount its folder\n/;
    expect(stderr).toBe("");
    expect(stdout).toMatch(new RegExp(`${line.source}${line.source.slice(1)}$`));
    expect(readdirSync(folder.path).sort()).toEqual(["credentials.json", "other"]);
  });
});

describe("assertWritable()", () => {
  test("changes nothing", async () => {
    await assertWritable(path);
    expect(readdirSync(folder.path)).toEqual([]);
    writeFileSync(path, "old", { mode: 0o644 });
    await assertWritable(path);
    expect(readdirSync(folder.path)).toEqual(["credentials.json"]);
    expect(readFileSync(path, "utf8")).toBe("old");
  });
});

describe("removePrivateFile()", () => {
  test("deletes a file, and does nothing where there is none", async () => {
    writeFileSync(path, "old");
    await removePrivateFile(path);
    expect(readdirSync(folder.path)).toEqual([]);
    await removePrivateFile(path);
  });

  test("refuses a symbolic link, because the secret would stay where it leads", async () => {
    writeFileSync(folder.file("target"), "theirs");
    symlinkSync(folder.file("target"), path);
    expect(await refusal(() => removePrivateFile(path))).toMatchObject({ code: "not_permitted" });
    expect(readdirSync(folder.path)).toHaveLength(2);
  });

  test("deletes what a writer left that was killed", async () => {
    writeFileSync(folder.file(nameOfDeadWriter()), "half a secr");
    writeFileSync(path, "old");
    await removePrivateFile(path);
    expect(readdirSync(folder.path)).toEqual([]);
  });
});

describe("leftovers of writers", () => {
  test("stay while their process lives, or is of another machine, until they are an hour old", async () => {
    const ours = temporaryName("credentials.json");
    const elsewhere = ours.replace(/\.[0-9a-f]{16}-/, ".0123456789abcdef-");
    const foreign = ["credentials.json.tmp", "credentials.json.bak", `x${nameOfDeadWriter()}`];
    for (const name of [ours, elsewhere, ...foreign]) writeFileSync(folder.file(name), "");
    await writePrivateFile(path, "new");
    expect(readdirSync(folder.path).sort()).toEqual(["credentials.json", ours, elsewhere, ...foreign].sort());
    const nowSecs = systemClock.nowUs() / 1e6;
    for (const name of [ours, elsewhere, ...foreign]) {
      utimesSync(folder.file(name), nowSecs, nowSecs - LEFTOVER_MS / 1000 - 60);
    }
    await writePrivateFile(path, "new");
    expect(readdirSync(folder.path).sort()).toEqual(["credentials.json", ...foreign].sort());
  });

  test("of its lock, and of claims on that, go too", async () => {
    for (const name of ["", `.${newId()}`, `.${newId()}.${newId()}`]) {
      writeFileSync(folder.file(nameOfDeadWriter(`credentials.json.lock${name}`)), "");
    }
    await writePrivateFile(path, "new");
    expect(readdirSync(folder.path)).toEqual(["credentials.json"]);
  });

  test("of a number that another process has now are told by the time of its start", async () => {
    const ofEarlierProcess = temporaryName("credentials.json").replace(/-\d+-([0-9a-f]{24})/, "-1-$1");
    writeFileSync(folder.file(ofEarlierProcess), "");
    await writePrivateFile(path, "new");
    expect(readdirSync(folder.path)).toEqual(["credentials.json"]);
  });
});

describe("claims on locks", () => {
  test("are deleted when their lock is no more, and stay while it is there", async () => {
    const [present, past] = [newId(), newId()];
    writeFileSync(`${path}.lock`, JSON.stringify({ id: present, ...thisProcess() }));
    const kept = [
      "credentials.json.lock",
      `credentials.json.lock.${present}`,
      `credentials.json.lock.${past}.txt`,
    ];
    for (const name of kept.slice(1)) writeFileSync(folder.file(name), "");
    for (const name of [past, `${past}.${newId()}`, "12-34"]) writeFileSync(`${path}.lock.${name}`, "");
    await writePrivateFile(path, "new");
    expect(readdirSync(folder.path).sort()).toEqual(["credentials.json", ...kept].sort());
  });
});

/** As a process named it that has ended. */
function nameOfDeadWriter(name = "credentials.json"): string {
  const { pid } = spawnSync("true");
  return temporaryName(name).replace(`-${process.pid}-`, `-${pid}-`);
}
