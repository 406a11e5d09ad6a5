import { describe, expect, test } from "vitest";
import { kebabCaseFiles, unitsInNames } from "../../src/tidy/names.js";

describe("names", () => {
  test("kebabCaseFiles() refuses capitals and underscores in files and folders", () => {
    const bad = [
      "packages/core/src/checkedStore.ts",
      "packages/core/src/my_file.ts",
      "packages/Core/src/a.ts",
    ];
    const good = [
      "packages/core/src/checked-store.ts",
      "examples/01-simple.ts",
      "a/b.test.ts",
      "vitest.config.ts",
    ];
    const workspace = new Map([...bad, ...good, "README.md"].map((path) => [path, ""]));
    expect(kebabCaseFiles(workspace).map(({ path }) => path)).toEqual([...bad].sort());
  });

  test("unitsInNames() refuses numbers that are durations or sizes without a unit", () => {
    const text = `interface Options {
      readonly timeout?: number;
      readonly pollingInterval: number | undefined;
      readonly delay: string;
      readonly timeoutMs: number;
      readonly polling_interval: number;
    }
    class A { wait(lease: number, leaseMs: number, chunkSize = 10, size = 3) {} }`;
    expect(unitsInNames(new Map([["packages/cli/src/commands/get.ts", text]]))).toEqual([]);
    const found = unitsInNames(new Map([["packages/core/src/a.ts", text]]));
    expect(found.map(({ message }) => message.split(" ")[0])).toEqual([
      "timeout",
      "pollingInterval",
      "lease",
      "chunkSize",
    ]);
  });
});
