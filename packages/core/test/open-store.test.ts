import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { openStore } from "../src/open-store.js";

const queue = { project: "p", queue: "q" };

describe("openStore()", () => {
  test("opens a memory store of its own each time", async () => {
    await using first = await openStore("memory:");
    await using second = await openStore("memory:");
    await first.insert(queue, [{ payload: new Uint8Array() }]);
    expect(first.supports.name).toBe("memory");
    expect(await second.lease([queue], { maxTasks: 1, leaseMs: 1000 })).toEqual([]);
  });

  test("opens an SQLite store, and passes the options on", async () => {
    const folder = await mkdtemp(join(tmpdir(), "pullqueue-"));
    await using store = await openStore(`sqlite:${join(folder, "tasks.db")}`, { createQueues: false });
    expect(store.supports.name).toBe("sqlite");
    await expect(store.insert(queue, [])).rejects.toMatchObject({ code: "not_found" });
    await store.close();
    await rm(folder, { recursive: true });
  });

  test("opens PostgreSQL at its address, and says when no database answers there", async () => {
    await expect(openStore("postgres://127.0.0.1:1/database")).rejects.toMatchObject({
      code: "unavailable",
      message: expect.stringContaining("check that it runs"),
    });
  });
});
