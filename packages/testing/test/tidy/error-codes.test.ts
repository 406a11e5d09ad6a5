import { describe, expect, test } from "vitest";
import { errorCodes } from "../../src/tidy/error-codes.js";
import { report } from "../../src/tidy/workspace.js";

const SOURCES = {
  "packages/core/src/errors.ts": `export const QUEUE_ERROR_CODES = ["closed", "timeout"] as const;`,
  "packages/kombu/src/errors.ts": `export const KOMBU_ERROR_CODES = ["closed"] as const;`,
  "packages/auth/src/errors.ts": `export const AUTH_ERROR_CODES = ["closed"] as const;`,
};
const complaints = (document: string) =>
  report(errorCodes(new Map(Object.entries({ ...SOURCES, "docs/errors.md": document }))));

const QUEUE = "# Errors\n\n## QueueError\n\n### `closed`\n\n### `timeout`\n";
const KOMBU = "\n## KombuError\n\n### `closed`\n";
const AUTH = "\n## AuthError\n\n### `closed`\n";

describe("errorCodes()", () => {
  test("errorCodes() is content with one section for each code of each class", () => {
    expect(complaints(QUEUE + KOMBU + AUTH)).toBe("");
  });

  test("errorCodes() misses a section, and names the class", () => {
    expect(complaints(QUEUE + AUTH)).toMatch(
      /kombu\/src\/errors\.ts:1 closed has no section .* under KombuError/,
    );
  });

  test("errorCodes() refuses a section without a code, and a second one", () => {
    expect(complaints(`${QUEUE + KOMBU + AUTH}\n### \`gone\`\n`)).toMatch(/errors\.md:17 gone is no code/);
    expect(complaints(`${QUEUE + KOMBU + AUTH}\n### \`closed\`\n`)).toMatch(/errors\.md:17 closed .* twice/);
  });

  test("errorCodes() does not pass when the list of codes is gone", () => {
    expect(report(errorCodes(new Map([["docs/errors.md", QUEUE]])))).toMatch(/no source lists codes/);
  });
});
