import { readdirSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";
import { runProgram } from "../src/run-program.js";

/** The programs in benchmarks/, with so little to do that their figures mean nothing. Needs the build. */

const FOLDER = fileURLToPath(new URL("../../../benchmarks/", import.meta.url));
const TSX = createRequire(import.meta.url).resolve("tsx/cli");

/** What makes each of them short. */
const SHORT = { values: "2,3", seconds: "0.1" };

const names = readdirSync(FOLDER).flatMap((file) => /^(.+)\.ts$/.exec(file)?.[1] ?? []);

describe("benchmarks", () => {
  test.each(names)(
    "%s answers its question with a table and the same as JSON",
    { timeout: 60_000 },
    async (name) => {
      const parameters = ["--store", "sqlite", "--values", SHORT.values, "--seconds", SHORT.seconds];
      const { code, stdout, stderr } = await runProgram(process.execPath, [
        TSX,
        `${FOLDER}${name}.ts`,
        ...parameters,
      ]);
      expect(code, stderr).toBe(0);
      const [, question, json] =
        /^## (.+\?)\n[\s\S]*\n\| ---: [\s\S]*```json\n([\s\S]+)```\n$/.exec(stdout) ?? [];
      const result = JSON.parse(json ?? "{}");
      expect(result).toMatchObject({
        name,
        question,
        command: `npm run bench -- ${name} ${parameters.join(" ")}`,
      });
      expect(result.rows).toHaveLength(2);
    },
  );

  test("each benchmark is in the README", () => {
    const listed = [...readFileSync(`${FOLDER}README.md`, "utf8").matchAll(/^\| `([\w-]+)` /gm)].map(
      ([, name]) => name,
    );
    expect(listed.sort()).toEqual([...names].sort());
  });
});
