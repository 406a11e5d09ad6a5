import { writeFileSync } from "node:fs";
import { temporaryFolder } from "@pullqueue/testing";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { startTestServer, type TestServer } from "../support.js";

let server: TestServer;

beforeEach(async () => {
  server = await startTestServer();
});

afterEach(() => server[Symbol.asyncDispose]());

async function put(queue: string, ...bodies: string[]): Promise<void> {
  for (const body of bodies) await server.pullqueue(["put", queue, body]);
}

describe("queues", () => {
  test("queues lists the queues of one project with their counts", async () => {
    await put("jobs", "a", "b");
    await put("a queue/with any name", "c");
    await server.pullqueue(["put", "elsewhere", "x", "--project", "other"]);
    const { code, stdout } = await server.pullqueue(["queues"]);
    expect(code).toBe(0);
    expect(stdout.split("\n").map((line) => line.replace(/ +\d{4}-.*Z$/, " TIME"))).toEqual([
      "QUEUE                  TASKS  AVAILABLE  OLDEST                    STATE",
      "a queue/with any name      1          1 TIME",
      "jobs                       2          2 TIME",
      "",
    ]);
    const other = await server.pullqueue(["queues", "--json", "--project", "other"]);
    expect(JSON.parse(other.stdout)).toMatchObject({ queue: "elsewhere", project: "other", totalTasks: 1 });
  });

  test("queues of a project without queues says so and is fine", async () => {
    expect(await server.pullqueue(["queues"])).toMatchObject({
      code: 0,
      stdout: "",
      stderr: "there are no queues in the project default\n",
    });
  });
});

describe("stats", () => {
  test("stats shows the counts of a queue", async () => {
    await put("jobs", "a", "b");
    await server.pullqueue(["get", "jobs"]);
    const { stdout } = await server.pullqueue(["stats", "jobs"]);
    expect(stdout).toMatch(/^queue +jobs$/m);
    expect(stdout).toMatch(/^tasks +1$/m);
    expect(stdout).toMatch(/^available now +1$/m);
    expect(stdout).toMatch(/^leased in the last minute +1$/m);
    const json = await server.pullqueue(["stats", "jobs", "--json"]);
    expect(JSON.parse(json.stdout)).toMatchObject({
      queue: "jobs",
      mode: "pull",
      totalTasks: 1,
      availableTasks: 1,
    });
  });

  test("stats of an unknown queue ends with 3 and does not make it", async () => {
    const { code, stderr } = await server.pullqueue(["stats", "jobs", "--json"]);
    expect(code).toBe(3);
    expect(JSON.parse(stderr)).toMatchObject({ error: { code: "not_found" } });
    await expect(server.store.getQueue(server.jobs)).rejects.toMatchObject({ code: "not_found" });
  });
});

describe("list", () => {
  test("list shows tasks oldest first with their state, and leases none", async () => {
    await put("jobs", "a");
    await server.pullqueue(["put", "jobs", "b", "--delay", "1h", "--tag", "t"]);
    await server.store.lease([server.jobs], { maxTasks: 1, leaseMs: 60_000 });
    const { stdout } = await server.pullqueue(["list", "jobs"]);
    const [heading, leased, delayed] = stdout.split("\n");
    expect(heading).toMatch(/^ID +STATE +ETA +LEASES +ENQUEUED +TAG$/);
    expect(leased).toMatch(/^[0-9a-f]{16} +leased +\d{4}-\S+Z +1 +\S+Z$/);
    expect(delayed).toMatch(/^[0-9a-f]{16} +delayed +\d{4}-\S+Z +0 +\S+Z +"t"$/);
  });

  test("list stops at its limit and says that there is more; --all goes on page by page", async () => {
    const tasks = Array.from({ length: 250 }, () => ({ payload: new Uint8Array() }));
    await server.store.insert(server.jobs, tasks);
    const first = await server.pullqueue(["list", "jobs", "--limit", "120", "--json"]);
    expect(first.stdout.trim().split("\n")).toHaveLength(120);
    const { nextPageToken } = JSON.parse(first.stderr) as { nextPageToken: string };
    const rest = await server.pullqueue(["list", "jobs", "--json", "--all", "--page-token", nextPageToken]);
    expect(rest.stdout.trim().split("\n")).toHaveLength(130);
    expect(rest.stderr).toBe("");
    const human = await server.pullqueue(["list", "jobs"]);
    expect(human.stdout.trim().split("\n")).toHaveLength(101);
    expect(human.stderr).toContain("there are more");
    const all = await server.pullqueue(["list", "jobs", "--all", "--json"]);
    const ids = all.stdout
      .trim()
      .split("\n")
      .map((line) => (JSON.parse(line) as { id: string }).id);
    expect(new Set(ids).size).toBe(250);
  });

  test("list of an unknown queue ends with 3", async () => {
    expect((await server.pullqueue(["list", "jobs"])).code).toBe(3);
  });
});

describe("purge", () => {
  test("purge --yes removes all tasks, leased ones too, and says how many", async () => {
    await put("jobs", "a", "b");
    await server.store.lease([server.jobs], { maxTasks: 1, leaseMs: 60_000 });
    expect(await server.pullqueue(["purge", "jobs", "--yes"])).toMatchObject({
      code: 0,
      stdout: "2 tasks removed from jobs\n",
    });
    const again = await server.pullqueue(["purge", "jobs", "-y", "--json"]);
    expect(JSON.parse(again.stdout)).toEqual({ queue: "jobs", removed: 0 });
  });

  test("purge asks on a terminal, and only yes is yes", async () => {
    await put("jobs", "a");
    for (const answer of ["n\n", "\n", "what\n"]) {
      const { code, stdout, stderr } = await server.pullqueue(["purge", "jobs"], {
        input: answer,
        terminal: true,
      });
      expect({ code, stdout }).toEqual({ code: 1, stdout: "" });
      expect(stderr).toContain("Remove all 1 tasks of the queue jobs? [y/N]");
      expect(stderr).toContain("nothing was removed");
    }
    const { stdout } = await server.pullqueue(["purge", "jobs"], { input: "y\n", terminal: true });
    expect(stdout).toBe("1 task removed from jobs\n");
  });

  test("purge without a terminal and without --yes removes nothing", async () => {
    await put("jobs", "a");
    const { code, stderr } = await server.pullqueue(["purge", "jobs"], { input: "y\n" });
    expect(code).toBe(2);
    expect(stderr).toContain("say --yes");
    expect((await server.store.getQueue(server.jobs, { stats: true })).stats?.totalTasks).toBe(1);
  });
});

describe("every command", () => {
  test("options may stand before the command's name, and win over the environment", async () => {
    await put("jobs", "a");
    const { code } = await server.pullqueue(["--endpoint", server.url, "stats", "jobs"], {
      env: { PULLQUEUE_ENDPOINT: "http://127.0.0.1:1" },
    });
    expect(code).toBe(0);
  });

  test("a server that is not there is a sentence that names it, and exit code 1", async () => {
    const { code, stderr } = await server.pullqueue(["stats", "jobs", "--endpoint", "http://127.0.0.1:1"]);
    expect(code).toBe(1);
    expect(stderr).toMatch(/^pullqueue: .*http:\/\/127\.0\.0\.1:1.* \(unavailable\)\n$/);
  });

  test("a broken endpoint is refused and shown", async () => {
    const { code, stderr } = await server.pullqueue(["queues"], { env: { PULLQUEUE_ENDPOINT: "nonsense" } });
    expect(code).toBe(2);
    expect(stderr).toContain('"nonsense"');
  });

  test("--credentials is a file with an access_token; any other is refused with what it is", async () => {
    using folder = temporaryFolder();
    const stats = (file: string) => server.pullqueue(["stats", "jobs", "--credentials", folder.file(file)]);
    await put("jobs", "a");
    writeFileSync(folder.file("token.json"), '{"access_token": "secret"}');
    expect((await stats("token.json")).code).toBe(0);
    writeFileSync(folder.file("key.json"), '{"type": "service_account", "private_key": "secret"}');
    const key = await stats("key.json");
    expect(key).toMatchObject({ code: 2, stdout: "" });
    expect(key.stderr).toContain("is the key of a service account");
    expect(key.stderr).not.toContain("secret");
    expect((await stats("none.json")).stderr).toContain("none.json cannot be read");
  });

  test("an access token does not travel unencrypted to another machine", async () => {
    const { code, stderr } = await server.pullqueue(["stats", "jobs", "--endpoint", "http://192.0.2.1"], {
      env: { PULLQUEUE_ACCESS_TOKEN: "secret" },
    });
    expect(code).toBe(2);
    expect(stderr).toContain("access tokens are sent over https or to this machine alone");
    expect(stderr).not.toContain("secret");
  });
});
