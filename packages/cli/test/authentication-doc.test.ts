import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { pullqueue } from "./support.js";

const PAGE = readFileSync(new URL("../../../docs/authentication.md", import.meta.url), "utf8");

test("docs/authentication.md has a row for each command of auth, and for no other", async () => {
  const { stdout } = await pullqueue(["auth", "--help"]);
  const [, list = ""] = stdout.split("\nCommands:\n");
  const commands = [...(list.split("\n\n")[0] ?? "").matchAll(/^ {2}([a-z-]+) /gm)].map(([, name]) => name);
  const rows = [...PAGE.matchAll(/^\| `pullqueue auth ([a-z-]+) /gm)].map(([, name]) => name);
  expect(rows).not.toEqual([]);
  expect(rows.sort()).toEqual(commands.filter((name) => name !== "help").sort());
});

test.each(["login", "status", "print-access-token", "refresh", "logout"])(
  "docs/authentication.md names every option of auth %s",
  async (name) => {
    const { stdout } = await pullqueue(["auth", name, "--help"]);
    const options = [...stdout.matchAll(/^ {2}(?:-\w, )?(--[a-z-]+)/gm)].map(([, option]) => option);
    expect(options).not.toEqual([]);
    const unnamed = options.filter((option) => option !== "--help" && !PAGE.includes(`\`${option}`));
    expect(unnamed).toEqual([]);
  },
);
