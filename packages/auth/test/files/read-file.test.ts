import { spawnSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { temporaryFolder } from "@pullqueue/testing";
import { afterAll, expect, test } from "vitest";
import { type Clock, systemClock } from "../../src/clock.js";
import { readJsonFile } from "../../src/files/read-file.js";
import { READ_ATTEMPTS_MAX } from "../../src/limits.js";
import { refusal } from "../support/sample-credentials.js";

const folder = temporaryFolder();
const path = folder.file("credentials.json");
afterAll(() => folder[Symbol.dispose]());

/** A clock on which nobody waits, and that tells of each wait. */
function clockThatTells(tell: () => void): Clock {
  return {
    nowUs: systemClock.nowUs,
    timer: (_, callback) => {
      tell();
      callback();
      return () => {};
    },
  };
}

test.each(["", '{"token": "t', '{"token": "t"}{'])(
  "readJsonFile() reads again what ends in the middle, since others write in place: %s",
  async (part) => {
    writeFileSync(path, part);
    const clock = clockThatTells(() => writeFileSync(path, '{"token": "t"}'));
    expect(await readJsonFile(path, "credentials", clock)).toEqual({ token: "t" });
  },
);

test("readJsonFile() reads what stays cut a bounded number of times", async () => {
  writeFileSync(path, '{"token": "hidden');
  let waits = 0;
  const clock = clockThatTells(() => {
    waits += 1;
  });
  expect(await refusal(() => readJsonFile(path, "credentials", clock))).toEqual({
    code: "invalid_file",
    message: `${path}: expected credentials, and this is damaged: it begins as a JSON object and is none`,
  });
  expect(waits).toBe(READ_ATTEMPTS_MAX - 1);
});

test("readJsonFile() refuses at once what no more writing makes a JSON object", async () => {
  const clock = clockThatTells(() => expect.unreachable("it waited"));
  for (const text of ["[]", "token", "\xff\xfe{", "-----BEGIN PRIVATE KEY-----"]) {
    writeFileSync(path, text, "latin1");
    expect(await refusal(() => readJsonFile(path, "credentials", clock))).toMatchObject({
      code: "invalid_file",
    });
  }
});

test("readJsonFile() refuses a pipe at once, although nobody writes into it", async () => {
  const pipe = folder.file("pipe");
  spawnSync("mkfifo", [pipe]);
  expect(await refusal(() => readJsonFile(pipe, "credentials"))).toEqual({
    code: "invalid_file",
    message: `${pipe}: expected credentials, and this is a pipe or a device; save what it gives in a file (chmod 600)`,
  });
});
