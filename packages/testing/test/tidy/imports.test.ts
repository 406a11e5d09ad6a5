import { describe, expect, test } from "vitest";
import { importCycles, importTable, roomsApart } from "../../src/tidy/imports.js";
import { report, type Workspace } from "../../src/tidy/workspace.js";

const MANIFESTS = {
  "packages/core/package.json": JSON.stringify({
    name: "@pullqueue/core",
    exports: {
      ".": { types: "./dist/index.d.ts", default: "./dist/index.js" },
      "./stores/*": { types: "./dist/stores/*.d.ts", default: "./dist/stores/*.js" },
    },
  }),
  "packages/server/package.json": JSON.stringify({
    name: "@pullqueue/server",
    exports: { ".": "./dist/index.js" },
  }),
  "packages/testing/package.json": JSON.stringify({
    name: "@pullqueue/testing",
    exports: { ".": "./dist/index.js" },
  }),
  "packages/cli/package.json": JSON.stringify({ name: "pullqueue" }),
};

function sample(files: Readonly<Record<string, string>>): Workspace {
  return new Map(Object.entries({ ...MANIFESTS, ...files }));
}

function complaints(path: string, text: string): string {
  return report(importTable(sample({ [path]: text })));
}

describe("importTable()", () => {
  test("importTable() allows what the table allows, through exported names", () => {
    const text = `
      import { a } from "@pullqueue/core";
      import type { B } from "@pullqueue/core/stores/memory";
      import { readFile } from "node:fs/promises";
      import { c } from "./neighbour.js";`;
    expect(complaints("packages/server/src/x.ts", text)).toBe("");
  });

  test("importTable() refuses an import against the table, even of a type", () => {
    const expected =
      "packages/core/src/x.ts:1 imports @pullqueue/server, but core may import nothing of ours";
    expect(complaints("packages/core/src/x.ts", `import type { A } from "@pullqueue/server";`)).toBe(
      expected,
    );
    expect(complaints("packages/core/src/x.ts", `export { A } from "@pullqueue/server";`)).toBe(expected);
    expect(complaints("packages/core/src/x.ts", `await import("@pullqueue/server");`)).toBe(expected);
    expect(complaints("packages/core/src/x.ts", `type A = import("@pullqueue/server").A;`)).toBe(expected);
  });

  test("importTable() refuses subpaths that are not exported", () => {
    expect(complaints("packages/server/src/x.ts", `import "@pullqueue/core/src/ids.js";`)).toMatch(
      /not exported/,
    );
    expect(complaints("packages/testing/src/x.ts", `import { a } from "pullqueue";`)).toMatch(/not exported/);
  });

  test("importTable() refuses relative paths across packages", () => {
    const text = `import { a } from "../../core/src/index.js";`;
    expect(complaints("packages/server/src/x.ts", text)).toMatch(/across packages/);
    expect(complaints("packages/server/test/x.test.ts", `import "../../core/src/a.js";`)).toMatch(
      /across packages/,
    );
  });

  test("importTable() refuses tests and test helpers in what ships", () => {
    expect(complaints("packages/core/src/x.ts", `import "../test/helper.js";`)).toMatch(/what ships/);
    expect(complaints("packages/core/src/x.ts", `import "@pullqueue/testing";`)).toMatch(
      /may import nothing/,
    );
    expect(complaints("packages/core/test/x.test.ts", `import "@pullqueue/testing";`)).toBe("");
    expect(complaints("packages/core/test/x.test.ts", `import "../src/ids.js";`)).toBe("");
  });
});

describe("importCycles()", () => {
  test("importCycles() finds a circle through an import of a type", () => {
    const workspace = sample({
      "packages/core/src/a.ts": `import type { B } from "./b.js";`,
      "packages/core/src/b.ts": `export { c } from "./c.js";`,
      "packages/core/src/c.ts": `const load = () => import("./a.js");`,
    });
    expect(report(importCycles(workspace))).toMatch(/a\.ts -> \S+b\.ts -> \S+c\.ts -> \S+a\.ts/);
  });

  test("importCycles() finds a circle across packages", () => {
    const workspace = sample({
      "packages/core/src/index.ts": `import "@pullqueue/server";`,
      "packages/server/src/index.ts": `import "@pullqueue/core";`,
    });
    expect(importCycles(workspace)).toHaveLength(1);
  });

  test("importCycles() is content with two ways to one file", () => {
    const workspace = sample({
      "packages/core/src/a.ts": `import "./b.js"; import "./c.js";`,
      "packages/core/src/b.ts": `import "./c.js";`,
      "packages/core/src/c.ts": "export const c = 1;",
    });
    expect(importCycles(workspace)).toEqual([]);
  });
});

describe("roomsApart()", () => {
  const found = (path: string, text: string) => report(roomsApart(sample({ [path]: text })));

  test.each([
    ["packages/core/src/stores/sqlite-open.ts", "./memory.js", /stores do not know each other/],
    ["packages/core/src/stores/http.ts", "./sqlite.js", /stores do not know each other/],
    ["packages/core/src/conformance/lease.ts", "../stores/memory.js", /against the contract/],
    ["packages/server/src/routes/tasks.ts", "@pullqueue/core/stores/memory", /knows the contract/],
    ["packages/kombu/src/transports/memory.ts", "./sqlite.js", /builds on virtual alone/],
  ])("roomsApart() refuses in %s the import of %s", (path, specifier, why) => {
    expect(found(path, `import { a } from "${specifier}";`)).toMatch(why);
  });

  test.each([
    ["packages/core/src/stores/sqlite.ts", "./sqlite-schema.js"],
    ["packages/core/src/stores/sqlite.ts", "./lease-rules.js"],
    ["packages/core/src/open-store.ts", "./stores/sqlite.js"],
    ["packages/kombu/src/transports/memory.ts", "./virtual.js"],
    ["packages/kombu/src/transports/appengine.ts", "./appengine-credentials.js"],
  ])("roomsApart() allows in %s the import of %s", (path, specifier) => {
    expect(found(path, `import { a } from "${specifier}";`)).toBe("");
  });
});
