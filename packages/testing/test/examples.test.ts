import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { startChild } from "../src/child.js";
import { startRedisInstance } from "../src/redis-instance.js";
import { runProgram } from "../src/run-program.js";
import { type ServerProcess, startServerProcess } from "../src/server-process.js";
import { isMissing } from "../src/services.js";

/** The programs in examples/, as somebody runs them who reads them, against a real server. Needs the build. */

const EXAMPLES = fileURLToPath(new URL("../../../examples/", import.meta.url));
const README = fileURLToPath(new URL("../../../README.md", import.meta.url));
/** Inside the repository, so that imports are found as from a program of the workspace. */
const README_PROGRAMS = fileURLToPath(new URL("../../../.pullqueue/readme-programs/", import.meta.url));
const TSX = createRequire(import.meta.url).resolve("tsx/cli");

let server: ServerProcess;

beforeAll(async () => {
  server = await startServerProcess();
});

afterAll(() => server?.stop());

async function run(example: string, environment: Readonly<Record<string, string>> = {}): Promise<string> {
  const { code, stdout, stderr } = await runProgram(process.execPath, [TSX, `${EXAMPLES}${example}`], {
    environment: { PULLQUEUE_ENDPOINT: server.url, ...environment },
  });
  if (code !== 0) throw new Error(`${example} ended with ${code}\n${stdout}${stderr}`);
  return stdout;
}

describe("examples", () => {
  test("the simple producer's messages reach the simple consumer, in order, once", async () => {
    expect(await run("01-simple-producer.ts")).toBe("put hello\nput how are you\nput goodbye\n");
    expect(await run("02-simple-consumer.ts")).toBe(
      "got { message: 'hello' }\ngot { message: 'how are you' }\ngot { message: 'goodbye' }\nthe queue is empty\n",
    );
    expect(await run("02-simple-consumer.ts")).toBe("the queue is empty\n");
  });

  test("the advanced producer's messages reach the advanced consumer through their exchange", async () => {
    expect(await run("03-advanced-producer.ts")).toBe("published to pull-queue\npublished to pull-queue\n");
    expect(await run("04-advanced-consumer.ts")).toBe(
      "received { text: 'Hello World!' }\nreceived { text: 'Hello again!' }\nnothing more to do\n",
    );
  });

  test("the worker takes the advanced producer's messages, and ends by itself when told to stop", async () => {
    await run("03-advanced-producer.ts");
    const worker = startChild(process.execPath, [TSX, `${EXAMPLES}05-worker.ts`], {
      environment: { ...process.env, PULLQUEUE_ENDPOINT: server.url },
    });
    await worker.line(/Hello World!/, 10_000);
    await worker.line(/Hello again!/, 10_000);
    worker.signal("SIGTERM");
    await worker.line(/^stopped$/, 10_000);
    expect(await worker.exited(10_000)).toMatchObject({ code: 0 });
    expect(await run("02-simple-consumer.ts")).toBe("the queue is empty\n");
  });

  test("events reach the queues whose patterns fit", async () => {
    expect(await run("06-topic-exchange.ts")).toBe(
      "order.placed -> shop-audit\norder.paid -> shop-invoices, shop-audit\ncustomer.created -> nobody\n" +
        "shop-invoices has 1\nshop-audit has 2\n",
    );
  });

  test("a schema checks both ends", async () => {
    expect(await run("07-schemas.ts")).toMatch(/^1 guest in 2026\nrefused: \$\.at .+\n$/);
  });

  test("a message that fails three times goes to the dead letters", async () => {
    expect(await run("09-dead-letters.ts")).toMatch(
      /^baking 2 attempt 1\nbaking -1 attempt 1\nbaking -1 attempt 2\nbaking -1 attempt 3\ngiven up: \{ cakes: -1 \} [\s\S]*delivery_limit/,
    );
  });

  test("calls are answered side by side", async () => {
    expect(await run("10-remote-calls.ts")).toBe("[ 4, 9, 16 ]\n");
  });

  test.skipIf(isMissing("redis-server") || isMissing("python3-kombu"))(
    "Python and Node answer each other",
    async () => {
      await using redis = await startRedisInstance();
      const environment = { BROKER_URL: redis.url };
      const python = runProgram("/usr/bin/python3", [`${EXAMPLES}08-beside-python.py`], { environment });
      expect(await run("08-beside-python.ts", environment)).toBe(
        "asked; waiting 30 seconds for 08-beside-python.py\nanswer from Python { sum: 6 }\n",
      );
      const { code, stdout } = await python;
      expect({ code, stdout }).toEqual({ code: 0, stdout: "asked by Node {'numbers': [1, 2, 3]}\n" });
    },
  );

  test("every example is run by a test", () => {
    const numbered = readdirSync(EXAMPLES).filter((name) => name.endsWith(".ts"));
    expect(numbered).toEqual([
      "01-simple-producer.ts",
      "02-simple-consumer.ts",
      "03-advanced-producer.ts",
      "04-advanced-consumer.ts",
      "05-worker.ts",
      "06-topic-exchange.ts",
      "07-schemas.ts",
      "08-beside-python.ts",
      "09-dead-letters.ts",
      "10-remote-calls.ts",
    ]);
  });
});

describe("the README's five minutes", () => {
  const [, section = ""] =
    /^## kombu in five minutes$([\s\S]*?)^##/m.exec(readFileSync(README, "utf8")) ?? [];
  const programs = [...section.matchAll(/^```ts\n([\s\S]*?)^```$/gm)].map(([, program = ""]) => program);
  const [, python = ""] = /^```python\n([\s\S]*?)^```$/m.exec(section) ?? [];

  async function runMinute(minute: number, program = programs[minute - 1] ?? "") {
    mkdirSync(README_PROGRAMS, { recursive: true });
    const path = `${README_PROGRAMS}minute-${minute}.mts`;
    writeFileSync(path, program);
    try {
      return await runProgram(process.execPath, [TSX, path]);
    } finally {
      rmSync(path);
    }
  }

  test.each([
    [1, "{ order: 1 }\n"],
    [2, "[ 'paid', 'audit' ]\n"],
    [3, "working on { job: 1 }\n"],
    [4, "110 EUR 7\n"],
  ])("minute %i prints what it says", async (minute, output) => {
    expect(await runMinute(minute)).toMatchObject({ stdout: output, stderr: "", code: 0 });
  });

  test.skipIf(isMissing("redis-server") || isMissing("python3-kombu"))(
    "minute 5: Python gets what this side has put",
    async () => {
      await using redis = await startRedisInstance();
      const here = (program = "") => program.replaceAll("redis://localhost", redis.url);
      expect(await runMinute(5, here(programs[4]))).toMatchObject({ stdout: "", stderr: "", code: 0 });
      const { code, stdout } = await runProgram("/usr/bin/python3", ["-c", here(python)]);
      expect({ code, stdout }).toEqual({ code: 0, stdout: "{'order': 1}\n" });
    },
  );
});
