import { describe, expect, test } from "vitest";
import {
  docComments,
  exportMaps,
  noDefaultExports,
  noExportStar,
  noInnerIndex,
} from "../../src/tidy/exports.js";
import { report, type Workspace } from "../../src/tidy/workspace.js";

const MANIFEST = JSON.stringify({
  name: "@pullqueue/core",
  exports: { ".": { default: "./dist/index.js" }, "./stores/*": { default: "./dist/stores/*.js" } },
});

function sample(files: Readonly<Record<string, string>>): Workspace {
  return new Map(Object.entries({ "packages/core/package.json": MANIFEST, ...files }));
}

describe("exports", () => {
  test("noDefaultExports() refuses every form of a default, but not in a tool's configuration", () => {
    for (const text of [
      "export default 1;",
      "export default function f() {}",
      "export default class {}",
      "const a = 1; export { a as default };",
    ]) {
      expect(noDefaultExports(sample({ "packages/core/src/a.ts": text }))).toHaveLength(1);
      expect(noDefaultExports(sample({ "vitest.config.ts": text }))).toEqual([]);
    }
    const innocent = "switch (x) { default: f(); } export const a = { default: 1 };";
    expect(noDefaultExports(sample({ "packages/core/src/a.ts": innocent }))).toEqual([]);
  });

  test("noExportStar() refuses a star without a name", () => {
    expect(noExportStar(sample({ "packages/core/src/a.ts": `export * from "./b.js";` }))).toHaveLength(1);
    expect(noExportStar(sample({ "packages/core/src/a.ts": `export * as b from "./b.js";` }))).toEqual([]);
  });

  test("noInnerIndex() allows the index of a package and of a conformance suite", () => {
    const text = "export const a = 1;";
    expect(noInnerIndex(sample({ "packages/core/src/stores/index.ts": text }))).toHaveLength(1);
    expect(noInnerIndex(sample({ "packages/core/src/index.ts": text }))).toEqual([]);
    expect(noInnerIndex(sample({ "packages/core/src/conformance/index.ts": text }))).toEqual([]);
  });

  test("exportMaps() refuses a subpath without a source and a command without a file", () => {
    const manifest = JSON.stringify({ name: "pullqueue", bin: { pullqueue: "bin/pullqueue.js" } });
    const bare = sample({ "packages/cli/package.json": manifest });
    expect(report(exportMaps(bare))).toMatch(
      /exports \. without.*\n.*exports \.\/stores\/\* without.*\n.*bin\/pullqueue\.js/,
    );
    const complete = sample({
      "packages/core/src/index.ts": "",
      "packages/core/src/stores/memory.ts": "",
      "packages/cli/package.json": manifest,
      "packages/cli/bin/pullqueue.js": "",
    });
    expect(exportMaps(complete)).toEqual([]);
  });
});

describe("docComments()", () => {
  test("docComments() finds the bare name behind renames and re-exports", () => {
    const workspace = sample({
      "packages/core/src/index.ts": `export { a, b as c, type D } from "./a.js"; export { e };\nimport { e } from "./e.js";`,
      "packages/core/src/a.ts": `/** Good. */ export const a = 1;\nexport function b() {}\nexport { type D } from "./d.js";`,
      "packages/core/src/d.ts": "export interface D {}",
      "packages/core/src/e.ts": "export class e {}",
    });
    expect(report(docComments(workspace)).split("\n")).toEqual([
      "packages/core/src/a.ts:2 c is exported without a doc comment",
      "packages/core/src/d.ts:1 D is exported without a doc comment",
      "packages/core/src/e.ts:1 e is exported without a doc comment",
    ]);
  });

  test("docComments() looks into subpaths and into modules exported as one name", () => {
    const workspace = sample({
      "packages/core/src/index.ts": `export * as limits from "./limits.js";`,
      "packages/core/src/limits.ts": "export const A_MAX = 1;",
      "packages/core/src/stores/memory.ts": "export const open = () => {};",
      "packages/core/src/hidden.ts": "export const nobodySees = 1;",
    });
    expect(docComments(workspace).map(({ path }) => path)).toEqual([
      "packages/core/src/stores/memory.ts",
      "packages/core/src/limits.ts",
    ]);
  });

  test("docComments() does not take a plain comment for one", () => {
    const workspace = sample({ "packages/core/src/index.ts": "// Not enough.\nexport const a = 1;" });
    expect(docComments(workspace)).toHaveLength(1);
  });
});
