import { describe, expect, test } from "vitest";
import { startChild } from "../src/child.js";

const node = (script: string) => startChild(process.execPath, ["-e", script]);

describe("startChild()", () => {
  test("line() gives a line that comes, and one that has come", async () => {
    await using child = node(
      `process.stdin.once("data", () => console.log("second 2")); console.log("first 1")`,
    );
    expect((await child.line(/^first (\d)$/, 10_000))[1]).toBe("1");
    child.write("go");
    expect((await child.line(/^second (\d)$/, 10_000))[1]).toBe("2");
    expect((await child.line(/^first/, 10_000))[0]).toBe("first");
  });

  test("line() rejects with standard error when the process ends first", async () => {
    await using child = node(`console.error("out of luck"); process.exitCode = 3`);
    await expect(child.line(/ready/, 10_000)).rejects.toThrow(/the process ended[\s\S]*out of luck/);
    expect(await child.exited(1_000)).toEqual({ code: 3, signal: null });
  });

  test("line() rejects when nothing comes in time", async () => {
    await using child = node("setInterval(() => {}, 1000)");
    await expect(child.line(/ready/, 50)).rejects.toThrow(/silent for 50 ms/);
  });

  test("stop() lets a process end by itself", async () => {
    const child = node(
      `process.on("SIGTERM", () => process.exit(7)); console.log("up"); setInterval(() => {}, 1000)`,
    );
    await child.line(/up/, 10_000);
    expect(await child.stop()).toEqual({ code: 7, signal: null });
    expect(await child.stop()).toEqual({ code: 7, signal: null });
  });

  test("exited() kills a process that takes too long", async () => {
    await using child = node(
      `process.on("SIGTERM", () => {}); console.log("up"); setInterval(() => {}, 1000)`,
    );
    await child.line(/up/, 10_000);
    await expect(child.exited(50)).rejects.toThrow(/was killed/);
    expect(await child.exited(1_000)).toEqual({ code: null, signal: "SIGKILL" });
  });

  test("startChild() reports a program that does not exist", async () => {
    const child = startChild("no-such-program", []);
    await expect(child.line(/ready/, 5_000)).rejects.toThrow(/ENOENT/);
    expect(await child.stop()).toEqual({ code: null, signal: null });
  });
});
