import { expect, test } from "vitest";
import { printable, tableLines } from "../src/table.js";

test("tableLines() aligns texts to the left, numbers to the right, and ends no line with spaces", () => {
  const lines = tableLines(
    ["QUEUE", "TASKS", "STATE"],
    [
      ["jobs", "7", ""],
      ["a-longer-name", "1234", "push"],
    ],
  );
  expect(lines).toEqual([
    "QUEUE          TASKS  STATE", //
    "jobs               7",
    "a-longer-name   1234  push",
  ]);
});

test("tableLines() without rows is the headings", () => {
  expect(tableLines(["A", "B"], [])).toEqual(["A  B"]);
});

test("printable() disarms what would move a terminal's cursor, and leaves the rest alone", () => {
  expect(printable("\u001b[2Jjobs\n\u009b")).toBe("\\u001b[2Jjobs\\u000a\\u009b");
  expect(printable("größer/als ~")).toBe("größer/als ~");
});
