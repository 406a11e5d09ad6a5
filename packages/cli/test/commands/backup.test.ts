import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { openStore } from "@pullqueue/core";
import { temporaryFolder } from "@pullqueue/testing";
import { describe, expect, test } from "vitest";
import { pullqueue } from "../support.js";

const queue = { project: "p", queue: "q" };

describe("backup", () => {
  test("backup copies the file of a store that is in use, and the copy opens", async () => {
    using folder = temporaryFolder();
    const path = join(folder.path, "tasks.db");
    const copy = join(folder.path, "copy.db");
    await using store = await openStore(`sqlite:${path}`);
    await store.insert(queue, [{ payload: new Uint8Array(3) }]);
    const backup = await pullqueue(["backup", copy, "--store", `sqlite:${path}`, "--json"]);
    expect(backup).toMatchObject({ code: 0, stderr: "" });
    expect(JSON.parse(backup.stdout)).toEqual({ file: copy, bytes: expect.any(Number) });
    await using copied = await openStore(`sqlite:${copy}`);
    expect((await copied.peek(queue, { limit: 10 })).tasks).toHaveLength(1);
  });

  test("backup says what it copies, and what to do for others", async () => {
    const refused = async (...parameters: string[]) =>
      (await pullqueue(["backup", "copy.db", ...parameters])).stderr;
    expect(await refused("--store", "memory:")).toContain("keep tasks in sqlite:PATH");
    expect(await refused("--store", "postgres://localhost/x")).toContain("pg_dump");
    expect(await refused()).toContain("required option '--store <address>'");
    using folder = temporaryFolder();
    await mkdir(join(folder.path, "folder"));
    expect(await refused("--store", `sqlite:${folder.path}/folder`)).toContain("there is no file to copy");
  });
});
