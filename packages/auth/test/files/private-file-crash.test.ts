import { readdirSync, readFileSync } from "node:fs";
import { isMissing, prng, startChild, temporaryFolder } from "@pullqueue/testing";
import { runProgram } from "@pullqueue/testing/run-program";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { writePrivateFile } from "../../src/files/private-file.js";
import { type CompiledSources, compileSources } from "../support/compiled-sources.js";

/** What the file holds in version n: long enough that it is not written in one page, and so that a part of it can be told. */
const CONTENT = "(n) => JSON.stringify({ n, filling: String(n % 10).repeat(50_000), end: n })";

let sources: CompiledSources;
beforeAll(() => {
  sources = compileSources();
});
afterAll(() => sources[Symbol.dispose]());

describe("writePrivateFile()", () => {
  test("leaves the old file or the new one when its process is killed, and cleans up later", async () => {
    using folder = temporaryFolder();
    const path = folder.file("credentials.json");
    const program = sources.program(
      "rewrite.js",
      `import { writePrivateFile } from "{{files}}/private-file.js";
       const content = ${CONTENT};
       for (let n = Number(process.argv[3]); ; n += 1) {
         await writePrivateFile(process.argv[2], content(n));
         console.log("wrote", n);
       }`,
    );
    const chance = prng(20_120_501);
    let newest = 0;
    let leftovers = 0;
    for (let round = 0; round < 25; round += 1) {
      await using child = startChild(process.execPath, [...program, path, String(newest + 1)], {
        onLine: (line) => {
          newest = Number(line.split(" ")[1]);
        },
      });
      const before = newest;
      const writes = chance.integer(2, 20);
      await child.line(new RegExp(`^wrote ${before + 1}$`), 15_000);
      const started = performance.now();
      await child.line(new RegExp(`^wrote ${before + writes}$`), 15_000);
      const writeMs = (performance.now() - started) / writes;
      // Anywhere in a write: timers know only milliseconds, and a write takes few.
      const until = performance.now() + (chance.integer(0, 100) / 100) * writeMs;
      while (performance.now() < until);
      child.signal("SIGKILL");
      await child.exited(10_000);
      const { n, filling, end } = JSON.parse(readFileSync(path, "utf8"));
      expect({ end, length: filling.length }).toEqual({ end: n, length: 50_000 });
      // A write that has ended is not lost; the one after it may be there already.
      expect(n - newest).toBeOneOf([0, 1]);
      newest = n;
      leftovers += readdirSync(folder.path).length - 1;
    }
    // Else nothing was killed in the middle, and the test shows nothing.
    expect(leftovers).toBeGreaterThan(0);
    await writePrivateFile(path, "{}");
    expect(readdirSync(folder.path)).toEqual(["credentials.json"]);
  }, 120_000);

  test.skipIf(isMissing("strace"))(
    "has the new file on disk before it takes the old one's place, and the folder before it resolves, also when the file is deleted",
    async () => {
      using folder = temporaryFolder();
      const path = folder.file("credentials.json");
      const program = sources.program(
        "write-once.js",
        `import { removePrivateFile, writePrivateFile } from "{{files}}/private-file.js";
         await writePrivateFile(process.argv[2], "content");
         console.log("resolved");
         await removePrivateFile(process.argv[2]);
         console.log("removed");`,
      );
      const trace = folder.file("trace");
      const calls = "trace=openat,fsync,fdatasync,rename,renameat,renameat2,unlink,unlinkat,write";
      await runProgram("strace", ["-f", "-y", "-e", calls, "-o", trace, process.execPath, ...program, path]);
      const lines = readFileSync(trace, "utf8").split("\n");
      const first = (pattern: RegExp) => lines.findIndex((line) => pattern.test(line));
      const last = (pattern: RegExp) => lines.findLastIndex((line) => pattern.test(line));
      const folderSync = new RegExp(`f(?:data)?sync\\(\\d+<${folder.path}>`);
      const steps = {
        created: first(/openat\(.*credentials\.json\.[^"]+\.tmp", .*O_CREAT\|O_EXCL.*, 0600/),
        written: first(/write\(\d+<.*\.tmp>, "content"/),
        synced: first(/f(?:data)?sync\(\d+<[^>]*\.tmp>\s*\) += 0|f(?:data)?sync\(\d+<[^>]*\.tmp>/),
        renamed: first(/rename(?:at2?)?\(.*\.tmp".*credentials\.json"/),
        folderSynced: first(folderSync),
        resolved: first(/write\(1<.*"resolved/),
        deleted: first(/unlink(?:at)?\(.*credentials\.json"/),
        folderSyncedAgain: last(folderSync),
        removed: first(/write\(1<.*"removed/),
      };
      expect(Object.values(steps)).not.toContain(-1);
      expect(Object.entries(steps).sort(([, a], [, b]) => a - b)).toEqual(Object.entries(steps));
    },
    60_000,
  );
});
