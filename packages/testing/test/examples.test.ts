import { readdirSync } from "node:fs";
import { createRequire } from "node:module";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { startChild } from "../src/child.js";
import { runProgram } from "../src/run-program.js";
import { type ServerProcess, startServerProcess } from "../src/server-process.js";

/** The programs in examples/, as somebody runs them who reads them, against a real server. Needs the build. */

const EXAMPLES = fileURLToPath(new URL("../../../examples/", import.meta.url));
const TSX = createRequire(import.meta.url).resolve("tsx/cli");

let server: ServerProcess;

beforeAll(async () => {
  server = await startServerProcess();
});

afterAll(() => server?.stop());

async function run(example: string): Promise<string> {
  const { code, stdout, stderr } = await runProgram(process.execPath, [TSX, `${EXAMPLES}${example}`], {
    environment: { PULLQUEUE_ENDPOINT: server.url },
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

  test("every example is run by a test", () => {
    const numbered = readdirSync(EXAMPLES).filter((name) => name.endsWith(".ts"));
    expect(numbered).toEqual([
      "01-simple-producer.ts",
      "02-simple-consumer.ts",
      "03-advanced-producer.ts",
      "04-advanced-consumer.ts",
      "05-worker.ts",
    ]);
  });
});
