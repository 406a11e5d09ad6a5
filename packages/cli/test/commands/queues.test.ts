import { writeFileSync } from "node:fs";
import { DEFAULT_QUEUE_SETTINGS } from "@pullqueue/core";
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

describe("purge of a tag", () => {
  test("purge --tag and --untagged remove only those, and ask so", async () => {
    for (const tag of ["a", "b"]) await server.pullqueue(["put", "jobs", "x", "--tag", tag]);
    await put("jobs", "y");
    const asked = await server.pullqueue(["purge", "jobs", "--tag", "a"], { input: "n\n", terminal: true });
    expect(asked.stderr).toContain('Remove all tasks of the tag "a" of the queue jobs? [y/N]');
    const tagged = await server.pullqueue(["purge", "jobs", "--tag", "a", "--yes", "--json"]);
    expect(JSON.parse(tagged.stdout)).toEqual({ queue: "jobs", tag: "a", removed: 1 });
    const untagged = await server.pullqueue(["purge", "jobs", "--untagged", "--yes"]);
    expect(untagged.stdout).toBe("1 task removed from jobs\n");
    expect((await server.store.peek(server.jobs, { limit: 9 })).tasks).toMatchObject([{ tag: "b" }]);
  });

  test("purge refuses --tag with --untagged, and removes nothing", async () => {
    await put("jobs", "a");
    const { code } = await server.pullqueue(["purge", "jobs", "--tag", "a", "--untagged", "--yes"]);
    expect(code).toBe(2);
    expect((await server.store.getQueue(server.jobs, { stats: true })).stats?.totalTasks).toBe(1);
  });
});

describe("pause and resume", () => {
  test("pause lets a queue hand out nothing until resume, and queues and stats show it", async () => {
    await put("jobs", "a");
    expect((await server.pullqueue(["pause", "jobs"])).stdout).toBe(
      "jobs is paused: it hands out nothing until it is resumed\n",
    );
    expect((await server.pullqueue(["get", "jobs"])).code).toBe(3);
    expect((await server.pullqueue(["queues"])).stdout).toMatch(/^jobs .* paused$/m);
    expect((await server.pullqueue(["stats", "jobs"])).stdout).toMatch(/^mode +pull, paused$/m);
    const paused = await server.pullqueue(["pause", "jobs", "--json"]);
    expect(JSON.parse(paused.stdout)).toMatchObject({ queue: "jobs", paused: true });
    expect((await server.pullqueue(["resume", "jobs"])).stdout).toBe("jobs goes on\n");
    expect((await server.pullqueue(["get", "jobs"])).stdout).toBe("a\n");
    const resumed = await server.pullqueue(["resume", "jobs", "--json"]);
    expect(JSON.parse(resumed.stdout)).toMatchObject({ queue: "jobs", paused: false });
  });

  test.each(["pause", "resume", "redrive"])("%s of an unknown queue ends with 3", async (command) => {
    expect((await server.pullqueue([command, "jobs"])).code).toBe(3);
  });
});

describe("redrive", () => {
  test("redrive moves dead letters back and says how many", async () => {
    const settings = { ...DEFAULT_QUEUE_SETTINGS, maxLeases: 1, deadLetterQueue: "failed" };
    await server.store.putQueue(server.jobs, settings);
    await put("jobs", "a", "b");
    for (let attempt = 0; attempt < 2; attempt++) {
      await server.store.lease([server.jobs], { maxTasks: 9, leaseMs: 0 });
    }
    const list = await server.pullqueue(["list", "failed", "--json", "--limit", "1"]);
    expect(JSON.parse(list.stdout)).toMatchObject({
      deadLetter: { queue: "jobs", reason: "retry_limit", retryCount: 1 },
    });
    expect((await server.pullqueue(["queues"])).stdout).toMatch(/^jobs .*dead letters to failed$/m);
    await put("failed", "no dead letter");
    expect(await server.pullqueue(["redrive", "failed"])).toMatchObject({
      stdout: "2 tasks moved back from failed\n",
      stderr: "1 left: leased now, new, no dead letters, or their queue is gone\n",
    });
    const again = await server.pullqueue(["redrive", "failed", "--json"]);
    expect(JSON.parse(again.stdout)).toEqual({ queue: "failed", redriven: 0 });
    expect((await server.pullqueue(["get", "jobs", "--count", "2"])).stdout).toBe("a\nb\n");
  });
});

describe("stats", () => {
  test("stats --by-tag counts each tag, the untagged first", async () => {
    await put("jobs", "x");
    for (const tag of ["b", "a b", "b"]) await server.pullqueue(["put", "jobs", "x", "--tag", tag]);
    const { stdout } = await server.pullqueue(["stats", "jobs", "--by-tag"]);
    expect(stdout.split("\n").map((line) => line.replace(/ +\d{4}-.*Z$/, ""))).toEqual([
      "TAG    TASKS  AVAILABLE  OLDEST",
      "-          1          1",
      '"a b"      1          1',
      '"b"        2          2',
      "",
    ]);
    const json = await server.pullqueue(["stats", "jobs", "--by-tag", "--json"]);
    const lines = json.stdout.trim().split("\n");
    expect(lines.map((line) => JSON.parse(line) as object)).toMatchObject([
      { queue: "jobs", totalTasks: 1 },
      { queue: "jobs", tag: "a b", totalTasks: 1, availableTasks: 1 },
      { queue: "jobs", tag: "b", totalTasks: 2 },
    ]);
  });

  test("stats --by-tag of an empty queue says so", async () => {
    await server.store.putQueue(server.jobs, DEFAULT_QUEUE_SETTINGS);
    expect(await server.pullqueue(["stats", "jobs", "--by-tag"])).toMatchObject({
      code: 0,
      stdout: "",
      stderr: "the queue jobs is empty\n",
    });
  });

  test("stats shows what is set of a queue's life, and only that", async () => {
    const settings = {
      ...DEFAULT_QUEUE_SETTINGS,
      ...{ deadLetterQueue: "failed", leasesPerSecond: 10, storageBytesMax: 1024 },
      ...{ retentionMs: 60_000, tombstoneMs: 500 },
    };
    await server.store.putQueue(server.jobs, settings);
    const { stdout } = await server.pullqueue(["stats", "jobs"]);
    for (const row of [
      /^dead letters go to +failed$/m,
      /^most leases a second +10$/m,
      /^most payload bytes +1024$/m,
      /^a task may stay +60 s$/m,
      /^chosen ids stay taken +0.5 s$/m,
    ]) {
      expect(stdout).toMatch(row);
    }
    const json = await server.pullqueue(["stats", "jobs", "--json"]);
    expect(JSON.parse(json.stdout)).toMatchObject({ deadLetterQueue: "failed", retentionMs: 60_000 });
    await server.store.putQueue(server.jobs, DEFAULT_QUEUE_SETTINGS);
    expect((await server.pullqueue(["stats", "jobs"])).stdout).not.toMatch(/dead letters|a second|may stay/);
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

  test("--credentials is a file of credentials; what is wrong with one is said, and nothing of it shown", async () => {
    using folder = temporaryFolder();
    const stats = (file: string) => server.pullqueue(["stats", "jobs", "--credentials", folder.file(file)]);
    await put("jobs", "a");
    writeFileSync(folder.file("token.json"), '{"access_token": "secret"}');
    expect((await stats("token.json")).code).toBe(0);
    writeFileSync(folder.file("key.json"), '{"type": "service_account", "private_key": "secret"}');
    const key = await stats("key.json");
    expect(key).toMatchObject({ code: 2, stdout: "" });
    expect(key.stderr).toMatch(/key\.json.*\(invalid_file\)/);
    expect(key.stderr).not.toContain("secret");
    // Not 3, which says of `get` that there was no task.
    expect(await stats("none.json")).toMatchObject({
      code: 2,
      stderr: expect.stringContaining("(not_found)"),
    });
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
