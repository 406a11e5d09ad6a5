import { afterEach, describe, expect, test, vi } from "vitest";
import { isBusy, isDiskError, translateSqliteError } from "../../src/stores/sqlite-database.js";

/** An error as better-sqlite3 throws it, and as `node:sqlite` does. */
const named = (code: string) => Object.assign(new Error("some SQL"), { code });
const numbered = (errcode: number) =>
  Object.assign(new Error("some SQL"), { code: "ERR_SQLITE_ERROR", errcode });

afterEach(() => {
  vi.doUnmock("better-sqlite3");
  vi.resetModules();
});

describe("translateSqliteError()", () => {
  test.each([
    ["SQLITE_BUSY", 5, "locked"],
    ["SQLITE_FULL", 13, "full"],
    ["SQLITE_IOERR_FSYNC", 10 | (4 << 8), "failed; check its disk"],
    ["SQLITE_READONLY_DBMOVED", 8 | (4 << 8), "cannot be written"],
    ["SQLITE_CORRUPT", 11, "damaged"],
  ])("says what %s means to a caller, by name and by number", (code, errcode, words) => {
    for (const error of [named(code), numbered(errcode)]) {
      const translated = translateSqliteError(error);
      expect(translated).toMatchObject({
        code: "unavailable",
        message: expect.stringContaining(words),
        cause: error,
      });
    }
  });

  test("keeps what it does not know to itself", () => {
    expect(translateSqliteError(named("SQLITE_CONSTRAINT"))).toMatchObject({
      code: "internal",
      message: "an unexpected error occurred",
    });
  });

  test("isBusy() and isDiskError() tell what passes from what does not", () => {
    expect([isBusy(named("SQLITE_BUSY_SNAPSHOT")), isDiskError(named("SQLITE_BUSY_SNAPSHOT"))]).toEqual([
      true,
      false,
    ]);
    expect([isBusy(numbered(13)), isDiskError(numbered(13))]).toEqual([false, true]);
    expect([isBusy(named("SQLITE_CONSTRAINT")), isDiskError(named("SQLITE_CONSTRAINT"))]).toEqual([
      false,
      false,
    ]);
  });
});

describe("openDatabase()", () => {
  test("names the package and the option when better-sqlite3 is not installed", async () => {
    vi.doMock("better-sqlite3", () => {
      throw new Error("Cannot find package");
    });
    const { openDatabase } = await import("../../src/stores/sqlite-database.js");
    const folder = await import("node:os").then(({ tmpdir }) => tmpdir());
    const path = `${folder}/pullqueue-${process.pid}-unopened.db`;
    await expect(openDatabase(path)).rejects.toMatchObject({
      code: "not_supported",
      message: expect.stringMatching(/npm install better-sqlite3.*`database`/),
    });
    await import("node:fs/promises").then(({ rm }) => rm(path));
  });
});
