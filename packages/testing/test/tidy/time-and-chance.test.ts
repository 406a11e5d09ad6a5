import { describe, expect, test } from "vitest";
import { timeAndChance } from "../../src/tidy/time-and-chance.js";

const found = (path: string, text: string) => timeAndChance(new Map([[path, text]]));

describe("timeAndChance()", () => {
  test.each([
    "Date.now();",
    "globalThis.Date.now();",
    "const now = Date.now;",
    "new Date();",
    "Date();",
    "performance.timeOrigin;",
  ])("timeAndChance() allows %s in clock.ts only", (text) => {
    expect(found("packages/server/src/a.ts", text)).toHaveLength(1);
    expect(found("examples/01-a.ts", text)).toHaveLength(1);
    expect(found("packages/core/src/clock.ts", text)).toEqual([]);
    expect(found("packages/core/src/ids.ts", text)).toHaveLength(1);
  });

  test.each([
    "Math.random();",
    "crypto.randomUUID();",
    "globalThis.crypto.getRandomValues(x);",
    `import { randomBytes } from "node:crypto";`,
    `import { randomUUID as id } from "crypto";`,
  ])("timeAndChance() allows %s in ids.ts only", (text) => {
    expect(found("packages/kombu/src/a.ts", text)).toHaveLength(1);
    expect(found("packages/core/src/ids.ts", text)).toEqual([]);
    expect(found("packages/core/src/clock.ts", text)).toHaveLength(1);
  });

  test.each([
    "performance.now();",
    "new Date(ms);",
    "date.toISOString();",
    `import { createHash } from "node:crypto";`,
  ])("timeAndChance() has nothing against %s", (text) => {
    expect(found("packages/server/src/a.ts", text)).toEqual([]);
  });
});
