import { OPTION_GROUPS, SERVE_OPTIONS, type ServeOption, type ServeOptionName } from "@pullqueue/server";
import { expect, test } from "vitest";
import { pullqueue } from "../support.js";

test("serve --help shows each option once, under its heading", async () => {
  const { code, stdout } = await pullqueue(["serve", "--help"]);
  expect(code).toBe(0);
  const shown: string[] = [];
  for (const [heading, names] of Object.entries(OPTION_GROUPS)) {
    const section = stdout.split(`\n${heading}:\n`)[1]?.split("\n\n", 1)[0] ?? "";
    for (const name of names as readonly ServeOptionName[]) {
      const { flag, secret, variable }: ServeOption<unknown> = SERVE_OPTIONS[name];
      if (secret === true) expect(stdout).toContain(`  ${variable}  `);
      else expect(section).toMatch(new RegExp(`^  ${flag} <`, "m"));
      shown.push(name);
    }
  }
  expect(shown.toSorted()).toEqual(Object.keys(SERVE_OPTIONS).toSorted());
  expect(stdout).not.toMatch(/undefined|\[object/);
});

test("serve --help says how variables and keys of the file are called", async () => {
  const { stdout } = await pullqueue(["serve", "--help"]);
  expect(stdout).toContain("--log-level is PULLQUEUE_LOG_LEVEL in the environment and logLevel in the file");
});
