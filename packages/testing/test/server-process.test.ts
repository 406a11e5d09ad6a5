import { describe, expect, test } from "vitest";
import { startServerProcess } from "../src/server-process.js";
import { temporaryFolder } from "../src/temp.js";

describe("startServerProcess()", { timeout: 60_000 }, () => {
  test("startServerProcess() gives a server that answers, and stop() ends it well", async () => {
    await using server = await startServerProcess();
    expect((await fetch(`${server.url}/healthz`)).status).toBe(200);
    expect(await server.stop()).toEqual({ code: 0, signal: null });
    await expect(fetch(`${server.url}/healthz`)).rejects.toThrow();
  });

  test("kill9() ends a server at once", async () => {
    await using server = await startServerProcess();
    expect(await server.kill9()).toEqual({ code: null, signal: "SIGKILL" });
  });

  test("startServerProcess() rejects with what the server said when it does not get ready", async () => {
    using folder = temporaryFolder();
    const store = `sqlite:${folder.file("no-such-folder/queue.db")}`;
    await expect(startServerProcess({ store })).rejects.toThrow(/the process ended[\s\S]*folder/);
  });
});
