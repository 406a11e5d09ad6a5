import { spawnSync } from "node:child_process";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { isMissing, prng, startChild, temporaryFolder } from "@pullqueue/testing";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { systemClock } from "../../src/clock.js";
import { withFileLock } from "../../src/files/file-lock.js";
import { writePrivateFile } from "../../src/files/private-file.js";
import { thisProcess } from "../../src/files/process-identity.js";
import { newId } from "../../src/ids.js";
import { type CompiledSources, compileSources } from "../support/compiled-sources.js";

let sources: CompiledSources;
beforeAll(() => {
  sources = compileSources();
});
afterAll(() => sources[Symbol.dispose]());

/** How long a process may take to say something, in milliseconds, on a busy machine. */
const PATIENCE_MS = 30_000;

/** Adds to a number in a file, so slowly that two at once lose something. Says after each step that it is done. */
const COUNTER = `
import { readFileSync } from "node:fs";
import { withFileLock } from "{{files}}/file-lock.js";
import { writePrivateFile } from "{{files}}/private-file.js";
import { systemClock } from "{{files}}/../clock.js";
const [, , path, steps] = process.argv;
// Waits are as short as can be, so that processes meet as often as can be.
const clock = { ...systemClock, timer: (_, callback) => systemClock.timer(1, callback, { keepAlive: true }) };
for (let step = 0; step < Number(steps); step += 1) {
  await withFileLock(path, { clock }, async () => {
    const count = Number(readFileSync(path, "utf8"));
    await writePrivateFile(path, String(count + 1));
  });
  console.log("added", step);
}
`;

/** Enters whenever it is told to, and says whether somebody else was inside. */
const VISITOR = `
import { closeSync, openSync, unlinkSync } from "node:fs";
import { createInterface } from "node:readline";
import { withFileLock } from "{{files}}/file-lock.js";
import { systemClock } from "{{files}}/../clock.js";
const path = process.argv[2];
const clock = { ...systemClock, timer: (_, callback) => systemClock.timer(1, callback, { keepAlive: true }) };
console.log("ready");
for await (const round of createInterface({ input: process.stdin })) {
  let said = "alone";
  await withFileLock(path, { clock }, async () => {
    try {
      closeSync(openSync(path + ".inside", "wx"));
    } catch {
      said = "in company";
      return;
    }
    await new Promise(setImmediate);
    unlinkSync(path + ".inside");
  });
  console.log(round, said);
}
`;

/** Enters, says so, and stays until it is killed. */
const HOLDER = `
import { withFileLock } from "{{files}}/file-lock.js";
import { systemClock } from "{{files}}/../clock.js";
await withFileLock(process.argv[2], { clock: systemClock }, async () => {
  console.log("held");
  await new Promise((resolve) => process.stdin.once("end", resolve).resume());
});
`;

describe("withFileLock() across processes", () => {
  test("loses no step of four that count together", async () => {
    using folder = temporaryFolder();
    const path = folder.file("count");
    writeFileSync(path, "0");
    const program = sources.program("counter.js", COUNTER);
    const children = [1, 2, 3, 4].map(() => startChild(process.execPath, [...program, path, "100"]));
    try {
      for (const child of children) expect((await child.exited(PATIENCE_MS)).code).toBe(0);
    } finally {
      for (const child of children) await child.stop();
    }
    expect(readFileSync(path, "utf8")).toBe("400");
    expect(readdirSync(folder.path)).toEqual(["count"]);
  }, 60_000);

  test.skipIf(isMissing("strace"))(
    "loses no step either where the file system has no links",
    async () => {
      using folder = temporaryFolder();
      const path = folder.file("count");
      writeFileSync(path, "0");
      const inject = [
        "-f",
        "--seccomp-bpf",
        "-o",
        folder.file("trace"),
        "-e",
        "inject=link,linkat:error=EPERM",
      ];
      const program = sources.program("counter.js", COUNTER);
      const children = [1, 2].map(() =>
        startChild("strace", [...inject, process.execPath, ...program, path, "50"]),
      );
      try {
        for (const child of children) expect((await child.exited(PATIENCE_MS)).code).toBe(0);
      } finally {
        for (const child of children) await child.stop();
      }
      expect(readFileSync(path, "utf8")).toBe("100");
      expect(readFileSync(folder.file("trace"), "utf8")).toMatch(/EPERM.*INJECTED/);
      expect(readdirSync(folder.path).sort()).toEqual(["count", "trace"]);
    },
    60_000,
  );

  test("lets the next in at once when the holder is killed", async () => {
    using folder = temporaryFolder();
    const path = folder.file("file");
    await using holder = startChild(process.execPath, [...sources.program("holder.js", HOLDER), path]);
    await holder.line(/held/, PATIENCE_MS);
    const waits: number[] = [];
    let goOn = () => {};
    // The first wait sees a holder that lives; no time passes on this clock after that.
    const clock = {
      nowUs: () => 0,
      timer(delayMs: number, callback: () => void) {
        waits.push(delayMs);
        goOn = callback;
        if (waits.length === 1) holder.signal("SIGKILL");
        else queueMicrotask(callback);
        return () => {};
      },
    };
    const entered = withFileLock(path, { clock }, async () => waits.length);
    await holder.exited(PATIENCE_MS);
    goOn();
    expect(await entered).toBe(1);
    expect(readdirSync(folder.path)).toEqual([]);
  }, 60_000);

  test("lets one of several in who find the same dead lock at once, in every round", async () => {
    using folder = temporaryFolder();
    const path = folder.file("file");
    const program = sources.program("visitor.js", VISITOR);
    const visitors = [1, 2, 3].map(() => startChild(process.execPath, [...program, path]));
    try {
      for (const visitor of visitors) await visitor.line(/ready/, PATIENCE_MS);
      const { pid } = spawnSync("true");
      for (let round = 0; round < 300; round += 1) {
        writeFileSync(`${path}.lock`, JSON.stringify({ id: newId(), ...thisProcess(), pid }));
        for (const visitor of visitors) visitor.write(`round-${round}-`);
        for (const visitor of visitors) {
          const [, said] = await visitor.line(new RegExp(`^round-${round}- (.*)$`), PATIENCE_MS);
          expect(said).toBe("alone");
        }
      }
    } finally {
      for (const visitor of visitors) await visitor.stop();
    }
    expect(readdirSync(folder.path)).toEqual([]);
  }, 120_000);

  test("stays whole while processes that count are killed", async () => {
    using folder = temporaryFolder();
    const path = folder.file("count");
    writeFileSync(path, "0");
    const chance = prng(4);
    let added = 0;
    // Written once: a process that starts must not find it half written.
    const program = sources.program("counter.js", COUNTER);
    const add = () =>
      startChild(process.execPath, [...program, path, "100000"], {
        onLine: () => {
          added += 1;
        },
      });
    const children = [add(), add(), add()];
    const kills = 30;
    try {
      for (let kill = 0; kill < kills; kill += 1) {
        const victim = chance.integer(0, children.length - 1);
        await children[victim]!.line(new RegExp(`^added ${chance.integer(0, 30)}$`), PATIENCE_MS);
        children[victim]!.signal("SIGKILL");
        await children[victim]!.exited(PATIENCE_MS);
        children[victim] = add();
      }
    } finally {
      for (const child of children) {
        child.signal("SIGKILL");
        await child.exited(PATIENCE_MS);
      }
    }
    // Each killed one may have written its last step and not have said so; a step that was said is never lost.
    const count = Number(readFileSync(path, "utf8"));
    expect(count).toBeGreaterThanOrEqual(added);
    expect(count).toBeLessThanOrEqual(added + kills + children.length);
    // Whatever they left is no obstacle, and gone with the next write.
    await withFileLock(path, { clock: systemClock }, () => writePrivateFile(path, "0"));
    expect(readdirSync(folder.path)).toEqual(["count"]);
  }, 120_000);
});
