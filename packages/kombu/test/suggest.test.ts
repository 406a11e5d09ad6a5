import { describe, expect, it } from "vitest";
import { suggest } from "../src/suggest.js";

const known = ["numTasks", "num_tasks", "leaseMs", "lease_secs", "json", "text"];

describe("suggest()", () => {
  it.each([
    ["num_task", "num_tasks"],
    ["numTask", "numTasks"],
    ["NUM_TASKS", "numTasks"],
    ["lease_ms", "leaseMs"],
    ["jsn", "json"],
    ["txet", "text"],
  ])("suggest() for %s names %s", (name, meant) => {
    expect(suggest(name, known)).toBe(` (did you mean ${meant}?)`);
  });

  it.each(["redis", "x", "", "a name that is far too long to be any of these"])(
    "suggest() says nothing when nothing is near: %j",
    (name) => {
      expect(suggest(name, known)).toBe("");
    },
  );
});
