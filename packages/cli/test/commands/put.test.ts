import { writeFileSync } from "node:fs";
import { limits } from "@pullqueue/core";
import { decodeEnvelope } from "@pullqueue/kombu";
import { temporaryFolder } from "@pullqueue/testing";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { startTestServer, type TestServer } from "../support.js";

let server: TestServer;

beforeEach(async () => {
  server = await startTestServer();
});

afterEach(() => server[Symbol.asyncDispose]());

async function stored() {
  return server.store.lease([server.jobs], { maxTasks: 1000, leaseMs: 60_000 });
}

async function payloads(): Promise<string[]> {
  return (await stored()).map(({ payload }) => Buffer.from(payload).toString());
}

describe("put", () => {
  test("put stores the bytes of its argument and prints the task's id", async () => {
    const { code, stdout } = await server.pullqueue(["put", "jobs", '{"n": 1}']);
    expect(code).toBe(0);
    const [task] = await stored();
    expect(stdout).toBe(`${task?.id}\n`);
    expect(Buffer.from(task?.payload ?? []).toString()).toBe('{"n": 1}');
  });

  test("put - reads standard input byte for byte, and an empty body is a body", async () => {
    const bytes = new Uint8Array([0xff, 0x00, 0x0a]);
    await server.pullqueue(["put", "jobs", "-"], { input: bytes });
    await server.pullqueue(["put", "jobs", ""]);
    const [first, second] = await stored();
    expect(Buffer.from(first?.payload ?? [])).toEqual(Buffer.from(bytes));
    expect(second?.payload).toHaveLength(0);
  });

  test("put takes a body that looks like an option after --", async () => {
    await server.pullqueue(["put", "jobs", "--", "--json"]);
    await server.pullqueue(["put", "jobs", "-5"]);
    expect(await payloads()).toEqual(["--json", "-5"]);
  });

  test("put --file reads a file", async () => {
    using folder = temporaryFolder();
    writeFileSync(folder.file("job.txt"), "from a file");
    await server.pullqueue(["put", "jobs", "--file", folder.file("job.txt")]);
    expect(await payloads()).toEqual(["from a file"]);
  });

  test("put --tag, --delay and --id go with the task", async () => {
    const before = await server.pullqueue(["put", "jobs", "x", "--tag", "a", "--id", "mine", "--json"]);
    expect(JSON.parse(before.stdout)).toEqual({ id: "mine", queue: "jobs", tag: "a" });
    await server.pullqueue(["put", "jobs", "later", "--delay", "1h"]);
    expect(await payloads()).toEqual(["x"]);
    const again = await server.pullqueue(["put", "jobs", "x", "--id", "mine"]);
    expect(again.code).toBe(2);
    expect(again.stderr).toContain("(already_exists)");
  });

  test("put --envelope kombu writes what kombu reads", async () => {
    await server.pullqueue(["put", "jobs", '{"n": 1}', "--envelope", "kombu"]);
    await server.pullqueue(["put", "jobs", "x", "--envelope", "kombu", "--content-type", "text/x"]);
    const [json, text] = (await stored()).map(({ payload }) => decodeEnvelope(payload));
    expect(json?.content.contentType).toBe("application/json");
    expect(json?.routingKey).toBe("jobs");
    expect(Buffer.from(json?.content.body ?? []).toString()).toBe('{"n": 1}');
    expect(text?.content.contentType).toBe("text/x");
  });

  test("put --lines makes a task of each line that is not empty", async () => {
    const { code, stdout } = await server.pullqueue(["put", "jobs", "--lines", "-"], {
      input: "a\r\n\nb\nc",
    });
    expect(code).toBe(0);
    expect(stdout).toBe("3 tasks put\n");
    expect(await payloads()).toEqual(["a", "b", "c"]);
  });

  test("put --lines puts more lines than one call takes, in order", async () => {
    const lines = Array.from({ length: 2 * limits.BATCH_ITEMS_MAX + 1 }, (_, n) => String(n));
    const parameters = ["put", "jobs", "--lines", "-", "--json", "--tag", "t"];
    const { stdout } = await server.pullqueue(parameters, { input: lines.join("\n") });
    const printed = stdout.trim().split("\n");
    expect(printed).toHaveLength(lines.length);
    expect(JSON.parse(printed.at(-1) ?? "")).toMatchObject({
      queue: "jobs",
      tag: "t",
      line: lines.length,
    });
    const { stats } = await server.store.getQueue(server.jobs, { stats: true });
    expect(stats?.totalTasks).toBe(lines.length);
    expect(await payloads()).toEqual(lines.slice(0, 1000));
  });

  test("put --lines says how much it put when a line is too long", async () => {
    const long = "x".repeat(limits.PAYLOAD_BYTES_MAX + 1);
    const { code, stdout, stderr } = await server.pullqueue(["put", "jobs", "--lines", "-"], {
      input: `a\nb\n${long}\nc`,
    });
    expect(code).toBe(2);
    expect(stdout).toBe("2 tasks put\n");
    expect(stderr).toContain("line 3 has more than 1048576 bytes");
  });

  test.each([
    [["put", "jobs"], "got none"],
    [["put", "jobs", "x", "--file", "y"], "got two"],
    [["put", "jobs", "x", "--lines"], "--lines reads -"],
    [["put", "jobs", "x", "--content-type", "text/plain"], "say --envelope kombu"],
    [["put", "jobs", "-", "--lines", "--id", "a"], "cannot be used with"],
    [["put", "jobs", "x", "--envelope", "amqp"], "Allowed choices are raw, kombu"],
    [["put", "jobs", "x", "--delay", "31d"], "Expected at most 30d"],
    [
      ["put", "jobs", "--file", "/there/is/no/such/file"],
      "the file /there/is/no/such/file cannot be read (ENOENT)",
    ],
  ])("%j is refused, says why, and puts nothing", async (parameters, why) => {
    const { code, stdout, stderr } = await server.pullqueue(parameters);
    expect(code).toBe(2);
    expect(stdout).toBe("");
    expect(stderr).toContain(why);
    await expect(server.store.getQueue(server.jobs)).rejects.toMatchObject({ code: "not_found" });
  });
});
