import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { startChild } from "@pullqueue/testing";
import { expect, test } from "vitest";
import { isGone, thisProcess } from "../../src/files/process-identity.js";

test("isGone() knows that we live, and that one that was waited for has ended", () => {
  expect(isGone(thisProcess())).toBe(false);
  expect(isGone({ ...thisProcess(), pid: spawnSync("true").pid })).toBe(true);
});

test("isGone() knows nothing of other machines and containers", () => {
  const elsewhere = { ...thisProcess(), world: "0123456789abcdef" };
  expect(isGone({ ...elsewhere, pid: spawnSync("true").pid })).toBe(false);
});

test("isGone() tells a process from an earlier one with its number, where the system says when it started", () => {
  expect(isGone({ ...thisProcess(), started: "1234567890" })).toBe(true);
  expect(isGone({ ...thisProcess(), started: "" })).toBe(false);
});

test("isGone() takes one for ended that nobody has waited for yet", async () => {
  // The shell becomes a program that waits for no child, and its child ends after that.
  await using parent = startChild("/bin/sh", ["-c", "sleep 0.2 & echo $!; exec sleep 60"]);
  const [, pid] = await parent.line(/^(\d+)$/, 10_000);
  const zombie = { ...thisProcess(), pid: Number(pid), started: "" };
  expect(isGone(zombie)).toBe(false);
  await expect.poll(() => isGone(zombie)).toBe(true);
  expect(readFileSync(`/proc/${pid}/stat`, "utf8")).toContain(" Z ");
  parent.signal("SIGKILL");
});
