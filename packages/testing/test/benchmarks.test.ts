import { spawn } from "node:child_process";
import { once } from "node:events";
import { readdirSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";
import { runProgram } from "../src/run-program.js";
import { isMissing } from "../src/services.js";
import { type TemporaryFolder, temporaryFolder } from "../src/temp.js";

/** The programs in benchmarks/, with so little to do that their figures mean nothing. Needs the build. */

const FOLDER = fileURLToPath(new URL("../../../benchmarks/", import.meta.url));
const TSX = createRequire(import.meta.url).resolve("tsx/cli");

/** What makes those that scale short. */
const SHORT = { values: "2,3", seconds: "0.1" };

/** How long a program may take, in milliseconds: it starts a dozen others. */
const PROGRAM_MS = 180_000;

const names = readdirSync(FOLDER).flatMap((file) => /^(.+)\.ts$/.exec(file)?.[1] ?? []);
const scaling = names.filter((name) => name.startsWith("scaling-"));

/** Runs questions, in so short a form, and writes into a folder. No program of Debian's is found: PATH is empty. */
function ask(folder: TemporaryFolder, name: string, ...parameters: readonly string[]) {
  const where = ["--write", "--docs", folder.file("docs"), "--results", folder.file("results")];
  return runProgram(process.execPath, [TSX, `${FOLDER}support/run.ts`, name, ...parameters, ...where], {
    timeoutMs: PROGRAM_MS,
    environment: { PATH: "" },
  });
}

describe("benchmarks", () => {
  test.each(scaling)(
    "%s answers its question with a table and the same as JSON",
    { timeout: PROGRAM_MS },
    async (name) => {
      const parameters = ["--store", "sqlite", "--values", SHORT.values, "--seconds", SHORT.seconds];
      const { code, stdout, stderr } = await runProgram(
        process.execPath,
        [TSX, `${FOLDER}${name}.ts`, ...parameters],
        { timeoutMs: PROGRAM_MS },
      );
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

  test("npm run bench explains itself, and refuses what it cannot do before it installs or starts anything", async () => {
    const bench = (...words: readonly string[]) =>
      runProgram(process.execPath, [`${FOLDER}../scripts/bench.mjs`, ...words], { timeoutMs: PROGRAM_MS });
    const help = await bench("--help");
    expect([help.code, help.stdout]).toEqual([0, expect.stringMatching(/^Usage: npm run bench/)]);
    for (const [words, complaint] of [
      [["memory", "--rounds", "0"], '--rounds must be a whole number from 1, got "0"'],
      [["memory", "--messages", "x"], '--messages must be a whole number from 1, got "x"'],
      [["--list"], "Unknown option '--list'"],
      [["speed"], "there is no benchmark speed"],
    ] as const) {
      const { code, stderr } = await bench(...words);
      expect([code, stderr]).toEqual([2, expect.stringContaining(complaint)]);
    }
    using folder = temporaryFolder();
    const { code, stderr } = await ask(folder, "memory", "--only", "nosuch");
    expect([code, stderr]).toEqual([2, "--only: there is no contender nosuch: pullqueue, Python kombu\n"]);
  });

  test("a question measures contenders in turn, names who is missing, and writes tables and a picture", {
    timeout: PROGRAM_MS,
  }, async () => {
    using folder = temporaryFolder();
    const only = ["--only", "pullqueue,JetStream,round trip"];
    const parameters = ["--values", "2,3", "--rounds", "2", "--messages", "20", ...only];
    const { code, stdout, stderr } = await ask(folder, "publish", ...parameters);
    expect(code, stderr).toBe(0);
    const turns = [...stderr.matchAll(/in flight (\d), round (\d) of 2, (.+)$/gm)].map((all) =>
      all.slice(1).join(" "),
    );
    expect(turns.join(", ")).toBe(
      "2 1 pullqueue, 2 1 round trip, 3 1 pullqueue, 3 1 round trip, 2 2 round trip, 2 2 pullqueue, 3 2 round trip, 3 2 pullqueue",
    );

    const answer = JSON.parse(readFileSync(folder.file("results/publish.json"), "utf8"));
    expect(answer).toMatchObject({ name: "publish", rounds: 2, values: [2, 3], parameter: "in flight" });
    expect(answer.measured).toHaveLength(4);
    for (const { rounds } of answer.measured) {
      expect(rounds).toHaveLength(2);
      for (const { publish_per_s } of rounds) expect(publish_per_s).toBeGreaterThan(0);
    }
    expect(Object.keys(answer.missing)).toEqual(["JetStream"]);

    const page = readFileSync(folder.file("docs/performance.md"), "utf8");
    expect(page).toMatch(/^\| 3 +\| +\d+ \(\d+–\d+\) \| +\d+ \(\d+–\d+\) \| +[\d.]+ × \|$/m);
    expect(page).toMatch(/^- \*\*JetStream is missing\*\*: .+/m);
    expect(page).toMatch(/^\| publish, 100 in flight, against RabbitMQ +\| +≥ 3 × \| +– \| +– \|$/m);
    expect(page).toContain(answer.command);
    expect(stdout).toContain(answer.question);
    expectWellFormed(readFileSync(folder.file("docs/performance/publish.svg"), "utf8"));
  });

  // Of the longest to start, and of what is measured when everything has.
  const moments = isMissing("rabbitmq-programs") ? [/round 1/] : [/starting rabbitmq/, /round 1/];
  test.each(moments)(
    "Ctrl-C at %s ends everything that was started, and leaves no folder",
    {
      timeout: PROGRAM_MS,
    },
    async (moment) => {
      using folder = temporaryFolder();
      const words = [
        "publish",
        "--values",
        "1",
        "--only",
        "pullqueue,RabbitMQ",
        "--results",
        folder.file("results"),
      ];
      const environment = { ...process.env, TMPDIR: folder.path };
      const bench = spawn(process.execPath, [`${FOLDER}../scripts/bench.mjs`, ...words], {
        // A group of its own, as in a terminal.
        ...{ env: environment, detached: true, stdio: ["ignore", "ignore", "pipe"] },
      });
      let stderr = "";
      let isInterrupted = false;
      bench.stderr!.setEncoding("utf8").on("data", (text) => {
        stderr += text;
        if (isInterrupted || !moment.test(stderr)) return;
        isInterrupted = true;
        process.kill(-bench.pid!, "SIGINT");
      });
      const [code] = await once(bench, "close");
      expect([code, stderr]).toEqual([130, expect.stringContaining("SIGINT: stopping what was started")]);
      expect(stderr).not.toMatch(/missing|failed|did not end/);
      // tsx keeps what it has compiled.
      expect(readdirSync(folder.path).filter((name) => !name.startsWith("tsx-"))).toEqual(["results"]);
      expect(processesWith(folder.path)).toEqual([]);
    },
  );

  test("each benchmark is in the README", () => {
    const listed = [...readFileSync(`${FOLDER}README.md`, "utf8").matchAll(/^\| `([\w-]+)` /gm)].map(
      ([, name]) => name,
    );
    expect(listed.sort()).toEqual([...names].sort());
  });
});

test("processor time of a contender counts when its program has ended", async () => {
  const program = `
    import { execFileSync } from "node:child_process";
    import { treeMeter } from "${FOLDER}support/cpu-time.ts";
    const meter = treeMeter(process.pid);
    const startedMs = performance.now();
    execFileSync(process.execPath, ["-e", "while (process.cpuUsage().user < 500_000);"]);
    const cores = meter.busyCores();
    console.log((cores * (performance.now() - startedMs)) / 1000);
  `;
  const { stdout, stderr } = await runProgram(
    process.execPath,
    ["--import", "tsx", "--input-type=module", "-e", program],
    { timeoutMs: PROGRAM_MS },
  );
  expect(Number(stdout), stderr).toBeGreaterThan(0.45);
});

/** Those that were told this in their environment or on their command line. */
function processesWith(text: string): readonly string[] {
  return readdirSync("/proc").filter((pid) => {
    if (!/^\d+$/.test(pid)) return false;
    try {
      return ["environ", "cmdline"].some((file) =>
        readFileSync(`/proc/${pid}/${file}`, "utf8").includes(text),
      );
    } catch {
      return false; // It has ended meanwhile.
    }
  });
}

/** Elements are closed in the order in which they were opened, and no figure went wrong. */
function expectWellFormed(svg: string): void {
  const open: string[] = [];
  for (const [, closing, name, , isEmpty] of svg.matchAll(
    /<(\/?)([a-z]+)((?: [a-zA-Z-]+="[^"<]*")*)(\/?)>/g,
  )) {
    if (closing === "/") expect(open.pop()).toBe(name);
    else if (isEmpty !== "/") open.push(name!);
  }
  expect(open).toEqual([]);
  expect(svg).toMatch(/^<svg xmlns="http:\/\/www\.w3\.org\/2000\/svg" [\s\S]+<polyline[\s\S]+<\/svg>\n$/);
  expect(svg).not.toMatch(/NaN|Infinity|undefined/);
}
