import { describe, expect, test } from "vitest";
import {
  anyHasReason,
  everyTestRuns,
  noMachinePaths,
  noRegistryHosts,
  nothingUnfinished,
} from "../../src/tidy/hygiene.js";
import { report } from "../../src/tidy/workspace.js";

const sample = (path: string, text: string) => new Map([[path, text]]);

// The samples are put together from pieces, because the rules read this file too.
const HOST = `https://${"regis" + "try"}.example.org`;

describe("hygiene", () => {
  test("nothingUnfinished() refuses promises in code and in documents", () => {
    for (const word of ["TO" + "DO", "FIX" + "ME", "X" + "XX"]) {
      const text = `// first\n// ${word}: later\n`;
      expect(report(nothingUnfinished(sample("packages/core/src/a.ts", text)))).toMatch(/a\.ts:2 says/);
      expect(nothingUnfinished(sample("README.md", word))).toHaveLength(1);
    }
  });

  test.each([
    `test.only("x", () => {});`,
    `describe.skip("x", () => {});`,
    `it.todo("x");`,
    `test.concurrent.skip("x", () => {});`,
    `xit("x", () => {});`,
    `test.fails("x", () => {});`,
  ])("everyTestRuns() refuses %s", (text) => {
    expect(everyTestRuns(sample("packages/core/test/a.test.ts", text))).toHaveLength(1);
  });

  test("everyTestRuns() allows each, and tests that need a service", () => {
    const text = `test.each([1])("x", () => {}); describe.skipIf(missing)("x", () => {}); array.only(1);`;
    expect(everyTestRuns(sample("packages/core/test/a.test.ts", text))).toEqual([]);
  });

  test("anyHasReason() wants a comment beside or above", () => {
    const path = "packages/core/src/a.ts";
    expect(anyHasReason(sample(path, "let a: unknown;\n\nlet b: any;"))).toHaveLength(1);
    expect(anyHasReason(sample(path, "let a: any; // the driver's own type"))).toEqual([]);
    expect(anyHasReason(sample(path, "// The driver's own type.\nlet a: any;"))).toEqual([]);
  });

  test("noMachinePaths() refuses folders of a machine, in any file", () => {
    for (const folder of ["wo" + "rk", "ho" + "me", "ro" + "ot"]) {
      expect(noMachinePaths(sample("README.md", `see /${folder}/project for more`))).toHaveLength(1);
      expect(noMachinePaths(sample(".ci/run", `cd "/${folder}/x"`))).toHaveLength(1);
    }
    expect(noMachinePaths(sample("README.md", "/tmp/x, ./work/x, https://example.org/home/x"))).toEqual([]);
  });

  test("noRegistryHosts() refuses hosts and addresses of packages", () => {
    expect(noRegistryHosts(sample("docs/a.md", HOST))).toHaveLength(1);
    expect(noRegistryHosts(sample(".npmrc", `${"regis" + "try"}=${HOST}`))).toHaveLength(1);
    const lock = `{ "resolved": "https://example.org/a.tgz" }`;
    expect(noRegistryHosts(sample("package-lock.json", lock))).toHaveLength(1);
    expect(noRegistryHosts(sample("package-lock.json", `{ "resolved": "packages/cli" }`))).toEqual([]);
  });
});
