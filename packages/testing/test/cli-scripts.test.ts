import { writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";
import { startChild } from "../src/child.js";
import { runProgram } from "../src/run-program.js";
import { temporaryFolder } from "../src/temp.js";

/** What `npm start`, `npm run check` and CI run. Needs the build. */

const SCRIPTS = new URL("../../../scripts/", import.meta.url);

/** The demonstration also looks whether everything is installed and built. */
const START_MS = 60_000;

const START = fileURLToPath(new URL("start.mjs", SCRIPTS));

/** What scripts/report.mjs exports; plain JavaScript has no types. */
interface ReportModule {
  readReport(path: string): {
    readonly passed: number;
    readonly failed: number;
  };
}

describe("npm start", () => {
  test("--messages publishes and acknowledges so many, says so and ends", async () => {
    using folder = temporaryFolder();
    const { code, stdout } = await runProgram(process.execPath, [START, "--messages", "5"], {
      environment: { PULLQUEUE_STORE: `sqlite:${folder.file("demo.db")}`, PULLQUEUE_PORT: "0" },
      timeoutMs: START_MS,
    });
    const lines = stdout.trim().split("\n");
    for (const n of [1, 2, 3, 4, 5]) {
      expect(lines.some((line) => line.startsWith(`put #${n} `))).toBe(true);
      expect(lines.some((line) => line.endsWith(`acknowledged #${n}`))).toBe(true);
    }
    expect(lines.at(-1)).toBe("published 5, acknowledged 5, left 0");
    expect(code).toBe(0);
  });

  test("without --messages it goes on until SIGINT, and takes a free port when the usual one is taken", async () => {
    using folder = temporaryFolder();
    const taken = createServer();
    await new Promise<void>((resolve) => taken.listen(0, "127.0.0.1", resolve));
    const address = taken.address();
    const port = typeof address === "object" ? String(address?.port) : "";
    try {
      await using demo = startChild(process.execPath, [START], {
        environment: {
          ...process.env,
          PULLQUEUE_STORE: `sqlite:${folder.file("demo.db")}`,
          PULLQUEUE_PORT: port,
        },
      });
      await demo.line(/acknowledged #2$/, START_MS);
      demo.signal("SIGINT");
      expect(await demo.exited(START_MS)).toEqual({ code: 0, signal: null });
      expect(demo.stderr()).toContain("the usual port is taken");
      await demo.line(/^published \d+, acknowledged \d+, left \d+$/, START_MS);
    } finally {
      await new Promise((resolve) => void taken.close(resolve));
    }
  });

  test.each([["--messages", "none"], ["--messages=0"], ["--nonsense"]])(
    "%s %s is refused before anything is installed",
    async (...parameters) => {
      const { code, stderr } = await runProgram(process.execPath, [START, ...parameters]);
      expect(code).toBe(2);
      expect(stderr).toMatch(/^pullqueue: /);
    },
  );
});

describe("npm run check", () => {
  test("an unknown part is refused with those that there are", async () => {
    const check = fileURLToPath(new URL("check.mjs", SCRIPTS));
    const { code, stderr } = await runProgram(process.execPath, [check, "nonsense"]);
    expect(code).toBe(2);
    expect(stderr).toContain("types, lint, format, unused, tidy, reference, tests");
  });
});

describe("readReport()", () => {
  test("readReport() counts tests, and a file that broke before its first test as one", async () => {
    const { readReport } = (await import(new URL("report.mjs", SCRIPTS).href)) as ReportModule;
    using folder = temporaryFolder();
    const results = (...statuses: string[]) => statuses.map((status) => ({ status }));
    writeFileSync(
      folder.file("report.json"),
      JSON.stringify({
        testResults: [
          { name: "a.test.ts", status: "passed", assertionResults: results("passed", "passed", "pending") },
          { name: "b.test.ts", status: "failed", assertionResults: results("failed", "passed") },
          { name: "broken.test.ts", status: "failed", assertionResults: [] },
        ],
      }),
    );
    expect(readReport(folder.file("report.json"))).toEqual({ passed: 3, failed: 2 });
    expect(readReport(folder.file("none.json"))).toMatchObject({ passed: 0, failed: 0 });
  });
});
